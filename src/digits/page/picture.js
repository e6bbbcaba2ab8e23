"use strict";
// Reads the digit of a picture, as digits/data/pictures and digits/prediction/pictures.py do.

const MIN_PICTURE_SIDE = 8; // pixels
const LARGE = 2 ** 22; // pixels; a larger picture is reduced before anything else
const CROP_SIZE = 120; // pixels of the longer side of a digit with its margin, while its strokes are measured
const MIN_GRAY_LEVELS = 5; // of soft edges
const LOW_CONTRAST = 0.15; // in brightness; below it the color channels are tried
const [THINNEST, THICKEST] = [1.6, 4.6]; // strokes in pixels of 28×28
const MARGIN = 0.05; // a simpler hypothesis wins unless another with the same label is more convincing by this much
const [CONVINCING, CONVINCING_OTHER] = [0.7, 0.5]; // minimum confidence of one digit, and of others beside it
const MIN_AGREEMENT = 0.38; // minimum mean probability of the label over the hypotheses of its polarity

const NO_DIGIT = "Nothing like a digit found in the picture";
const HIDDEN = "This browser hides the pixels of pictures from pages. Allow this page to read them, or draw the digit";

/** The image 28×28 of the digit in a bitmap, judged by the network of the page: { image }, or { problem }. */
function readPicture(bitmap, members) {
  if (!canReadCanvas()) return { problem: HIDDEN };
  if (Math.min(bitmap.width, bitmap.height) < MIN_PICTURE_SIDE) {
    const sizes = [`${bitmap.width}×${bitmap.height}`, `${MIN_PICTURE_SIDE}×${MIN_PICTURE_SIDE}`];
    return { problem: `The picture has ${sizes[0]} pixels; at least ${sizes[1]} are needed` };
  }
  const hypotheses = findHypotheses(pixelsOf(bitmap));
  if (!hypotheses.length) return { problem: NO_DIGIT };
  const judge = (digit) => predict(members, digit).probabilities;
  const chosen = choose(
    hypotheses,
    hypotheses.map(({ digits }) => digits.map(judge)),
  );
  if (!chosen) return { problem: NO_DIGIT };
  const count = chosen.digits.length;
  return count > 1
    ? { problem: `The picture seems to hold ${count} digits; cut one out` }
    : { image: chosen.digits[0] };
}

/** Whether a known pattern is read from a canvas as it was drawn. Browsers that hide it give one color or noise. */
function canReadCanvas() {
  const side = 16;
  const grays = Array.from({ length: side * side }, (_, index) => (index * 149) % 256);
  try {
    const context = makeContext(side, side);
    grays.forEach((gray, index) => {
      context.fillStyle = `rgb(${gray}, ${255 - gray}, ${gray})`;
      context.fillRect(index % side, Math.floor(index / side), 1, 1);
    });
    const { data } = context.getImageData(0, 0, side, side);
    const isNear = (value, expected) => Math.abs(value - expected) <= 8; // some browsers change the lowest bit
    return grays.every((gray, index) => isNear(data[4 * index], gray) && isNear(data[4 * index + 1], 255 - gray));
  } catch {
    return false;
  }
}

