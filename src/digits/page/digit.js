"use strict";
// Makes the image that the network sees, in MNIST's format: white ink on black, the digit scaled into 20×20 pixels with
// its aspect ratio kept, its center of mass in the center of 28×28 (Y. LeCun et al. 1998, section III.A).

const SIDE = 28;
const BOX = 20;
const PEN = 2.7; // the width of a stroke in pixels; MNIST's median
const DETAIL = 8; // the number of drawn pixels in a pixel of the image, in each direction

/** Draws smooth lines through the points [x, y] of each stroke. */
function drawStrokes(context, strokes, width) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(...points[0]);
    for (let index = 1; index < points.length - 1; index++) {
      const [x, y] = points[index];
      const [nextX, nextY] = points[index + 1];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    context.lineTo(...points.at(-1));
    context.stroke();
  }
}

/** Float32Array of 28×28 pixels in [0, 1] for strokes in any unit. The strokes are as wide as those of MNIST. */
function imageOfStrokes(strokes) {
  const [xs, ys] = [0, 1].map((axis) => strokes.flat().map((point) => point[axis]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = Math.min((BOX - PEN) / Math.max(right - left, bottom - top), 1e3); // of a dot: no limit but this
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE * DETAIL;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(DETAIL, DETAIL);
  const moved = strokes.map((points) =>
    points.map(([x, y]) => [SIDE / 2 + scale * (x - (left + right) / 2), SIDE / 2 + scale * (y - (top + bottom) / 2)]),
  );
  drawStrokes(context, moved, PEN);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const ink = Float32Array.from({ length: data.length / 4 }, (_, index) => data[4 * index + 3] / 255);
  return center(reduce(ink, canvas.width, canvas.height, SIDE, SIDE));
}

/** Averages an image [height, width] to [rows, columns], with fractions of pixels. */
function reduce(values, width, height, columns, rows) {
  const alongRows = resample(values, height, width, columns);
  return transpose(resample(transpose(alongRows, height, columns), columns, height, rows), columns, rows);
}

function resample(values, lines, length, target) {
  const result = new Float32Array(lines * target);
  const step = length / target;
  for (let index = 0; index < target; index++) {
    const [start, end] = [index * step, (index + 1) * step];
    for (let from = Math.floor(start); from < Math.min(Math.ceil(end - 1e-9), length); from++) {
      const weight = (Math.min(end, from + 1) - Math.max(start, from)) / step;
      for (let line = 0; line < lines; line++) {
        result[line * target + index] += weight * values[line * length + from];
      }
    }
  }
  return result;
}

function transpose(values, rows, columns) {
  return values.map((_, index) => values[(index % rows) * columns + Math.floor(index / rows)]);
}

/** Moves the center of mass of 28×28 pixels to the center, by whole pixels. */
function center(pixels) {
  let mass = 0,
    x = 0,
    y = 0;
  pixels.forEach((value, index) => {
    mass += value;
    x += value * ((index % SIDE) + 0.5);
    y += value * (Math.floor(index / SIDE) + 0.5);
  });
  const [right, down] = [x, y].map((moment) => Math.round(SIDE / 2 - moment / Math.max(mass, 1e-6)));
  return pixels.map((_, index) => {
    const [column, row] = [(index % SIDE) - right, Math.floor(index / SIDE) - down];
    return column >= 0 && column < SIDE && row >= 0 && row < SIDE ? pixels[row * SIDE + column] : 0;
  });
}
