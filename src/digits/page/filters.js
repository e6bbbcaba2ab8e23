"use strict";
// Filters of images { values, width, height }, row by row, that give the numbers of NumPy, SciPy and Pillow in predict.py.

/** Rounds to the nearest integer, and a half to the even one, as Python does. */
function roundEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

const longerSide = ({ width, height }) => Math.max(width, height);

/** The quantile of values in any order, between two of them by their distance. */
function quantile(values, fraction) {
  if (!values.length) return 0;
  const sorted = new Float32Array(values).sort();
  const place = fraction * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (high - low) * (place - Math.floor(place));
}

/** The threshold that best separates two classes (N. Otsu 1979), and the fraction of the variance between them. */
function otsu(values) {
  const bins = 128;
  let [low, high, total, squares] = [Infinity, -Infinity, 0, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
    total += value;
  }
  const count = values.length;
  const mean = total / count;
  if (high - low < 1e-3) return { threshold: mean, separation: 0 };
  const counts = new Float64Array(bins);
  for (const value of values) {
    counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))]++;
    squares += (value - mean) ** 2;
  }
  const centers = Array.from(counts, (_, bin) => low + ((bin + 0.5) / bins) * (high - low));
  const sum = counts.reduce((before, number, bin) => before + number * centers[bin], 0);
  let [best, threshold, below, sumBelow] = [-1, low, 0, 0];
  for (let bin = 0; bin < bins - 1; bin++) {
    below += counts[bin];
    sumBelow += counts[bin] * centers[bin];
    const above = Math.max(count - below, 1);
    const gap = sumBelow / Math.max(below, 1) - (sum - sumBelow) / above;
    const between = (Math.max(below, 1) * above * gap ** 2) / count ** 2;
    if (between > best) [best, threshold] = [between, centers[bin]];
  }
  return { threshold, separation: best / Math.max(squares / count, 1e-9) };
}

function transposeImage({ values, width, height }) {
  const result = new values.constructor(values.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[x * height + y] = values[y * width + x];
  }
  return { values: result, width: height, height: width };
}

/** Applies a filter of rows to the rows, then to the columns. */
function alongBoth(image, filter) {
  return transposeImage(filter(transposeImage(filter(image))));
}

/** The part of an image from (left, top), which may begin and end outside of it. There, `outside` gives the values. */
function crop({ values, width, height }, left, top, columns, rows, outside = () => 0) {
  const result = new values.constructor(columns * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [column, row] = [x + left, y + top];
      const isInside = column >= 0 && column < width && row >= 0 && row < height;
      result[y * columns + x] = isInside ? values[row * width + column] : outside(column, row);
    }
  }
  return { values: result, width: columns, height: rows };
}

/** Smooths an image, which is mirrored at its borders. */
function gaussian(image, sigma) {
  const radius = Math.floor(4 * sigma + 0.5);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, tap) => Math.exp(-0.5 * ((tap - radius) / sigma) ** 2));
  const sum = kernel.reduce((before, weight) => before + weight, 0);
  return alongBoth(image, ({ values, width, height }) => {
    const mirrored = Array.from({ length: width + 2 * radius }, (_, place) => {
      const position = (((place - radius) % (2 * width)) + 2 * width) % (2 * width);
      return Math.min(position, 2 * width - 1 - position);
    });
    const result = new Float32Array(values.length);
    for (let start = 0; start < width * height; start += width) {
      for (let x = 0; x < width; x++) {
        let smooth = 0;
        for (let tap = 0; tap < kernel.length; tap++) smooth += kernel[tap] * values[start + mirrored[x + tap]];
        result[start + x] = smooth / sum;
      }
    }
    return { values: result, width, height };
  });
}

/** The maximum over `before` pixels to the left and above, and `after` to the right and below. */
function maximum(image, before, after) {
  return alongBoth(image, ({ values, width, height }) => {
    const result = new values.constructor(values.length);
    const size = before + after + 1;
    const padded = new Float32Array(width + 2 * size);
    const ahead = new Float32Array(padded.length); // the maximum from the start of a block of `size` pixels
    const back = new Float32Array(padded.length); // to its end (M. van Herk 1992)
    for (let start = 0; start < width * height; start += width) {
      padded.fill(-Infinity);
      padded.set(values.subarray(start, start + width), before);
      for (let place = 0; place < padded.length; place++) {
        ahead[place] = place % size ? Math.max(ahead[place - 1], padded[place]) : padded[place];
      }
      for (let place = padded.length - 1; place >= 0; place--) {
        const isLast = place === padded.length - 1 || (place + 1) % size === 0;
        back[place] = isLast ? padded[place] : Math.max(back[place + 1], padded[place]);
      }
      for (let x = 0; x < width; x++) result[start + x] = Math.max(back[x], ahead[x + size - 1]);
    }
    return { values: result, width, height };
  });
}

/** The background of dark strokes that are narrower than `side`: the maximum, then the minimum, over a square. */
function closing(image, side) {
  const { values, width, height } = image;
  const nearest = (x, y) => values[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)];
  const padded = crop(image, -side, -side, width + 2 * side, height + 2 * side, nearest);
  const [less, more] = [Math.floor((side - 1) / 2), Math.floor(side / 2)];
  const dilated = maximum(padded, less, more);
  const eroded = maximum({ ...dilated, values: dilated.values.map((value) => -value) }, more, less);
  const closed = crop(eroded, side, side, width, height);
  return { ...closed, values: closed.values.map((value) => -value) };
}

