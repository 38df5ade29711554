// Keeps what is marked with data-live up to date, and offers to copy. Every page works without it.
"use strict";

const EVERY_MS = 2000;
let paused = false;

async function look() {
  if (!paused && !document.hidden) {
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live][id]")) {
          const now = fresh.getElementById(part.id);
          // What somebody has reached with the keyboard stays under their fingers.
          if (now && now.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) {
            part.replaceChildren(...now.childNodes);
          }
        }
      }
    } catch {
      // The simulators have ended; the page keeps what it last knew.
    }
  }
  setTimeout(look, EVERY_MS);
}

const pause = document.querySelector("[data-pause]");
if (pause && document.querySelector("[data-live]")) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? pause.dataset.off : pause.dataset.on;
  });
  setTimeout(look, EVERY_MS);
}

// Chromium keeps some of the boxes that it drew before the Chinese face had come, until something of the text changes.
document.fonts.addEventListener("loadingdone", () => document.body.classList.add("faced"));

for (const button of document.querySelectorAll("[data-copy]")) {
  if (navigator.clipboard) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
      button.textContent = button.dataset.done;
    });
  }
}
