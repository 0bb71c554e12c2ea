// Keeps the status page new: swaps in the parts that the daemon sends, and says so when it stops sending.
"use strict";

const SILENCE = 5000; // ms without a word from the daemon after which the numbers count as old
const RETRY = 10000; // ms until a refused connection is tried again

const link = document.getElementById("link");
const announce = document.getElementById("announce");
const waiting = new Map(); // parts held back while the reader selects text in them
let heard = Date.now();
let state = document.title;

function busy(part) {
  const selection = document.getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

function swap(part, markup) {
  const frames = [...part.querySelectorAll(".scroll")].map((frame) => [frame.scrollLeft, frame.scrollTop]);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const href = focused?.getAttribute("href");
  const label = focused?.getAttribute("aria-label");
  part.innerHTML = markup; // escaped where it was made
  part.querySelectorAll(".scroll").forEach((frame, n) => frames[n] && frame.scrollTo(...frames[n]));
  if (href) part.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  else if (label) part.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus({ preventScroll: true });
}

function show(parts) {
  for (const [name, markup] of Object.entries(parts)) waiting.set(name, markup);
  for (const [name, markup] of [...waiting]) {
    const part = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
    if (part && busy(part)) continue;
    waiting.delete(name);
    if (part) swap(part, markup);
  }
  if (parts.title && parts.title !== state) {
    document.title = state = parts.title;
    announce.textContent = parts.title;
  }
}

function hear() {
  heard = Date.now();
  if (!document.body.classList.contains("lost")) return;
  document.body.classList.remove("lost");
  announce.textContent = "The daemon is heard again.";
}

function listen() {
  const source = new EventSource("/events");
  for (const kind of ["beat", "parts"]) {
    source.addEventListener(kind, (event) => {
      hear();
      show(JSON.parse(event.data)); // a beat carries nothing new, and lets what waits be shown
    });
  }
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

setInterval(() => {
  if (Date.now() - heard <= SILENCE) return;
  if (!document.body.classList.contains("lost")) announce.textContent = "No word from the daemon.";
  document.body.classList.add("lost");
  link.dataset.silence = `No word from the daemon for ${Math.round((Date.now() - heard) / 1000)} s.`;
}, 1000);

addEventListener("pageshow", (event) => event.persisted && listen());
link.classList.add("live");
listen();
