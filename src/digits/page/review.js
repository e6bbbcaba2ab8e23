"use strict";
// Corrects the labels of digits. Each digit is a card with its image, its prediction, and a button for each label.

const { description, digits } = JSON.parse($("content").textContent);
const STORAGE_KEY = `digits-review-${document.documentElement.dataset.identity}`;
let choices = loadChoices(); // the label of each digit; null without a choice
let current = 0; // the digit that keys act on
let isStored = true; // in the browser
let isSaved = true; // in a file

/** The choices of an earlier visit. None if the browser has no storage for this page, or a damaged one. */
function loadChoices() {
  const none = digits.map(() => null);
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY));
    return none.map((_, index) => (/^[0-9]$/.test(stored[index]) ? Number(stored[index]) : null));
  } catch {
    return none;
  }
}

/** Whether the browser stores the choices. Some refuse it to files, and it may be full. */
function storeChoices() {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(choices));
    return true;
  } catch {
    return false;
  }
}

function makeCard({ name, predicted, confidence, label, pixels }, index) {
  const card = document.createElement("li");
  card.className = "card";
  card.tabIndex = index === 0 ? 0 : -1;
  card.innerHTML = `<canvas width="28" height="28"></canvas>
    <div><p class="prediction"></p><p class="name"></p></div><div class="choices"></div>`;
  const given = label === null ? "" : `, labeled ${label}`;
  card.querySelector(".prediction").textContent = `Predicted ${predicted}, ${(100 * confidence).toFixed(1)} %${given}`;
  card.querySelector(".name").textContent = name;
  card.querySelector(".choices").append(...makeButtons(index, predicted));
  card.addEventListener("focusin", () => setCurrent(index));
  const values = Array.from(bytesOfBase64(pixels), (value) => value / 255);
  paint(card.querySelector("canvas"), values);
  return card;
}

function makeButtons(index, predicted) {
  return Array.from({ length: 10 }, (_, label) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.tabIndex = -1; // the keys 0 to 9 do the same
    button.classList.toggle("predicted", label === predicted);
    button.addEventListener("click", () => choose(index, choices[index] === label ? null : label));
    return button;
  });
}

function bytesOfBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function choose(index, label) {
  choices[index] = label;
  isSaved = false;
  isStored = storeChoices();
  show();
}

/** Makes a card the only one that the Tab key reaches. */
function setCurrent(index) {
  $("cards").children[current].tabIndex = -1;
  $("cards").children[index].tabIndex = 0;
  current = index;
}

function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = stepOf(event.key);
  if (step) {
    focusCard(current + step);
  } else if (/^[0-9]$/.test(event.key)) {
    if (event.repeat) return; // of a key that is held down
    choose(current, Number(event.key));
    focusCard(current + 1);
  } else if (event.key === "Backspace" || event.key === "Delete") {
    choose(current, null);
  } else {
    return;
  }
  event.preventDefault();
}

/** The number of cards that an arrow key moves. None for other keys. */
function stepOf(key) {
  if (key === "ArrowLeft") return -1;
  if (key === "ArrowRight") return 1;
  if (key === "ArrowUp") return -countColumns();
  if (key === "ArrowDown") return countColumns();
  return undefined;
}

/** The number of cards beside each other. */
function countColumns() {
  const cards = [...$("cards").children];
  return cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
}

function focusCard(index) {
  $("cards").children[index]?.focus();
}

function show() {
  const chosen = choices.filter((label) => label !== null).length;
  $("count").textContent = `${chosen} of ${digits.length} chosen`;
  $("save").disabled = chosen === 0;
  $("risk").hidden = !isAtRisk();
  [...$("cards").children].forEach((card, index) => {
    showChoice(card, digits[index], index);
  });
}

function showChoice(card, { predicted }, index) {
  const choice = choices[index] === null ? "no label chosen" : `label ${choices[index]} chosen`;
  card.setAttribute("aria-label", `Digit ${index + 1} of ${digits.length}, predicted ${predicted}, ${choice}`);
  [...card.querySelector(".choices").children].forEach((button, label) => {
    button.setAttribute("aria-pressed", label === choices[index]);
  });
}

/** Whether choices would be lost with the page. */
function isAtRisk() {
  return choices.some((label) => label !== null) && !isStored && !isSaved;
}

function save() {
  const labeled = digits.map(({ pixels }, index) => ({ label: choices[index], pixels: bytesOfBase64(pixels) }));
  const chosen = labeled.filter(({ label }) => label !== null);
  download("corrected.csv", csvOfDigits(chosen), "text/csv");
  isSaved = true;
  show();
}

$("description").textContent = `Shown: ${description}.`;
$("cards").replaceChildren(...digits.map(makeCard));
$("save").addEventListener("click", save);
document.addEventListener("keydown", handleKey);
addEventListener("beforeunload", (event) => {
  if (isAtRisk()) event.preventDefault();
});
addEventListener("storage", ({ key }) => {
  if (key !== STORAGE_KEY) return;
  choices = loadChoices(); // another tab changed them
  show();
});
startTheme();
show();
