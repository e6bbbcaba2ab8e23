"use strict";
// Makes the image that the network sees, in MNIST's format: white ink on black, the digit scaled into 20×20 pixels with
// its aspect ratio kept, its center of mass in the center of 28×28 (Y. LeCun et al. 1998, section III.A).

const SIDE = 28;
const BOX = 20;
const PEN = 2.7; // the width of a stroke in pixels; MNIST's median
const DETAIL = 4; // the number of drawn pixels in a pixel of the image, in each direction

/** Draws smooth lines through the points [x, y] of each stroke on a canvas. */
function drawStrokes(context, strokes, width) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  for (const points of strokes) {
    context.beginPath();
    for (const point of smoothLine(points, width)) context.lineTo(...point);
    context.stroke();
  }
}

/** The corners of a line along the points of a stroke, close enough to a curve for a pen of this width. */
function smoothLine(points, width) {
  const line = [points[0]];
  for (let index = 1; index < points.length - 1; index++) {
    const start = line.at(-1);
    const control = points[index];
    const end = control.map((value, axis) => (value + points[index + 1][axis]) / 2);
    const length = distance(start, control) + distance(control, end);
    const steps = Math.ceil((4 * length) / width);
    for (let step = 1; step <= steps; step++) {
      const t = step / steps;
      const weights = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2]; // of a quadratic Bézier curve
      line.push(start.map((value, axis) => weights[0] * value + weights[1] * control[axis] + weights[2] * end[axis]));
    }
  }
  line.push(points.at(-1));
  return line;
}

const distance = ([x, y], [otherX, otherY]) => Math.hypot(x - otherX, y - otherY);

/**
 * Float32Array of 28×28 pixels in [0, 1] for strokes in any unit. The strokes are as wide as those of MNIST. No canvas
 * is read, because some browsers hide its pixels.
 */
function imageOfStrokes(strokes) {
  const [xs, ys] = [0, 1].map((axis) => strokes.flat().map((point) => point[axis]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = Math.min((BOX - PEN) / Math.max(right - left, bottom - top), 1e3) * DETAIL; // of a dot: no limit but this
  const side = SIDE * DETAIL;
  const ink = { values: new Float32Array(side * side), width: side, height: side };
  for (const points of strokes) {
    const moved = points.map(([x, y]) => [
      side / 2 + scale * (x - (left + right) / 2),
      side / 2 + scale * (y - (top + bottom) / 2),
    ]);
    const line = smoothLine(moved, PEN * DETAIL);
    for (let index = 1; index < line.length; index++) addLine(ink, line[index - 1], line[index], (PEN * DETAIL) / 2);
  }
  return center(averageBlocks(ink, DETAIL, DETAIL).values);
}

/** Adds a straight line with round ends to ink in [0, 1]. */
function addLine({ values, width, height }, start, end, radius) {
  const [first, last] = [start, end].map(([x, y]) => ({ x: x - 0.5, y: y - 0.5 })); // from the middle of a pixel
  const [alongX, alongY] = [last.x - first.x, last.y - first.y];
  const length = Math.max(alongX ** 2 + alongY ** 2, 1e-9);
  const [left, right] = [Math.min(first.x, last.x) - radius - 1, Math.max(first.x, last.x) + radius + 1];
  const [top, bottom] = [Math.min(first.y, last.y) - radius - 1, Math.max(first.y, last.y) + radius + 1];
  for (let y = Math.max(Math.ceil(top), 0); y <= Math.min(bottom, height - 1); y++) {
    for (let x = Math.max(Math.ceil(left), 0); x <= Math.min(right, width - 1); x++) {
      const place = ((x - first.x) * alongX + (y - first.y) * alongY) / length;
      const nearest = Math.min(Math.max(place, 0), 1);
      const gap = Math.hypot(x - first.x - nearest * alongX, y - first.y - nearest * alongY);
      const covered = Math.min(radius + 0.5 - gap, 1);
      if (covered > values[y * width + x]) values[y * width + x] = covered;
    }
  }
}

/** Moves the center of mass of 28×28 pixels to the pixel 14, counted from 0, as MNIST's digits have it. */
function center(pixels) {
  let mass = 0,
    x = 0,
    y = 0;
  pixels.forEach((value, index) => {
    mass += value;
    x += value * (index % SIDE);
    y += value * Math.floor(index / SIDE);
  });
  const [right, down] = [x, y].map((moment) => Math.round(SIDE / 2 - moment / Math.max(mass, 1e-6)));
  return pixels.map((_, index) => {
    const [column, row] = [(index % SIDE) - right, Math.floor(index / SIDE) - down];
    return column >= 0 && column < SIDE && row >= 0 && row < SIDE ? pixels[row * SIDE + column] : 0;
  });
}
