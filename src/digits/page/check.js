"use strict";
// Compares the page with PyTorch; not part of the page.

/** The probabilities of digits, whose pixels are bytes in base64, and the milliseconds of all predictions. */
function predictDigits(model, base64) {
  const members = loadModel(model);
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const probabilities = [];
  const start = Date.now();
  for (let first = 0; first < bytes.length; first += 28 * 28) {
    const digit = bytes.subarray(first, first + 28 * 28);
    const pixels = Float32Array.from(digit, (value) => value / 255);
    probabilities.push(predict(members, pixels).probabilities);
  }
  return { probabilities, milliseconds: Date.now() - start };
}
