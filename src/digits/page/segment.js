"use strict";
// Hypotheses about the strokes of a digit in a gray picture: the JavaScript of segment.py, components.py and masks.py in
// digits/data/pictures, which explain the steps and the numbers. A recipe is a Segmentation there.

const WORKING_SIZES = [112, 400]; // pixels of the longer side
const MIN_CONTRAST = 0.06;
const MIN_SEPARATION = 0.8;
const MIN_RELATIVE_SIZE = 0.2;
const BACKGROUND_WINDOWS = [null, 0.5, 0.25, 0.12];
const TIGHT_SEPARATION = 0.85;
const CLEAR_POLARITY = 1.4;
const FAINT = 0.12;
const MAX_PARTS = 9;
const MAX_COMPONENTS = 50;
const LARGE_PART = { mass: 0.15, size: 0.5 };

/** The ways to find strokes, the simplest first. */
const RECIPES = BACKGROUND_WINDOWS.flatMap((window) =>
  [false, true].flatMap((faint) =>
    [true, false].flatMap((clearBorder) => [true, false].map((dark) => ({ window, faint, clearBorder, dark }))),
  ),
);

function describe({ window, dark, faint, clearBorder }) {
  const ink = `${faint ? "faint " : ""}${dark ? "dark" : "light"} ink`;
  const background = window ? `, local background ${window}` : "";
  return ink + background + (clearBorder ? "" : ", border kept");
}

/**
 * Different strokes in a picture of bytes, by the order of the recipes: the recipe, the ink, the mask of the digit, its
 * contrast, the masks of others that lie apart, and of the large parts of the digit.
 */
function findStrokes(picture) {
  const gray = toWorkingSize(picture);
  const isTight = isTightCrop(gray);
  const recipes = RECIPES.filter(({ window }) => window === null || !isTight);
  const found = [];
  for (let strokes of withoutBackgrounds(gray, segment(gray, recipes))) {
    const isSmall = longerSide(boundingBox(strokes.mask)) < MIN_RELATIVE_SIZE * longerSide(gray);
    if (isSmall && !strokes.others.length && longerSide(picture) > longerSide(gray)) {
      const enlarged = toWorkingSize(cropAround(strokes, picture));
      strokes = segment(enlarged, [strokes.recipe])[0] ?? strokes;
    }
    if (!found.some(({ mask }) => isEqual(mask, strokes.mask))) found.push(strokes);
  }
  return found;
}

function isEqual(mask, other) {
  return (
    mask.values.length === other.values.length && mask.values.every((value, index) => value === other.values[index])
  );
}

/** Brightness in [0, 1] of a picture of bytes, slightly smoothed. */
function toWorkingSize(picture) {
  const [smallest, largest] = WORKING_SIZES;
  const scale = smallest / longerSide(picture);
  const [columns, rows] = [picture.width, picture.height].map((side) => Math.max(1, roundEven(side * scale)));
  const sized = scale > 1 ? resize(picture, columns, rows, "bicubic") : thumbnail(picture, largest);
  const gray = { ...sized, values: Float32Array.from(sized.values, (value) => value / 255) };
  return gaussian(gray, 0.002 * longerSide(gray));
}

/** Whether a picture has two tones, and both touch all four borders. */
function isTightCrop(gray) {
  const { threshold, separation } = otsu(gray.values);
  return (
    separation > TIGHT_SEPARATION &&
    borders(gray).every((border) => {
      const dark = border.filter((value) => value <= threshold).length;
      return dark > 0 && dark < border.length;
    })
  );
}

/** Of the dark and the light strokes of one recipe, drops those that clearly differ less from their surroundings. */
function withoutBackgrounds(gray, found) {
  const kept = [];
  for (let index = 0; index < found.length; index++) {
    const [one, other] = [found[index], found[index + 1]];
    if (!other || !isSameButDark(one.recipe, other.recipe)) {
      kept.push(one);
      continue;
    }
    index++;
    const surroundings = brightnessAround(gray, [one.mask, other.mask]);
    const [first, second] = [one, other].map(({ mask }) =>
      Math.abs(
        quantile(
          gray.values.filter((_, pixel) => mask.values[pixel]),
          0.5,
        ) - surroundings,
      ),
    );
    if (Math.max(first, second) > CLEAR_POLARITY * Math.min(first, second)) kept.push(first > second ? one : other);
    else kept.push(one, other);
  }
  return kept;
}

