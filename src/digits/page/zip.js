"use strict";
// Writes ZIP archives without compression (PKWARE's APPNOTE.TXT 6.3, section 4.3).

const ZIP_VERSION = 10; // 1.0, which reads files that are not compressed
const FIRST_DATE = 0x0021; // 1980-01-01: the same files give the same archive

/** A ZIP archive with a PNG of each digit, numbered in the folder of its label: 0/1.png, 0/2.png, … */
function zipOfDigits(digits) {
  const counts = new Array(10).fill(0);
  const files = digits.map(({ label, pixels }) => {
    counts[label]++;
    return { name: `${label}/${counts[label]}.png`, bytes: pngOfGray(pixels, SIDE) };
  });
  return zipOfFiles(files);
}

/** The archive of at most 65,535 files { name, bytes }, with names in ASCII. */
function zipOfFiles(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const encodedName = new TextEncoder().encode(name);
    const description = describeFile(encodedName, bytes);
    const local = joinBytes([littleEndian([0x04034b50, 4]), description, encodedName, bytes]);
    directory.push(directoryEntry(encodedName, description, offset));
    parts.push(local);
    offset += local.length;
  }
  const entries = joinBytes(directory);
  return joinBytes([...parts, entries, endOfDirectory(files.length, entries.length, offset)]);
}

/** The fields that the header of a file and its entry in the directory have in common. */
function describeFile(name, bytes) {
  const [flags, stored, time, extraLength] = [0, 0, 0, 0];
  return littleEndian(
    [ZIP_VERSION, 2],
    [flags, 2],
    [stored, 2],
    [time, 2],
    [FIRST_DATE, 2],
    [crc32(bytes), 4],
    [bytes.length, 4], // compressed
    [bytes.length, 4],
    [name.length, 2],
    [extraLength, 2],
  );
}

function directoryEntry(name, description, offset) {
  const [commentLength, disk, isText, attributes] = [0, 0, 0, 0];
  const start = littleEndian([0x02014b50, 4], [ZIP_VERSION, 2]);
  const end = littleEndian([commentLength, 2], [disk, 2], [isText, 2], [attributes, 4], [offset, 4]);
  return joinBytes([start, description, end, name]);
}

function endOfDirectory(count, size, offset) {
  const [disk, commentLength] = [0, 0];
  return littleEndian(
    [0x06054b50, 4],
    [disk, 2],
    [disk, 2],
    [count, 2],
    [count, 2],
    [size, 4],
    [offset, 4],
    [commentLength, 2],
  );
}
