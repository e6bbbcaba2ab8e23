"use strict";
// Writes PNG files of small gray images. No canvas writes them, because some browsers change its pixels.

const PNG_SIGNATURE = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const GRAY_OF_8_BITS = [8, 0, 0, 0, 0]; // bit depth, color type, and the only kinds of compression, filters and order

/** The PNG of a square image of gray bytes, row by row, not compressed. It has at most 65,535 bytes. */
function pngOfGray(pixels, side) {
  const header = joinBytes([bigEndian(side), bigEndian(side), Uint8Array.from(GRAY_OF_8_BITS)]);
  const rows = Array.from({ length: side }, (_, row) => [0, ...pixels.slice(row * side, (row + 1) * side)]); // no filter
  const chunks = [pngChunk("IHDR", header), pngChunk("IDAT", zlibStored(rows.flat())), pngChunk("IEND", [])];
  return joinBytes([PNG_SIGNATURE, ...chunks]);
}

function pngChunk(type, data) {
  const content = joinBytes([new TextEncoder().encode(type), data]);
  return joinBytes([bigEndian(data.length), content, bigEndian(crc32(content))]);
}

/** A zlib stream of one block that is not compressed (RFC 1950 and RFC 1951, section 3.2.4). */
function zlibStored(bytes) {
  const block = littleEndian([1, 1], [bytes.length, 2], [~bytes.length, 2]); // 1: the last block
  return joinBytes([Uint8Array.from([0x78, 0x01]), block, bytes, bigEndian(adler32(bytes))]);
}
