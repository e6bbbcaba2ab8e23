"use strict";
// Your own digits: keeping the drawn digit with a label, the thumbnails of kept digits, and saving them.

let kept = []; // digits of the collection
let isStored = true; // in the browser
let isSaved = true; // in a file

/** Loads the digits of an earlier visit. Call it after all scripts are loaded. */
function startKeeping() {
  kept = loadDigits();
  $("labels").replaceChildren(...Array.from({ length: 10 }, (_, label) => makeLabelButton(label)));
  $("remove-last").addEventListener("click", () => removeKept(kept.length - 1));
  $("remove-all").addEventListener("click", removeAll);
  $("save-csv").addEventListener("click", () => saveKept("digits.csv", csvOfDigits, "text/csv"));
  $("save-pngs").addEventListener("click", () => saveKept("digits.zip", zipOfDigits, "application/zip"));
  document.addEventListener("keydown", keepByKey);
  addEventListener("beforeunload", (event) => {
    if (isAtRisk()) event.preventDefault();
  });
  addEventListener("storage", ({ key }) => {
    if (key !== STORAGE_KEY) return;
    kept = loadDigits(); // another tab changed them
    showKept();
  });
  showKept();
}

function makeLabelButton(label) {
  const button = document.createElement("button");
  button.type = "button";
  button.innerHTML = `${label}<small></small>`;
  button.setAttribute("aria-keyshortcuts", label);
  button.addEventListener("click", () => keep(label));
  return button;
}

function keepByKey(event) {
  const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
  if (isShortcut || pointer || !/^[0-9]$/.test(event.key)) return;
  keep(Number(event.key));
}

/** Adds the image that the network sees, if there is one, and clears the drawing. */
function keep(label) {
  const image = seenImage();
  if (!image) return;
  const hasFocus = $("labels").contains(document.activeElement);
  isSaved = false;
  setKept([...kept, { label, pixels: Uint8Array.from(image, (value) => Math.round(255 * value)) }]);
  clear();
  message = `Kept as ${label}`;
  if (hasFocus) drawing.focus({ preventScroll: true }); // its button will be disabled
}

function removeKept(index) {
  const { label } = kept[index];
  const hasFocus = $("thumbnails").contains(document.activeElement);
  setKept(kept.filter((_, other) => other !== index));
  $("spoken").textContent = `Removed a ${label}. ${describeDigits(kept)}`;
  if (!kept.length) drawing.focus({ preventScroll: true });
  else if (hasFocus) $("thumbnails").children[Math.min(index, kept.length - 1)].firstChild.focus();
}

function removeAll() {
  if (!confirm("Remove all digits that you kept?")) return;
  setKept([]);
  drawing.focus({ preventScroll: true });
}

function setKept(digits) {
  kept = digits;
  isStored = storeDigits(kept);
  showKept();
}

/** Whether digits would be lost with the page. */
function isAtRisk() {
  return kept.length > 0 && !isStored && !isSaved;
}

function saveKept(name, contentOf, type) {
  download(name, contentOf(kept), type);
  isSaved = true;
  showKept();
}

function showKept() {
  $("kept").hidden = !kept.length;
  $("counts").textContent = describeDigits(kept);
  $("risk").hidden = !isAtRisk();
  $("thumbnails").replaceChildren(...kept.map(makeThumbnail));
  const counts = countLabels(kept);
  [...$("labels").children].forEach((button, label) => {
    button.querySelector("small").textContent = counts[label] || "";
  });
}

function makeThumbnail({ label, pixels }, index) {
  const item = document.createElement("li");
  item.innerHTML = `<button type="button" title="Remove" aria-label="Remove digit ${index + 1}, a ${label}">
    <canvas width="${SIDE}" height="${SIDE}"></canvas>${label}</button>`;
  const [button] = item.children;
  paint(
    button.querySelector("canvas"),
    Array.from(pixels, (value) => value / 255),
  );
  button.addEventListener("click", () => removeKept(index));
  return item;
}

/** Marks the predicted label, null if there is nothing to keep. */
function showLabels(predicted) {
  const counts = countLabels(kept);
  [...$("labels").children].forEach((button, label) => {
    const isPredicted = label === predicted;
    button.disabled = predicted === null;
    button.classList.toggle("predicted", isPredicted);
    const description = isPredicted ? ", the prediction" : "";
    button.setAttribute("aria-label", `Keep as ${label}${description}, ${counts[label]} kept`);
  });
}
