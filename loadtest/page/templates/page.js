"use strict";

// Draws the plots of this page with Vega-Lite, from the data in it, and saves them as files.

const { config, plots } = JSON.parse(document.getElementById("plots").textContent);
const EMPTY = { x: "", y: null, low: null, high: null, part: "", note: "" }; // what a mark has that does not say it
const figures = [...document.querySelectorAll("figure.plot")];
const views = new Map(); // of the figures that are drawn, or being drawn
const libraries = [...document.querySelectorAll("script.draws")]; // none where they could not be fetched

const AROUND = 90; // pixels: about as high as the axis and the legend of a drawing together
const HEAD = 48; // pixels above a drawing that is saved, for its title

// --- the keyboard

/** Only what has more than is seen needs a stop; without a script all have one. */
function setStop(region) {
  if (region.scrollWidth > region.clientWidth + 1) region.tabIndex = 0;
  else region.removeAttribute("tabindex");
}

const sizes = new ResizeObserver((entries) => entries.forEach((one) => setStop(one.target.closest(".scroll"))));
document.querySelectorAll(".scroll, .scroll > *").forEach((one) => sizes.observe(one));

// --- drawing

/** So that what stands below a drawing stays where it is when a larger one comes. */
function reserve(figure) {
  const height = plots[figure.dataset.number - 1].spec.height + AROUND;
  figure.querySelector(".drawing").style.minHeight = `${height}px`;
}

/** Takes longer than all the rest of the page, which can be read by then. */
function start(library) {
  const script = document.createElement("script");
  script.textContent = library.textContent;
  document.head.append(script);
}

/** Replaces the small drawing; where it fails, that one comes back. */
function draw(figure) {
  if (!libraries.length || views.has(figure)) return;
  if (!views.size) libraries.forEach(start);
  const place = figure.querySelector(".drawing");
  const small = [...place.childNodes];
  const fail = (error) => {
    views.set(figure, null);
    place.replaceChildren(...small);
    place.style.minHeight = "";
    complain(figure, `The large drawing failed: ${error}. The table has its figures.`);
  };
  const inside = document.createElement("div");
  inside.ariaHidden = "true"; // it would read out every mark; the table has them in order
  try {
    place.replaceChildren(inside);
    views.set(figure, show(plots[figure.dataset.number - 1], inside, fail));
    place.style.minHeight = "";
  } catch (error) {
    fail(error);
  }
}

function show(plot, container, fail) {
  const marks = plot.marks.map((mark) => ({ ...EMPTY, ...mark }));
  const { spec } = vegaLite.compile({ config, ...plot.spec, datasets: { marks } });
  const logger = vega.logger(vega.Warn);
  logger.error = fail; // what goes wrong after the start is thrown nowhere
  const view = new vega.View(vega.parse(spec), { container, renderer: "svg", logger });
  view.run();
  return view;
}

function complain(figure, sentence) {
  const place = figure.querySelector(".error");
  place.textContent = sentence;
  place.hidden = false;
  figure.querySelector("details.table").open = true;
}

/** One at a time, so that the page can be read and scrolled meanwhile. */
function drawNext() {
  const next = figures.find((figure) => !views.has(figure));
  if (!next || !libraries.length) return;
  draw(next);
  whenIdle(drawNext);
}

function whenIdle(todo) {
  if ("requestIdleCallback" in window) requestIdleCallback(todo);
  else setTimeout(todo);
}

// --- printing

let opened = [];

addEventListener("beforeprint", () => {
  figures.forEach(draw);
  opened = [...document.querySelectorAll("main details:not([open])")];
  opened.forEach((one) => (one.open = true));
});

addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)));

// --- saving

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-export]");
  if (!button) return;
  const figure = button.closest("figure");
  save(figure, button.dataset.export).catch((error) => complain(figure, `It cannot be saved: ${error}`));
});

async function save(figure, kind) {
  draw(figure);
  const drawing = await alone(figure);
  const text = new XMLSerializer().serializeToString(drawing);
  const file = kind === "png" ? await pixels(text, drawing) : new Blob([text], { type: "image/svg+xml" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${figure.dataset.name}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The drawing without its page: with its title, a size, and the colours and the font that the page gives it now. */
async function alone(figure) {
  const shown = figure.querySelector(".drawing svg");
  const view = views.get(figure);
  const text = view ? await view.toSVG() : new XMLSerializer().serializeToString(shown);
  const style = getComputedStyle(shown);
  const value = (name) => style.getPropertyValue(name).trim();
  const coloured = text.replace(/var\((--[\w-]+)\)/g, (_, name) => value(name));
  const drawing = new DOMParser().parseFromString(coloured, "image/svg+xml").documentElement;
  const { width, height } = shown.getBoundingClientRect();
  drawing.setAttribute("width", width);
  drawing.setAttribute("height", height);
  const whole = titled(drawing, plots[figure.dataset.number - 1].title, value("--ink"));
  Object.assign(whole.style, { background: value("--paper"), color: value("--ink"), fontFamily: value("font-family") });
  return whole;
}

/** Below the title of the figure, and that of the page with its date. */
function titled(drawing, title, ink) {
  const said = (selector) => document.querySelector(selector)?.textContent.trim();
  const page = [said("h1"), said(".subtitle")].filter(Boolean).join("; ");
  const letters = Math.max(8 * title.length, 6 * page.length) + 16;
  const whole = element("svg", {
    width: Math.max(drawing.getAttribute("width"), letters),
    height: Number(drawing.getAttribute("height")) + HEAD,
  });
  drawing.setAttribute("y", HEAD);
  whole.append(
    element("title", {}, title),
    element("text", { x: 8, y: 20, fill: ink, "font-size": 14, "font-weight": 600 }, title),
    element("text", { x: 8, y: 37, fill: ink, "font-size": 11 }, page),
    drawing,
  );
  return whole;
}

function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.textContent = text;
  return made;
}

/** Twice as fine as on the page. */
async function pixels(text, drawing) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * drawing.getAttribute("width");
  canvas.height = 2 * drawing.getAttribute("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

if (libraries.length) figures.forEach(reserve);
whenIdle(drawNext);
