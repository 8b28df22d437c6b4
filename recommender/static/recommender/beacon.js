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
  const MOST = 200; // events waiting; more are dropped
  const DELAY = 3000; // ms between two posts
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

  /** Post the oldest events; false where the browser's quota for beacons is used up. */
  const send = () => {
    const body = JSON.stringify({ events: queue.slice(0, BATCH), sent_at: new Date().toISOString() });
    const sent = navigator.sendBeacon(endpoint, body); // a string goes as text/plain, which needs no preflight
    if (sent) queue = queue.slice(BATCH);
    return sent;
  };

  /** One batch at a time: the first answer brings the cookie that makes the next batch the same visitor's. */
  const later = () => {
    if (timer || !queue.length) return;
    timer = setTimeout(() => {
      timer = 0;
      if (queue.length) send();
      later();
    }, DELAY);
  };

  const flush = () => {
    let sent = true;
    while (sent && queue.length) sent = send();
  };

  const report = (event) => {
    if (queue.length < MOST) queue.push({ id: uuid7(), at: new Date().toISOString(), ...event });
    later();
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
