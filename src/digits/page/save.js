"use strict";
// Saves labeled digits as files that train.py reads.

/** Kaggle's format for digits { label, pixels }, with pixels [784] from 0 to 255: a header, and a row per digit. */
function csvOfDigits(digits) {
  const header = ["label", ...Array.from({ length: 784 }, (_, index) => `pixel${index}`)];
  const rows = digits.map(({ label, pixels }) => [label, ...pixels]);
  return [header, ...rows].map((row) => `${row.join(",")}\n`).join("");
}

/** Saves a file in the folder of the browser's downloads. */
function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read the file after the click
}
