/* Live progress of a training in Django admin, a copy button, and wide tables by keyboard. Without JavaScript the pages reload themselves. */
(() => {
  "use strict";

  const EVERY_MS = 1000;
  const SLOWEST_MS = 15000;

  let isTyped = false; // something that a reload would lose
  addEventListener("input", () => (isTyped = true));

  /** Refreshes one element from the JSON at its data-recommender-progress until the training has ended. */
  function follow(element) {
    const { recommenderProgress: url, recommenderPart: part, recommenderOffline: offline } = element.dataset;
    let wait = EVERY_MS;

    async function look() {
      if (document.hidden) {
        setTimeout(look, EVERY_MS);
        return;
      }
      try {
        const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
        if (!response.ok || response.redirected) throw new Error(String(response.status));
        const state = await response.json();
        if (!state.is_active && !isTyped) {
          location.reload(); // the page of an ended training shows more than this element
          return;
        }
        element.innerHTML = state[part];
        if (!state.is_active) return;
        element.classList.remove("is-offline");
        element.removeAttribute("title");
        wait = EVERY_MS;
      } catch {
        element.classList.add("is-offline");
        if (offline) element.title = offline;
        wait = Math.min(wait * 2, SLOWEST_MS);
      }
      setTimeout(look, wait);
    }

    setTimeout(look, EVERY_MS);
  }

  function offerCopy(button) {
    const field = document.getElementById(button.dataset.recommenderCopy);
    if (!field || !navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.recommenderDone;
    });
  }

  /** What scrolls sideways can be reached by keyboard, and what does not is no stop on the way. */
  const reach = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });

  function start() {
    document.querySelectorAll(".recommender-scroll").forEach((box) => reach.observe(box));
    document.querySelectorAll("[data-recommender-progress]").forEach(follow);
    document.querySelectorAll("[data-recommender-copy]").forEach(offerCopy);
    document.querySelectorAll("[data-recommender-select]").forEach((field) => {
      field.addEventListener("focus", () => field.select());
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
