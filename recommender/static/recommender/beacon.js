/* Reports what visitors do and really see; the markup: docs/guide.md, "The beacon". Events wait in the browser's storage
 * until the shop answers that they are stored; ids made here let the shop store once what arrives twice. */
(() => {
  "use strict";
  const { endpoint, consent } = document.currentScript?.dataset || {};
  if (!endpoint) return;

  const PREFIX = "recommender:"; // of a key in the storage: + UUIDv7, + "s" for what was seen
  const WAIT = PREFIX + "wait"; // no tab sends before this moment
  const BYTES = 60_000; // a POST: beacons may hold 64 KiB
  const ROWS = 100; // a POST
  const KEPT = 500; // waiting; more are dropped
  const DELAY = 2000; // ms in which events gather
  const LIST = "[data-recommender-token]";
  const memory = new Map(); // what the storage does not take
  const mine = new Set(); // keys that this page made
  const done = new WeakSet(); // cards that were seen
  const clicked = new WeakSet();
  const looking = new Map(); // card → timer of its second
  const seen = new Map(); // token → slots to report
  const objects = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  let level = objects ? "none" : consent || "full";
  let started, timer;
  let failures = 0;

  /** Undefined where the browser refuses its storage. */
  const stored = (work) => {
    try {
      return work(level === "session" ? sessionStorage : localStorage);
    } catch {}
  };
  const read = (key) => memory.get(key) || stored((all) => all.getItem(key));
  const write = (key, text) => stored((all) => all.setItem(key, text) || true) || memory.set(key, text);
  const drop = (key) => {
    mine.delete(key);
    memory.delete(key);
    stored((all) => all.removeItem(key));
  };
  const keys = () =>
    [...memory.keys(), ...(stored(Object.keys) || [])].filter((key) => /^recommender:.{36}s?$/.test(key)).sort();

  /** RFC 9562: 48 bits of time, the rest random. */
  const uuid7 = () => {
    const random = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte + 256).toString(16).slice(1));
    const hex = (Date.now() + 2 ** 48).toString(16).slice(1) + random.join("");
    return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})(.{12})/, "$1-$2-7$3-8$4-$5");
  };

  const keep = (row, suffix = "") => {
    if (level === "none" || keys().length >= KEPT) return;
    const id = uuid7();
    const key = PREFIX + id + suffix;
    mine.add(key);
    write(key, JSON.stringify(suffix ? row : { id, at: new Date(), ...row }));
    plan(DELAY);
  };

  const gather = () => {
    seen.forEach((slots, token) => keep({ token, slots }, "s"));
    seen.clear();
  };

  /** The oldest that fit into one POST: their keys, and the body. */
  const batch = (candidates) => {
    const taken = [];
    const events = [];
    const impressions = [];
    let bytes = 200;
    for (const key of candidates) {
      const text = read(key);
      if (!text) continue; // another tab has sent it
      bytes += new Blob([text]).size + 1;
      if (taken.length === ROWS || (taken.length && bytes > BYTES)) break;
      taken.push(key);
      (key.endsWith("s") ? impressions : events).push(JSON.parse(text));
    }
    return [taken, JSON.stringify({ events, impressions, sent_at: new Date(), webdriver: !!navigator.webdriver })];
  };

  /** One batch after the other: the first answer brings the cookie that makes the next batch the same visitor's. */
  const drain = async () => {
    while (!(read(WAIT) > Date.now())) {
      const [taken, body] = batch(keys());
      if (!taken.length) return;
      const answer = await fetch(endpoint, { method: "POST", body, keepalive: true }).catch(() => 0);
      if (!answer || answer.status === 429 || answer.status > 499) {
        const asked = answer && answer.headers.get("Retry-After") * 1000; // seconds; NaN for a date
        failures = Math.min(failures + 1, 9);
        write(WAIT, Date.now() + Math.max(asked || 0, 500 * 2 ** failures * (1 + Math.random())) + "");
        break;
      }
      taken.forEach(drop); // stored, or refused for good
      failures = 0;
    }
    plan(read(WAIT) - Date.now());
  };

  /** One tab at a time; a browser without locks may send twice what is stored once. */
  const drainAlone = () => {
    timer = 0;
    gather();
    if (level === "none" || !keys()[0]) return;
    const alone = (lock) => (lock ? drain() : plan(DELAY));
    navigator.locks ? navigator.locks.request("recommender", { ifAvailable: true }, alone) : drain();
  };

  const plan = (ms) => {
    if (!timer && document.visibilityState === "visible") timer = setTimeout(drainAlone, ms);
  };

  /** No answer can be waited for, so the rows stay until a later page gets one. */
  const hide = () => {
    clearTimeout(timer);
    timer = 0;
    watcher.disconnect();
    looking.forEach((second) => clearTimeout(second));
    gather();
    const [taken, body] = batch(mine);
    if (taken[0] && !(read(WAIT) > Date.now())) navigator.sendBeacon(endpoint, body); // text/plain: no preflight
  };

  const see = (card) => {
    const token = card.closest(LIST)?.dataset.recommenderToken;
    watcher.unobserve(card);
    done.add(card);
    if (token) seen.set(token, [...(seen.get(token) || []), +card.dataset.recommenderSlot]);
    plan(DELAY);
  };

  const watcher = new IntersectionObserver(
    (changes) => {
      for (const { target, intersectionRatio } of changes) {
        clearTimeout(looking.get(target));
        if (intersectionRatio >= 0.5) looking.set(target, setTimeout(see, 1000, target));
      }
    },
    { threshold: 0.5 },
  );

  const scan = () => {
    document.querySelectorAll(LIST + " [data-recommender-slot]").forEach((card) => done.has(card) || watcher.observe(card));
  };

  const report = (kind, item, place) => keep({ kind, item, token: place.closest(LIST)?.dataset.recommenderToken });

  const onClick = ({ button, target }) => {
    if (button > 1 || !(target instanceof Element)) return; // left and middle button open a link
    const basket = target.closest("[data-recommender-cart]:not(form)");
    const card = target.closest("a[href]")?.closest(LIST + " [data-recommender-item]");
    if (basket) report("cart", basket.dataset.recommenderCart, basket);
    else if (card && !clicked.has(card)) {
      clicked.add(card);
      report("click", card.dataset.recommenderItem, card);
    }
  };

  const onSubmit = ({ target }) => {
    if (target.matches("[data-recommender-cart]")) report("cart", target.dataset.recommenderCart, target);
  };

  /** Starts when the page is shown for the first time: what is only loaded ahead was seen by nobody. */
  const onVisibility = () => {
    if (document.visibilityState === "hidden") return started && hide();
    if (document.prerendering) return;
    if (!started) {
      started = true;
      for (const shown of document.querySelectorAll("[data-recommender-view]")) {
        report("view", shown.dataset.recommenderView || shown.dataset.recommenderItem, shown);
      }
      new MutationObserver(scan).observe(document.body, { childList: true, subtree: true });
    }
    scan();
    plan(DELAY); // also what earlier pages left
  };

  document.addEventListener("click", onClick, true); // capture: a handler of the shop may stop the event
  document.addEventListener("auxclick", onClick, true);
  document.addEventListener("submit", onSubmit, true);
  document.addEventListener("visibilitychange", onVisibility); // also around the browser's back-forward cache
  document.addEventListener("prerenderingchange", onVisibility);
  addEventListener("online", () => plan(0));
  document.addEventListener("recommender:consent", ({ detail }) => {
    keys().forEach(drop);
    seen.clear();
    level = detail;
  });
  onVisibility();
})();
