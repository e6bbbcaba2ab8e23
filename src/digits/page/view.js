"use strict";
// What the pages have in common: elements by their id, gray images, and dark mode.

const $ = (id) => document.getElementById(id);

/** Paints gray values from 0 to 1 on a canvas of as many pixels. */
function paint(canvas, values) {
  const pixels = new ImageData(canvas.width, canvas.height);
  values.forEach((value, index) => {
    const gray = 255 * value;
    pixels.data.set([gray, gray, gray, 255], 4 * index);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** The mode of the system, until the button changes it. */
function startTheme() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  );
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light mode" : "Dark mode";
}
