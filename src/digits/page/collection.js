"use strict";
// The digits that a person keeps, { label, pixels }, with pixels Uint8Array [784], and their storage in the browser.

const STORAGE_KEY = "digits-kept";
const ENOUGH = 5; // digits of each label, to learn a hand

/** The digits of an earlier visit. None if the browser has no storage for this page, or a damaged one. */
function loadDigits() {
  try {
    return decodeDigits(localStorage.getItem(STORAGE_KEY) ?? "");
  } catch {
    return [];
  }
}

/** Whether the browser stores the digits. Some refuse it to files, and it may be full. */
function storeDigits(digits) {
  try {
    localStorage.setItem(STORAGE_KEY, encodeDigits(digits));
    return true;
  } catch {
    return false;
  }
}

/** A line per digit: its label and its pixels in base64. */
function encodeDigits(digits) {
  return digits.map(({ label, pixels }) => btoa(String.fromCharCode(label, ...pixels))).join("\n");
}

/** Throws an error if the text is damaged. */
function decodeDigits(text) {
  const lines = text === "" ? [] : text.split("\n");
  return lines.map((line) => {
    const [label, ...pixels] = Array.from(atob(line), (character) => character.charCodeAt(0));
    if (label > 9 || pixels.length !== 784) throw new Error("not a digit");
    return { label, pixels: Uint8Array.from(pixels) };
  });
}

/** The number of digits of each label. */
function countLabels(digits) {
  const counts = new Array(10).fill(0);
  for (const { label } of digits) counts[label]++;
  return counts;
}

/** `12 digits; 3, 8 missing`, or the labels with too few digits. */
function describeDigits(digits) {
  const counts = countLabels(digits);
  const fewerThan = (minimum) => [...counts.keys()].filter((label) => counts[label] < minimum);
  const [missing, few] = [fewerThan(1), fewerThan(ENOUGH)];
  const total = digits.length === 1 ? "1 digit" : `${digits.length} digits`;
  if (missing.length) return `${total}; ${missing.join(", ")} missing`;
  if (few.length) return `${total}; fewer than ${ENOUGH} of ${few.join(", ")}`;
  return `${total}; at least ${ENOUGH} of each`;
}
