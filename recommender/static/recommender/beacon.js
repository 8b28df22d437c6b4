/* Reports what visitors do and see: docs/guide.md, "The beacon". Events stay in storage until the shop has answered; by
 * their ids it stores once what arrives twice. */
(() => {
  "use strict";
  const { endpoint, consent, cookie, who } = document.currentScript?.dataset || {};
  if (!endpoint) return;

  const PREFIX = "recommender:"; // of a key: + UUIDv7, + "s" for what was seen
  const WAIT = PREFIX + "wait"; // no tab sends before this moment
  const BYTES = 60_000; // a POST; beacons hold 64 KiB
  const ROWS = 100; // a POST
  const KEPT = 500; // more are dropped
  const DELAY = 2000; // ms in which events gather
  const LIST = "[data-recommender-token]";
  const memory = new Map(); // what storage refuses
  const mine = new Set(); // keys that this page made
  const done = new WeakSet(); // cards that were seen
  const clicked = new WeakSet();
  const looking = new Map(); // card → timer of its second
  const seen = new Map(); // token → slots to report
  const chosen = document.cookie.match(cookie + "=(\\w+)")?.[1];
  const signal = (navigator.globalPrivacyControl || navigator.doNotTrack === "1") && "none";
  let level = ["none", "session"].find((each) => [signal, consent, chosen].includes(each)); // the strictest
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

  const waiting = () => read(WAIT) - Date.now(); // ms

  /** RFC 9562: time, then random. */
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
    seen.forEach((slots, token) => keep({ token, slots, who }, "s"));
    seen.clear();
  };

  /** The oldest that fit into a POST: keys, body. */
  const batch = (candidates) => {
    const taken = [];
    const events = [];
    const impressions = [];
    let bytes = 0;
    for (const key of candidates) {
      const text = read(key);
      if (!text) continue; // another tab has sent it
      const { who: owner, ...row } = JSON.parse(text);
      if ((owner || who) !== who) {
        drop(key); // another account's
        continue;
      }
      bytes += new Blob([text]).size;
      if (taken.length === ROWS || (taken[0] && bytes > BYTES)) break;
      taken.push(key);
      (key.endsWith("s") ? impressions : events).push(row);
    }
    return [taken, JSON.stringify({ events, impressions, who, sent_at: new Date(), webdriver: !!navigator.webdriver })];
  };

  /** One by one: the first answer brings the cookie. */
  const drain = async () => {
    while (!(waiting() > 0)) {
      const [taken, body] = batch(keys());
      if (!taken.length) return;
      const answer = await fetch(endpoint, { method: "POST", body, keepalive: true }).catch(() => 0);
      if (!answer || answer.status === 429 || answer.status > 499) {
        const asked = answer && answer.headers.get("Retry-After") * 1000;
        failures = Math.min(failures + 1, 9);
        write(WAIT, Date.now() + Math.max(asked || 0, 500 * 2 ** failures * (1 + Math.random())));
        break;
      }
      taken.forEach(drop); // stored, or refused for good
      failures = 0;
    }
    plan(waiting());
  };

  /** One tab at a time, where the browser has locks. */
  const drainAlone = () => {
    timer = 0;
    gather();
    if (level === "none" || !keys()[0]) return;
    const alone = (lock) => (lock ? drain() : plan(DELAY));
    navigator.locks ? navigator.locks.request(PREFIX, { ifAvailable: true }, alone) : drain();
  };

  const plan = (ms) => {
    if (!timer && document.visibilityState === "visible") timer = setTimeout(drainAlone, ms);
  };

  /** A later page gets the answer. */
  const hide = () => {
    clearTimeout(timer);
    timer = 0;
    watcher.disconnect();
    looking.forEach((second) => clearTimeout(second));
    gather();
    const [taken, body] = batch(mine);
    if (taken[0] && !(waiting() > 0)) navigator.sendBeacon(endpoint, body); // text/plain: no preflight
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
    const cards = document.querySelectorAll(LIST + " [data-recommender-slot]");
    cards.forEach((card) => done.has(card) || watcher.observe(card));
  };

  const report = (kind, item, place) => keep({ kind, item, who, token: place.closest(LIST)?.dataset.recommenderToken });

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
    const item = target.dataset.recommenderCart;
    item && report("cart", item, target);
  };

  /** When it is shown, not loaded ahead. */
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
    plan(keys()[50] ? 0 : DELAY); // what earlier pages left
  };

  const forget = () => keys().forEach(drop);
  const on = (name, handle) => addEventListener(name, handle, true); // capture: a handler of the shop may stop it
  on("click", onClick);
  on("auxclick", onClick);
  on("submit", onSubmit);
  on("visibilitychange", onVisibility); // also around the browser's back-forward cache
  on("prerenderingchange", onVisibility);
  on("online", () => plan(0));
  on("recommender:consent", ({ detail }) => {
    forget();
    seen.clear();
    level = detail;
  });
  if (level === "none") forget();
  onVisibility();
})();
