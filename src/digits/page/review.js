"use strict";
// Corrects the labels of digits. Each digit is a card with its image, its prediction, and a button for each label.

const { description, digits } = JSON.parse($("content").textContent);
const STORAGE_KEY = `digits-review-${document.documentElement.dataset.identity}`;
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
const choices = loadChoices(); // the label of each digit; null without a choice
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
  card.addEventListener("focusin", () => setCurrent(card));
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

/** The card that the tabulator reaches. */
function setCurrent(card) {
  for (const other of $("cards").children) other.tabIndex = other === card ? 0 : -1;
}

function handleKey(event) {
  const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
  const card = document.activeElement.closest(".card");
  if (isShortcut || !card) return;
  const index = [...$("cards").children].indexOf(card);
  if (/^[0-9]$/.test(event.key)) {
    choose(index, Number(event.key));
    focusCard(index + 1);
  } else if (event.key === "Backspace" || event.key === "Delete") {
    choose(index, null);
  } else if (event.key in STEPS) {
    focusCard(index + STEPS[event.key]);
  } else {
    return;
  }
  event.preventDefault();
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
  return !isStored && !isSaved;
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
startTheme();
show();