function isSameButDark(one, other) {
  return one.window === other.window && one.faint === other.faint && one.clearBorder === other.clearBorder;
}

/** The median brightness near the box around two masks, or along the border of the picture if the box fills it. */
function brightnessAround(gray, [one, other]) {
  const { width, height } = gray;
  const either = { width, height, values: one.values.map((value, index) => value | other.values[index]) };
  const box = boundingBox(either);
  const margin = roundEven(0.1 * longerSide(box)) + 1;
  const isWithin = (x, y, more) =>
    x >= box.left - more && x < box.left + box.width + more && y >= box.top - more && y < box.top + box.height + more;
  const near = gray.values.filter((_, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    return isWithin(x, y, margin) && !isWithin(x, y, 0);
  });
  return quantile(near.length ? near : borders(gray).flatMap((border) => [...border]), 0.5);
}

/** The surroundings of a small digit at the full resolution of the picture. */
function cropAround({ mask }, picture) {
  const scale = longerSide(picture) / longerSide(mask);
  const box = boundingBox(mask);
  const size = longerSide(box);
  const left = roundEven(Math.max(box.left - size, 0) * scale);
  const top = roundEven(Math.max(box.top - size, 0) * scale);
  const right = roundEven(Math.min((box.left + box.width + size) * scale, picture.width));
  const bottom = roundEven(Math.min((box.top + box.height + size) * scale, picture.height));
  return crop(picture, left, top, right - left, bottom - top);
}

/** The strokes in brightness by each recipe that finds any. */
function segment(gray, recipes) {
  const measured = new Map(); // of a window and a polarity
  const connected = new Map(); // the components also of a threshold
  const inverted = { ...gray, values: gray.values.map((value) => 1 - value) };
  const brightest = gray.values.reduce((highest, value) => Math.max(highest, value), 0);
  const found = [];
  for (const recipe of recipes) {
    const { window, dark, faint, clearBorder } = recipe;
    const key = `${window} ${dark}`;
    if (!measured.has(key)) measured.set(key, measureInk(dark ? gray : inverted, window));
    const one = measured.get(key);
    if (!one) continue;
    const thresholdKey = `${key} ${faint}`;
    if (!connected.has(thresholdKey)) {
      connected.set(thresholdKey, connect(one.smooth, faint ? FAINT * one.peak : one.threshold));
    }
    let components = connected.get(thresholdKey);
    if (clearBorder) components = components.filter(({ isEdge }) => !isEdge);
    if (!components.length) continue;
    const { groups, parts } = group(components);
    const [main, ...others] = groups.map((pixels) => maskOf(pixels, gray));
    const contrast = quantile(
      groups[0].map((pixel) => one.difference[pixel]),
      0.8,
    );
    if (contrast < MIN_CONTRAST * brightest) continue; // the texture of the paper
    const masks = parts.map((pixels) => maskOf(pixels, gray));
    found.push({ recipe, ink: one.ink, mask: main, contrast, others, parts: masks });
  }
  return found;
}

function maskOf(pixels, { width, height }) {
  const values = new Uint8Array(width * height);
  for (const pixel of pixels) values[pixel] = 1;
  return { values, width, height };
}

/**
 * The ink of dark strokes relative to their background, the same smoothed and without noise, its thresholds, and the
 * difference in brightness. Null if there is only noise.
 */
