"use strict";
// The page: drawing, pictures, and the display of a prediction.

const STRONGEST = 4; // enlarged features of each convolution
const MAX_BYTES = 100e6;
const members = loadModel(JSON.parse($("model").textContent));
const drawing = $("drawing");
let strokes = []; // of points [x, y] in pixels of the canvas
let stroke = null; // the one that is being drawn
let pointer = null; // that draws it: { id, type }; null if the keyboard does
let pen = null; // the position [x, y] of the keyboard's pen
const penStrokes = new Set(); // those that a pen drew
let picture = null; // { bitmap, image }: the dropped one, and the image that the network sees; or { bitmap, problem }
let message = ""; // while nothing is drawn: a problem with a file, that it is being read, or that a digit is kept
let changes = 0; // of the drawing; a picture that was being decoded meanwhile is dropped
let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    update();
  });
}

function update() {
  drawCanvas();
  showPrediction();
  if (!stroke) $("spoken").textContent = $("result").textContent;
}

function showPrediction() {
  const start = performance.now();
  const image = seenImage();
  if (!image) return showNothing(picture?.problem || message || "Nothing drawn");
  const prediction = predict(members, image);
  show({ image, ...prediction }, performance.now() - start);
}

/** The image that the network sees. None if nothing is drawn, and of a picture without a digit. */
function seenImage() {
  if (picture) return picture.image;
  return strokes.length ? imageOfStrokes(strokes) : undefined;
}

function showNothing(reason) {
  $("result").textContent = reason;
  $("time").textContent = "";
  $("features").replaceChildren();
  paint($("seen"), new Float32Array(SIDE * SIDE));
  showBars(new Array(10).fill(0));
  showLabels(null);
}

function show({ image, probabilities, convolutions }, milliseconds) {
  const label = probabilities.indexOf(Math.max(...probabilities));
  $("result").innerHTML = `${label} <small>${percent(probabilities[label])}</small>`;
  $("time").textContent = `${milliseconds.toFixed(0)} ms per prediction`;
  paint($("seen"), image);
  showBars(probabilities);
  showLabels(label);
  showFeatures(convolutions);
}

const percent = (probability) => `${(100 * probability).toFixed(1)} %`;

function showBars(probabilities) {
  const highest = Math.max(...probabilities);
  [...$("bars").children].forEach((row, digit) => {
    const probability = probabilities[digit];
    row.classList.toggle("best", probability > 0 && probability === highest);
    row.querySelector(".bar span").style.width = percent(probability).replace(" ", "");
    row.querySelector(".percent").textContent = percent(probability);
  });
}

/** The features of all channels of each convolution, and the strongest channels with their filters. */
function showFeatures(convolutions) {
  if ($("features").children.length !== convolutions.length) {
    $("features").replaceChildren(...convolutions.map((_, index) => makeLayer(index)));
  }
  convolutions.forEach(({ layer, features }, index) => {
    const { rows, columns, channels, values } = features;
    const section = $("features").children[index];
    section.querySelector("p").textContent =
      `Convolution ${index + 1}: ${channels} channels of ${columns}×${rows}, filters of ${layer.kernel.join("×")}`;
    const maps = Array.from({ length: channels }, (_, channel) => channelOf(values, channel, channels));
    const peaks = maps.map((map) => Math.max(...map));
    const highest = Math.max(...peaks, 1e-6);
    paintGrid(section.querySelector(".maps"), maps, columns, rows, highest);
    const order = peaks.map((_, channel) => channel).sort((a, b) => peaks[b] - peaks[a]);
    section.querySelectorAll(".strongest > div").forEach((pair, place) => {
      const channel = order[place];
      const [map, filter] = pair.children;
      pair.hidden = channel === undefined;
      if (pair.hidden) return;
      setSize(map, columns, rows);
      paint(
        map,
        maps[channel].map((value) => Math.sqrt(value / highest)),
      );
      setSize(filter, layer.kernel[1], layer.kernel[0]);
      paintSigned(filter, filterOf(layer, channel));
    });
  });
}

