"use strict";
// Finds the strokes of a digit in a picture: a shorter form of digits/data/pictures.

const LONGEST = 200; // pixels of a picture's longer side
const MIN_INK = 0.06; // relative to the brightness of the background
const WINDOWS = [null, 0.5]; // of the shorter side: the background is the same everywhere, or changes with shadows

/** The brightness of a picture in [0, 1], reduced to `LONGEST` pixels. A transparent picture is drawn on white. */
function brightness(bitmap) {
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const values = Float32Array.from({ length: data.length / 4 }, (_, index) => {
    const [red, green, blue] = data.subarray(4 * index, 4 * index + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  });
  return { values, width: canvas.width, height: canvas.height };
}

/** The images 28×28 that a picture may show: dark and light ink, on one brightness or on a local background. */
function imagesOfPicture({ values, width, height }) {
  const images = [];
  for (const window of WINDOWS) {
    for (const dark of [true, false]) {
      const gray = dark ? values : values.map((value) => 1 - value);
      const ink = measureInk(gray, width, height, window);
      const strokes = findStrokes(ink, width, height);
      if (strokes) images.push(imageOfMask(ink, strokes, width));
    }
  }
  return images;
}

/** How much darker each pixel is than its background, as a fraction. */
function measureInk(gray, width, height, window) {
  if (window === null) {
    const background = Math.max(quantile(gray, 0.9), 0.05);
    return gray.map((value) => (background - value) / background);
  }
  const radius = Math.max(3, Math.round((window * Math.min(width, height)) / 2));
  const closed = extremes(extremes(gray, width, height, radius, Math.max), width, height, radius, Math.min);
  const ink = gray.map((value, index) => (closed[index] - value) / Math.max(closed[index], 0.05));
  const typical = quantile(ink, 0.5);
  return ink.map((value) => value - typical);
}

function quantile(values, fraction) {
  return Float32Array.from(values).sort()[Math.floor(fraction * (values.length - 1))];
}

/** The minimum or maximum over a square window around each pixel. */
function extremes(values, width, height, radius, choose) {
  const along = (source, length) =>
    source.map((_, index) => {
      const position = index % length;
      let best = source[index];
      for (let other = Math.max(position - radius, 0); other <= Math.min(position + radius, length - 1); other++) {
        best = choose(best, source[index - position + other]);
      }
      return best;
    });
  const rows = along(values, width);
  return transpose(along(transpose(rows, height, width), height), width, height);
}

/** The pixels of the digit: the component with the most ink that is no edge of a table, and others close to it. */
function findStrokes(ink, width, height) {
  const inked = ink.filter((value) => value > MIN_INK);
  if (!inked.length) return null;
  const peak = quantile(inked, 0.98);
  const threshold = Math.min(Math.max(otsu(inked), 0.25 * peak), 0.6 * peak);
  const components = connect(ink, width, height, threshold);
  const found = components.filter((component) => !isEdge(component, width, height)).sort((a, b) => b.mass - a.mass);
  if (!found.length) return null;
  const group = found[0];
  for (const other of found.slice(1)) {
    const reach = 0.25 * Math.max(group.right - group.left, group.bottom - group.top);
    const gap = Math.max(
      other.left - group.right,
      group.left - other.right,
      other.top - group.bottom,
      group.top - other.bottom,
    );
    if (gap <= reach && other.mass > 0.04 * group.mass) {
      group.pixels.push(...other.pixels);
      for (const side of ["left", "top"]) group[side] = Math.min(group[side], other[side]);
      for (const side of ["right", "bottom"]) group[side] = Math.max(group[side], other[side]);
    }
  }
  return group;
}

/** The threshold that best separates two classes (N. Otsu 1979). */
function otsu(values) {
  const bins = 128;
  const [low, high] = [quantile(values, 0), quantile(values, 1)];
  const counts = new Float64Array(bins);
  for (const value of values) counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low + 1e-9)) * bins))]++;
  const total = counts.reduce((sum, count, bin) => sum + count * bin, 0);
  let best = 0,
    threshold = 0,
    below = 0,
    sumBelow = 0;
  for (let bin = 0; bin < bins - 1; bin++) {
    below += counts[bin];
    sumBelow += counts[bin] * bin;
    const above = values.length - below;
    if (!below || !above) continue;
    const between = below * above * (sumBelow / below - (total - sumBelow) / above) ** 2;
    if (between > best) [best, threshold] = [between, bin + 1];
  }
  return low + (threshold / bins) * (high - low);
}