function makeContext(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** The pixels of a bitmap, RGBA, at most `LARGE` ones. */
function pixelsOf(bitmap) {
  const factor = Math.ceil(Math.sqrt((bitmap.width * bitmap.height) / LARGE));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.ceil(side / factor));
  const context = makeContext(width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/**
 * The candidates for the content of a picture RGBA, the simplest first: images 28×28 in [0, 1] of one digit or several,
 * whether they are darker than their background, and whether several ones lie apart.
 */
function findHypotheses(picture) {
  const channels = splitChannels(picture);
  const gray = grayOf(channels);
  const original = imageInFormat(gray);
  if (original) return [{ description: "MNIST's format", digits: [original], dark: true, apart: false }];
  const found = findStrokes(gray);
  const isColored = channels[0].values.some(
    (red, index) => red !== channels[1].values[index] || red !== channels[2].values[index],
  );
  if (isColored && Math.max(0, ...found.map(({ contrast }) => contrast)) < LOW_CONTRAST) {
    found.push(...channels.flatMap(findStrokes)); // e.g. yellow ink on white paper: only in the blue channel
  }
  return found.flatMap(normalize);
}

/** Red, green and blue of a picture RGBA, composited onto a background if it is transparent. */
function splitChannels({ data, width, height }) {
  const isOpaque = data.every((value, index) => index % 4 < 3 || value === 255);
  return (isOpaque ? [0, 0, 0] : backgroundOf(data)).map((background, channel) => {
    const values = new Uint8Array(width * height);
    for (let index = 0; index < values.length; index++) {
      const alpha = data[4 * index + 3] / 255;
      values[index] = Math.round(background + alpha * (data[4 * index + channel] - background));
    }
    return { values, width, height };
  });
}

/** The median color of pixels RGBA that are mostly opaque; else white or black, whichever contrasts. */
function backgroundOf(data) {
  const colors = [[], [], []];
  for (let index = 0; index < data.length; index += 4) {
    if (data[index + 3] <= 127) continue;
    for (const channel of [0, 1, 2]) colors[channel].push(data[index + channel]);
  }
  const opaque = colors[0].length;
  if (opaque > data.length / 8) return colors.map((values) => Math.floor(quantile(values, 0.5)));
  const sum = colors.flat().reduce((before, value) => before + value, 0);
  return sum > 127 * 3 * opaque ? [0, 0, 0] : [255, 255, 255];
}

function grayOf([red, green, blue]) {
  const values = red.values.map(
    (value, index) => (19595 * value + 38470 * green.values[index] + 7471 * blue.values[index] + 0x8000) >> 16,
  );
  return { ...red, values };
}

/** The pixels of a picture 28×28 that is in MNIST's format already, or its negative. Null if it is not. */
function imageInFormat({ values, width, height }) {
  if (width !== SIDE || height !== SIDE) return null;
  const light = Float32Array.from(values, (value) => value / 255);
  const candidates = [light, light.map((value) => 1 - value)];
  return candidates.find(isInFormat) ?? null;
}

function isInFormat(values) {
  const image = { values, width: SIDE, height: SIDE };
  const corners = [0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1];
  if (!values.some((value) => value > 0) || corners.some((corner) => values[corner] > 0)) return false;
  if (new Set(values).size < MIN_GRAY_LEVELS) return false;
  const isCentered = centerOfMass(image).every((center) => Math.abs(center - SIDE / 2) < 0.75);
  return isCentered && [BOX - 1, BOX].includes(longerSide(boundingBox(image)));
}

/** [x, y] in pixels; the middle of the first pixel is 0. */
function centerOfMass({ values, width }) {
  let [mass, x, y] = [0, 0, 0];
  values.forEach((value, index) => {
    mass += value;
    x += value * (index % width);
    y += value * Math.floor(index / width);
  });
  return [x / mass, y / mass];
}

/** One digit; if there are others, all of them; if the strokes have several large parts, these parts. */
function normalize({ recipe, ink, mask, others, parts }) {
  const choices = [{ masks: [mask], apart: false }];
  if (others.length) choices.push({ masks: [mask, ...others], apart: true });
  if (parts.length > 1) choices.push({ masks: parts, apart: false });
  return choices.map(({ masks, apart }) => ({
    description: describe(recipe),
    digits: masks.map((one) => fitAndCenter(normalizeStrokeWidth(ink, one))),
    dark: recipe.dark,
    apart,
  }));
}

/** The ink of one digit alone, in [0, 1], with strokes in MNIST's range of widths. */
function normalizeStrokeWidth(ink, mask) {
  const box = boundingBox(mask);
  const margin = roundEven(0.15 * longerSide(box)) + 2;
  const reduceCrop = (image) => {
    const around = [box.left - margin, box.top - margin, box.width + 2 * margin, box.height + 2 * margin];
    return thumbnail(crop(image, ...around), CROP_SIZE);
  };
  const [inkAround, covered] = [ink, { ...mask, values: Float32Array.from(mask.values) }].map(reduceCrop);
  const { width, height } = covered;
  const inside = { width, height, values: Uint8Array.from(covered.values, (value) => value > 0.5) };
  const size = Math.max(longerSide(boundingBox(inside)), 1);
  const pixel = size / BOX; // a pixel of the result
  const stroke = strokeWidth(inside) / pixel;
  let values;
  if (stroke < THINNEST) {
    const outside = { width, height, values: inside.values.map((value) => 1 - value) };
    const widened = ((THINNEST + 0.6 - stroke) / 2) * pixel + 0.5;
    values = distanceToOutside(outside).values.map((distance) => widened - distance);
  } else if (stroke > THICKEST) {
    const narrowed = ((stroke - THICKEST) / 2) * pixel;
    values = distanceToOutside(inside).values.map((distance) => distance - narrowed);
  } else {
    const reach = Math.max(1, roundEven(0.6 * pixel));
    const near = maximum(inside, reach, reach).values;
    const strong = quantile(
      inkAround.values.filter((_, index) => inside.values[index]),
      0.75,
    );
    values = inkAround.values.map((value, index) => (value / strong) * near[index]);
  }
  return { width, height, values: values.map((value) => Math.min(Math.max(value, 0), 1)) };
}

/** Scales the digit into 20×20 pixels and moves its center of mass to the center of 28×28. */
function fitAndCenter(digit) {
  const image = new Float32Array(SIDE * SIDE);
  const box = boundingBox({ ...digit, values: digit.values.map((value) => value > 0.2) });
  if (box.width < 1) return image;
  const scale = BOX / longerSide(box);
  const [columns, rows] = [box.width, box.height].map((side) => Math.max(1, roundEven(side * scale)));
  const small = resize(crop(digit, box.left, box.top, box.width, box.height), columns, rows, "bilinear");
  const strong = quantile(
    small.values.filter((value) => value > 0.2),
    0.9,
  );
  small.values = small.values.map((value) => Math.min(value / Math.max(strong, 0.3), 1));
  const start = (center, length) => Math.min(Math.max(roundEven(SIDE / 2 - center), 0), SIDE - length);
  const [x, y] = centerOfMass(small);
  const [left, top] = [start(x, columns), start(y, rows)];
  small.values.forEach((value, index) => {
    const place = (top + Math.floor(index / columns)) * SIDE + left + (index % columns);
    image[place] = roundEven(255 * value) / 255;
  });
  return image;
}

/**
 * The most convincing hypothesis, by the probabilities of the digits of each. The hypotheses of one digit vote for a
 * label; the simplest convincing one with this label is chosen, or one of several digits. Null if they do not agree.
 */
function choose(hypotheses, probabilities) {
  const single = probabilities.flatMap((digits, index) => (digits.length === 1 ? [index] : []));
  const sums = probabilities[0][0].map((_, digit) =>
    single.reduce((sum, index) => sum + probabilities[index][0][digit] ** 3, 0),
  );
  const label = sums.indexOf(Math.max(...sums)); // doubtful votes count little
  const vote = (index) => probabilities[index][0][label];
  const confidences = probabilities.map((digits) => digits.map((values) => Math.max(...values)));
  const convincing = single.filter((index) => vote(index) >= CONVINCING);
  if (convincing.length) {
    const several = convincing
      .map((index) => index + 1)
      .filter((index) => hypotheses[index]?.apart)
      .filter((index) => confidences[index].filter((confidence) => confidence >= CONVINCING_OTHER).length > 1);
    if (several.length >= convincing.length / 3) return hypotheses[several[0]];
  } else {
    const parts = hypotheses.find(
      ({ apart }, index) => confidences[index].length > 1 && !apart && Math.min(...confidences[index]) >= CONVINCING,
    );
    if (parts) return parts;
  }
  const highest = Math.max(...single.map(vote));
  const chosen = hypotheses[single.find((index) => vote(index) >= highest - MARGIN)];
  const votes = single.filter((index) => hypotheses[index].dark === chosen.dark).map(vote);
  const agreement = votes.reduce((sum, one) => sum + one, 0) / votes.length;
  return agreement >= MIN_AGREEMENT ? chosen : null;
}