function makeLayer(index) {
  const section = document.createElement("div");
  section.className = "layer";
  section.innerHTML = `<p></p>
    <canvas class="maps" role="img" aria-label="Features of convolution ${index + 1}"></canvas>
    <div class="strongest" role="img" aria-label="Its strongest channels and their filters">${"<div><canvas></canvas><canvas></canvas></div>".repeat(
      STRONGEST,
    )}</div>`;
  return section;
}

/** The features of one channel, without negative ones. */
function channelOf(values, channel, channels) {
  return Float32Array.from({ length: values.length / channels }, (_, index) =>
    Math.max(values[index * channels + channel], 0),
  );
}

/** The weights of a filter for the input channel that they change most. */
function filterOf({ weights, outputs, kernel }, channel) {
  const taps = kernel[0] * kernel[1];
  const inputs = weights.length / outputs / taps;
  const slices = Array.from({ length: inputs }, (_, input) =>
    Float32Array.from({ length: taps }, (_, tap) => weights[(channel * taps + tap) * inputs + input]),
  );
  const sizes = slices.map((slice) => slice.reduce((sum, weight) => sum + weight ** 2, 0));
  return slices[sizes.indexOf(Math.max(...sizes))];
}

function setSize(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Paints positive values in orange, negative ones in blue. */
function paintSigned(canvas, values) {
  const highest = Math.max(...values.map(Math.abs), 1e-6);
  const pixels = new ImageData(canvas.width, canvas.height);
  values.forEach((value, index) => {
    const strength = Math.abs(value) / highest;
    const color = value > 0 ? [255, 160, 40] : [60, 140, 255];
    pixels.data.set([...color.map((part) => part * strength), 255], 4 * index);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Paints images [rows, columns] beside each other, with gaps of one pixel. */
function paintGrid(canvas, images, columns, rows, highest) {
  const across = 16;
  setSize(canvas, across * (columns + 1) - 1, Math.ceil(images.length / across) * (rows + 1) - 1);
  const pixels = new ImageData(canvas.width, canvas.height);
  images.forEach((image, index) => {
    const [left, top] = [(index % across) * (columns + 1), Math.floor(index / across) * (rows + 1)];
    image.forEach((value, position) => {
      const [x, y] = [left + (position % columns), top + Math.floor(position / columns)];
      const gray = 255 * Math.sqrt(value / highest);
      pixels.data.set([gray, gray, gray, 255], 4 * (y * canvas.width + x));
    });
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Draws the strokes, the picture, and the pen of the keyboard. */
function drawCanvas() {
  const context = drawing.getContext("2d");
  context.clearRect(0, 0, drawing.width, drawing.height);
  if (picture) {
    const scale = Math.min(drawing.width / picture.bitmap.width, drawing.height / picture.bitmap.height);
    const [width, height] = [picture.bitmap.width * scale, picture.bitmap.height * scale];
    context.drawImage(picture.bitmap, (drawing.width - width) / 2, (drawing.height - height) / 2, width, height);
  }
  const style = getComputedStyle(document.documentElement);
  context.strokeStyle = style.getPropertyValue("--text");
  drawStrokes(context, strokes, 0.06 * drawing.width);
  if (pen) {
    context.fillStyle = style.getPropertyValue("--accent");
    context.beginPath();
    context.arc(...pen, 0.02 * drawing.width, 0, 2 * Math.PI);
    context.fill();
  }
}

function startStroke() {
  changes++;
  picture = null;
  message = "";
  stroke = [];
  strokes.push(stroke);
}

function addPoint(point) {
  const last = stroke.at(-1);
  if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= 1) stroke.push(point);
}

function endStroke() {
  stroke = pointer = null;
  schedule();
}

function removeStroke(removed) {
  strokes = strokes.filter((one) => one !== removed);
}

function addPoints(event) {
  const box = drawing.getBoundingClientRect();
  const events = event.getCoalescedEvents?.() ?? [];
  for (const { clientX, clientY } of events.length ? events : [event]) {
    const [x, y] = [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    addPoint([x * drawing.width, y * drawing.height]);
  }
  schedule();
}

/**
 * Whether a pointer may begin a stroke. The pointer that draws keeps its stroke; only a pen replaces a touch, because
 * the palm often touches first. Beside strokes of a pen, a touch is the palm.
 */
function mayDraw({ button, pointerType, pointerId, isPrimary }) {
  if (button !== 0) return false; // another button of the mouse or the pen
  if (pointerType === "touch" && strokes.some((one) => penStrokes.has(one))) return false;
  if (!pointer || pointer.id === pointerId) return true;
  const isLost = pointer.type === pointerType && isPrimary; // a second finger or pen is not primary
  return isLost || (pointer.type === "touch" && pointerType === "pen");
}

drawing.addEventListener("pointerdown", (event) => {
  if (!mayDraw(event)) return;
  if (pointer?.type === "touch" && event.pointerType === "pen") removeStroke(stroke);
  pointer = { id: event.pointerId, type: event.pointerType };
  pen = null;
  startStroke();
  if (pointer.type === "pen") penStrokes.add(stroke);
  addPoints(event);
  try {
    drawing.setPointerCapture(event.pointerId);
  } catch {
    // The pointer has been lifted meanwhile.
  }
});

drawing.addEventListener("pointermove", (event) => {
  if (event.pointerId === pointer?.id) addPoints(event);
});

drawing.addEventListener("pointercancel", (event) => {
  // The system takes a touch back that it takes for a palm or a gesture.
  if (event.pointerId === pointer?.id && pointer.type === "touch") removeStroke(stroke);
});

for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  document.addEventListener(end, (event) => {
    if (event.pointerId === pointer?.id) endStroke();
  });
}

// While a pointer draws, the palm presses no button, opens no menu, and neither scrolls nor zooms the page.
for (const action of ["click", "contextmenu", "touchmove"]) {
  const ignore = (event) => {
    if (!pointer || !event.cancelable) return;
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener(action, ignore, { capture: true, passive: false });
}

function undo() {
  changes++;
  if (picture) picture = null;
  else strokes.pop();
  endStroke();
}

function clear() {
  changes++;
  strokes = [];
  penStrokes.clear();
  picture = pen = null;
  message = "";
  endStroke();
}

$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", clear);

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    undo();
  }
});

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

drawing.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (pointer && (event.key === " " || step)) {
    // The stroke is another pointer's.
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
  } else if (event.key === " " || step) {
    pen ??= [drawing.width / 2, drawing.height / 2];
    if (step)
      pen = pen.map((value, axis) => Math.min(Math.max(value + 0.04 * drawing.width * step[axis], 0), drawing.width));
    else if (stroke) endStroke();
    else startStroke();
    if (stroke) addPoint(pen);
    schedule();
  } else {
    return;
  }
  event.preventDefault();
});

/** Reads a picture file; of an animation, the first frame. */
async function readFile(file) {
  clear();
  message = `Reading ${file.name} …`;
  const before = changes;
  try {
    if (file.size > MAX_BYTES) throw new Error("too large");
    const bitmap = await createImageBitmap(file);
    await new Promise((resolve) => setTimeout(resolve, 50)); // shows the line above before the work begins
    if (changes !== before) return;
    picture = { bitmap, ...readPicture(bitmap, members) };
    message = "";
    schedule();
  } catch {
    if (changes === before) message = `${file.name}: not a picture that this browser can read`;
    schedule();
  }
}

$("photo").addEventListener("change", ({ target }) => {
  if (target.files.length) readFile(target.files[0]);
  target.value = "";
});

document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) readFile(clipboardData.files[0]);
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drawing.classList.add("over");
});

document.addEventListener("dragleave", () => drawing.classList.remove("over"));

document.addEventListener("drop", (event) => {
  event.preventDefault();
  drawing.classList.remove("over");
  if (event.dataTransfer.files.length) readFile(event.dataTransfer.files[0]);
});

$("theme").addEventListener("click", schedule);

$("bars").innerHTML = Array.from(
  { length: 10 },
  (_, digit) => `<li><span>${digit}</span><span class="bar"><span></span></span><span class="percent"></span></li>`,
).join("");
startKeeping();
startTheme();
schedule();