function measureInk(gray, window) {
  const { values, width, height } = gray;
  let background;
  if (window === null) {
    if (otsu(values).separation < MIN_SEPARATION) return null;
    background = new Float32Array(values.length).fill(quantile(values, 0.9));
  } else {
    const side = Math.max(7, roundEven(window * Math.min(width, height)));
    background = closing(gray, side).values;
  }
  const difference = values.map((value, index) => background[index] - value);
  const raw = difference.map((value, index) => value / Math.max(background[index], 0.05));
  const typical = window === null ? 0 : quantile(raw, 0.5);
  const ink = { values: raw.map((value) => value - typical), width, height };
  const smooth = gaussian(ink, 0.0035 * longerSide(ink));
  const noise = window === null ? 0 : 1.4826 * quantile(smooth.values.map(Math.abs), 0.5);
  const limit = Math.max(MIN_CONTRAST, 6 * noise);
  smooth.values = smooth.values.map((value) => (value > limit ? value : 0));
  const inked = smooth.values.filter((value) => value > 0);
  if (!inked.length) return null;
  const peak = quantile(inked, 0.98);
  const threshold = Math.min(Math.max(otsu(inked).threshold, 0.25 * peak), 0.6 * peak);
  ink.values = ink.values.map((value) => Math.min(Math.max(value, 0), 1));
  return { ink, smooth, difference, peak, threshold };
}

/** Components of pixels above a threshold that touch by a side or a corner. */
function connect({ values, width, height }, threshold) {
  const seen = new Uint8Array(values.length);
  const components = [];
  for (let first = 0; first < values.length; first++) {
    if (seen[first] || values[first] <= threshold) continue;
    const pixels = [first];
    const onBorder = { top: 0, bottom: 0, left: 0, right: 0 };
    const component = { pixels, mass: 0, left: width, right: 0, top: height, bottom: 0 };
    seen[first] = 1;
    for (let next = 0; next < pixels.length; next++) {
      const [x, y] = [pixels[next] % width, Math.floor(pixels[next] / width)];
      component.mass += values[pixels[next]];
      component.left = Math.min(component.left, x);
      component.right = Math.max(component.right, x + 1);
      component.top = Math.min(component.top, y);
      component.bottom = Math.max(component.bottom, y + 1);
      onBorder.top += y === 0;
      onBorder.bottom += y === height - 1;
      onBorder.left += x === 0;
      onBorder.right += x === width - 1;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const index = row * width + column;
          if (!seen[index] && values[index] > threshold) {
            seen[index] = 1;
            pixels.push(index);
          }
        }
      }
    }
    // It covers most of one border: the edge of a table, or a shadow.
    component.isEdge =
      Math.max(onBorder.top, onBorder.bottom) > 0.5 * width || Math.max(onBorder.left, onBorder.right) > 0.5 * height;
    component.size = Math.max(component.right - component.left, component.bottom - component.top);
    components.push(component);
  }
  return components;
}

/**
 * The pixels of groups of components that lie close to each other, those with the most ink first: the digit, and other
 * groups of similar size. Also the pixels of the large components of the first group.
 */
function group(components) {
  let remaining = [...components].sort((one, other) => other.mass - one.mass).slice(0, MAX_COMPONENTS);
  const largest = remaining[0];
  const isLarge = ({ mass, size }) => mass > LARGE_PART.mass * largest.mass && size > LARGE_PART.size * largest.size;
  const groups = [];
  while (remaining.length && groups.length < MAX_PARTS) {
    const [main, ...others] = remaining;
    if (groups.length && !isLarge(main)) break;
    const members = [main];
    let { left, right, top, bottom } = main;
    for (const other of others) {
      const reach = 0.25 * Math.max(right - left, bottom - top);
      const gap = Math.max(other.left - right, left - other.right, other.top - bottom, top - other.bottom);
      if (gap > reach || other.mass <= 0.04 * main.mass) continue;
      members.push(other);
      [left, right] = [Math.min(left, other.left), Math.max(right, other.right)];
      [top, bottom] = [Math.min(top, other.top), Math.max(bottom, other.bottom)];
    }
    groups.push(members);
    remaining = others.filter((component) => !members.includes(component));
  }
  const pixels = (members) => members.flatMap((component) => component.pixels);
  return { groups: groups.map(pixels), parts: groups[0].filter(isLarge).map((part) => part.pixels) };
}

/** The median width in pixels along the strokes of a mask. */
function strokeWidth(mask) {
  const depth = distanceToOutside(crop(mask, -1, -1, mask.width + 2, mask.height + 2));
  const highest = maximum(depth, 1, 1);
  const ridge = depth.values.filter((value, index) => value > 0 && value === highest.values[index]);
  return 2 * quantile(ridge, 0.5) - 0.5;
}
