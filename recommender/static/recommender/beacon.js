/* Reports to the shop what its own visitors click and see. No cookie, no dependency, no inline code.
 *
 *   <ol data-recommender-token="…">            a list, with its signed token
 *     <li data-recommender-item="42"><a …>     a card: its links are reported as clicks, each card once a page
 *   <main data-recommender-view="42">          a page that comes from a cache, so that the shop cannot count the view
 */
(() => {
  "use strict";
  const endpoint = document.currentScript && document.currentScript.dataset.endpoint;
  if (!endpoint || !navigator.sendBeacon) return;

  const BATCH = 20; // events a POST: with their tokens they stay below the 64 KB that a browser lets beacons hold
  const MOST = 200; // events kept while the shop cannot be reached
  const DELAY = 3000; // ms
  const clicked = new Set();
  let queue = [];
  let timer = 0;

  /** UUIDv7 (RFC 9562): 48 bits of time, the rest random. */
  const uuid7 = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const now = Date.now();
    for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) % 256;
    bytes[6] = (bytes[6] & 15) | 112;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  const flush = () => {
    clearTimeout(timer);
    timer = 0;
    while (queue.length) {
      const events = queue.slice(0, BATCH);
      // A string goes as text/plain, which needs no preflight. False: the browser's quota is used up, so try later.
      if (!navigator.sendBeacon(endpoint, JSON.stringify({ events, sent_at: new Date().toISOString() }))) {
        timer = setTimeout(flush, DELAY);
        return;
      }
      queue = queue.slice(BATCH);
    }
  };

  const report = (event) => {
    if (queue.length < MOST) queue.push({ id: uuid7(), at: new Date().toISOString(), ...event });
    if (queue.length >= BATCH) flush();
    else if (!timer) timer = setTimeout(flush, DELAY);
  };

  const onClick = (click) => {
    if (click.button > 1 || !(click.target instanceof Element)) return; // left and middle button open a link
    const link = click.target.closest("a[href]");
    const card = link && link.closest("[data-recommender-item]");
    const list = card && card.closest("[data-recommender-token]");
    if (!list || clicked.has(card)) return;
    clicked.add(card);
    report({ kind: "click", item: card.dataset.recommenderItem, token: list.dataset.recommenderToken });
  };

  const reportViews = () => {
    for (const seen of document.querySelectorAll("[data-recommender-view]")) {
      report({ kind: "view", item: seen.dataset.recommenderView || seen.dataset.recommenderItem });
    }
  };

  document.addEventListener("click", onClick, true); // capture: a handler of the shop may stop the event
  document.addEventListener("auxclick", onClick, true);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
  addEventListener("pagehide", flush);
  if (document.prerendering) document.addEventListener("prerenderingchange", reportViews, { once: true });
  else reportViews();
})();