/** Components of pixels above a threshold that touch by a side or a corner. */
function connect(ink, width, height, threshold) {
  const seen = new Uint8Array(ink.length);
  const components = [];
  for (let first = 0; first < ink.length; first++) {
    if (seen[first] || ink[first] <= threshold) continue;
    const pixels = [first];
    const component = { pixels, mass: 0, left: width, right: -1, top: height, bottom: -1 };
    seen[first] = 1;
    for (let next = 0; next < pixels.length; next++) {
      const [x, y] = [pixels[next] % width, Math.floor(pixels[next] / width)];
      component.mass += ink[pixels[next]];
      component.left = Math.min(component.left, x);
      component.right = Math.max(component.right, x);
      component.top = Math.min(component.top, y);
      component.bottom = Math.max(component.bottom, y);
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const index = row * width + column;
          if (!seen[index] && ink[index] > threshold) {
            seen[index] = 1;
            pixels.push(index);
          }
        }
      }
    }
    components.push(component);
  }
  return components;
}

/** Whether a component covers most of one border: the edge of a table, or a shadow. */
function isEdge({ pixels }, width, height) {
  const borders = [
    [(index) => index < width, width],
    [(index) => index >= width * (height - 1), width],
    [(index) => index % width === 0, height],
    [(index) => index % width === width - 1, height],
  ];
  return borders.some(([isOn, length]) => pixels.filter(isOn).length > 0.5 * length);
}

/** The ink of the strokes as an image 28×28 in MNIST's format. Thin strokes are widened. */
function imageOfMask(ink, { pixels, left, right, top, bottom }, width) {
  const size = Math.max(right - left, bottom - top) + 1;
  const unit = size / BOX; // a pixel of the image
  const inside = new Set(pixels);
  const outline = pixels.filter((index) => [1, -1, width, -width].some((step) => !inside.has(index + step))).length;
  const stroke = (2 * pixels.length) / Math.max(outline, 1) / unit;
  const radius = stroke < 2 ? ((2.4 - stroke) / 2) * unit : 0;
  const margin = Math.ceil(4 * unit);
  const [columns, rows] = [right - left + 1, bottom - top + 1].map((length) => length + 2 * margin);
  const strong = Math.max(
    quantile(
      Float32Array.from(pixels, (index) => ink[index]),
      0.75,
    ),
    1e-6,
  );
  const crop = new Float32Array(columns * rows);
  const reach = Math.floor(radius);
  for (const index of pixels) {
    const [x, y] = [(index % width) - left + margin, Math.floor(index / width) - top + margin];
    const value = radius ? 1 : Math.min(ink[index] / strong, 1);
    for (let row = y - reach; row <= y + reach; row++) {
      for (let column = x - reach; column <= x + reach; column++) {
        if (Math.hypot(row - y, column - x) > radius) continue;
        crop[row * columns + column] = Math.max(crop[row * columns + column], value);
      }
    }
  }
  const [small, high] = [columns, rows].map((length) => Math.round(length / unit));
  const reduced = reduce(crop, columns, rows, small, high);
  const image = new Float32Array(SIDE * SIDE);
  const [startX, startY] = [small, high].map((length) => Math.floor((SIDE - length) / 2));
  reduced.forEach((value, index) => {
    const [x, y] = [(index % small) + startX, Math.floor(index / small) + startY];
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) image[y * SIDE + x] = Math.min(value * 1.1, 1);
  });
  return center(image);
}
