"use strict";
// Bytes of files: numbers, joined parts, and checksums.

/** Fields [value, bytes] as integers with their lowest byte first. */
function littleEndian(...fields) {
  return Uint8Array.from(fields.flatMap(([value, count]) => bytesOf(value, count)));
}

/** An integer of four bytes with its highest byte first. */
function bigEndian(value) {
  return Uint8Array.from(bytesOf(value, 4).reverse());
}

function bytesOf(value, count) {
  return Array.from({ length: count }, (_, index) => (value >>> (8 * index)) & 0xff);
}

function joinBytes(parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let place = 0;
  for (const part of parts) {
    joined.set(part, place);
    place += part.length;
  }
  return joined;
}

/** The CRC-32 of ZIP and PNG (ISO 3309), bit by bit: the files are small. */
function crc32(bytes) {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  }
  return ~remainder >>> 0;
}

/** The Adler-32 of zlib (RFC 1950). */
function adler32(bytes) {
  let [sum, sumOfSums] = [1, 0];
  for (const byte of bytes) {
    sum = (sum + byte) % 65521;
    sumOfSums = (sumOfSums + sum) % 65521;
  }
  return ((sumOfSums << 16) | sum) >>> 0;
}
