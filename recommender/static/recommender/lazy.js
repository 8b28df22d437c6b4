/* Fetches the lists of {% … lazy=True %} when their place comes near the viewport. A shop with htmx needs it not: the
 * same elements carry its attributes, and this script then leaves them alone. */
(() => {
  "use strict";
  const NEAR = "600px"; // about a second of scrolling
  const PLACES = "[data-recommender-lazy]";

  /** The list in place of its blank cards; where there is none, or the shop does not answer, the place is hidden. */
  const fill = async (place) => {
    let html = "";
    try {
      const answer = await fetch(place.dataset.recommenderLazy, { headers: { "X-Requested-With": "XMLHttpRequest" } });
      if (answer.status === 200) html = await answer.text();
    } catch {
      // the page goes on without the list
    }
    if (!html) return (place.hidden = true);
    const list = document.createRange().createContextualFragment(html);
    place.replaceWith(list);
  };

  const start = () => {
    if (window.htmx) return;
    const watcher = new IntersectionObserver(
      (changes) => {
        for (const { isIntersecting, target } of changes) {
          if (!isIntersecting) continue;
          watcher.unobserve(target);
          fill(target);
        }
      },
      { rootMargin: NEAR },
    );
    for (const place of document.querySelectorAll(PLACES)) watcher.observe(place);
  };

  // htmx may be loaded by a deferred script behind this one.
  document.readyState === "complete" ? start() : addEventListener("DOMContentLoaded", start);
})();