/** The distance from each pixel of a mask to the nearest one outside of the mask; 0 outside. */
function distanceToOutside({ values, width, height }) {
  const far = width + height;
  const vertical = new Float32Array(values.length);
  for (let x = 0; x < width; x++) {
    let distance = far;
    for (let index = x; index < values.length; index += width) {
      distance = values[index] ? distance + 1 : 0;
      vertical[index] = distance;
    }
    distance = far;
    for (let index = values.length - width + x; index >= 0; index -= width) {
      distance = values[index] ? distance + 1 : 0;
      vertical[index] = Math.min(vertical[index], distance);
    }
  }
  const result = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    for (let x = 0; x < width; x++) {
      let best = vertical[start + x] ** 2;
      for (let step = 1; step ** 2 < best && step < width; step++) {
        if (x >= step) best = Math.min(best, step ** 2 + vertical[start + x - step] ** 2);
        if (x + step < width) best = Math.min(best, step ** 2 + vertical[start + x + step] ** 2);
      }
      result[start + x] = Math.sqrt(best);
    }
  }
  return { values: result, width, height };
}

const RESAMPLING = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: {
    support: 2,
    weight(x) {
      const distance = Math.abs(x);
      if (distance < 1) return (1.5 * distance - 2.5) * distance ** 2 + 1;
      return distance < 2 ? -0.5 * (((distance - 5) * distance + 8) * distance - 4) : 0;
    },
  },
};

/** Scales an image to another size. `lengths` are its width and height if it ends within its last pixels. */
function resize(image, columns, rows, method, lengths = [image.width, image.height]) {
  const wide = resampleRows(image, columns, RESAMPLING[method], lengths[0]);
  return transposeImage(resampleRows(transposeImage(wide), rows, RESAMPLING[method], lengths[1]));
}

function resampleRows({ values, width, height }, columns, { support, weight }, length) {
  if (columns === width && length === width) return { values, width, height };
  const result = new values.constructor(columns * height);
  const scale = length / columns;
  const reach = support * Math.max(scale, 1);
  for (let x = 0; x < columns; x++) {
    const center = (x + 0.5) * scale;
    const first = Math.max(Math.floor(center - reach + 0.5), 0);
    const last = Math.min(Math.floor(center + reach + 0.5), width);
    const weights = [];
    for (let from = first; from < last; from++) weights.push(weight((from - center + 0.5) / Math.max(scale, 1)));
    const sum = weights.reduce((before, one) => before + one, 0);
    for (let y = 0; y < height; y++) {
      let value = 0;
      for (let tap = 0; tap < weights.length; tap++) value += weights[tap] * values[y * width + first + tap];
      result[y * columns + x] = roundFor(values, value / sum);
    }
  }
  return { values: result, width: columns, height };
}

/** A number as an array stores it: bytes are rounded, which a Uint8Array alone would not do. */
function roundFor(values, number) {
  return values instanceof Uint8Array ? Math.min(Math.max(Math.floor(number + 0.5), 0), 255) : number;
}

/** Reduces an image to at most `side` pixels a side; blocks of pixels are averaged first if it is much larger. */
function thumbnail(image, side) {
  const { width, height } = image;
  if (longerSide(image) <= side) return image;
  const aspect = width / height;
  const nearest = (length, error) => {
    const [low, high] = [Math.floor(length), Math.ceil(length)];
    return Math.max(error(high) < error(low) ? high : low, 1);
  };
  const [columns, rows] =
    aspect <= 1
      ? [nearest(side * aspect, (length) => Math.abs(aspect - length / side)), side]
      : [side, nearest(side / aspect, (length) => (length ? Math.abs(aspect - side / length) : 0))];
  const across = Math.max(Math.floor(width / columns / 2), 1);
  const down = Math.max(Math.floor(height / rows / 2), 1);
  return resize(averageBlocks(image, across, down), columns, rows, "box", [width / across, height / down]);
}

function averageBlocks(image, across, down) {
  if (across === 1 && down === 1) return image;
  const { values, width, height } = image;
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  const result = new values.constructor(columns * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [right, bottom] = [Math.min((x + 1) * across, width), Math.min((y + 1) * down, height)];
      let sum = 0;
      for (let row = y * down; row < bottom; row++) {
        for (let column = x * across; column < right; column++) sum += values[row * width + column];
      }
      const count = (right - x * across) * (bottom - y * down);
      result[y * columns + x] = roundFor(values, sum / count);
    }
  }
  return { values: result, width: columns, height: rows };
}

/** The smallest box around the pixels of a mask: { left, top, width, height }. */
function boundingBox({ values, width, height }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let index = 0; index < values.length; index++) {
    if (!values[index]) continue;
    const [x, y] = [index % width, Math.floor(index / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** The pixels along the four borders. */
function borders({ values, width, height }) {
  const row = (y) => values.slice(y * width, (y + 1) * width);
  const column = (x) => Float32Array.from({ length: height }, (_, y) => values[y * width + x]);
  return [row(0), row(height - 1), column(0), column(width - 1)];
}
