/* docs/guide.md, "The beacon". */
(() => {
  "use strict";
  const { endpoint, consent, cookie, who } = document.currentScript?.dataset || {};
  if (!endpoint) return;

  // Pages that swap their body run this again.
  window.recommenderBeacon?.abort();
  const { signal } = (window.recommenderBeacon = new AbortController());

  const PREFIX = "recommender:"; // + UUIDv7, + "s": what was seen
  const WAIT = PREFIX + "wait"; // no tab sends before this moment
  const BYTES = 60_000;
  const ROWS = 100;
  const KEPT = 500;
  const DELAY = 2000; // ms
  const LIST = "[data-recommender-token]";
  const memory = new Map(); // what storage refuses
  const mine = new Set(); // keys of this page
  const done = new WeakSet(); // cards
  const clicked = new WeakSet();
  const looking = new Map(); // card → timer of its second
  const seen = new Map(); // token → slots to report
  const chosen = document.cookie.match("(?:^|; )" + cookie + "=(\\w+)")?.[1];
  const wish = (navigator.globalPrivacyControl || navigator.doNotTrack === "1") && "none";
  const strictest = (...words) => ["none", "session", "full"].find((each) => words.includes(each));
  let level, started, timer;
  let failures = 0;

  /** Undefined where storage is refused. */
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

  // ms; more than an hour: a clock was set back
  const waiting = (left = read(WAIT) - Date.now()) => (left > 36e5 ? 0 : left);

  const uuid7 = () => {
    const at = Date.now().toString(16).padStart(12, "0");
    const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0] % 16).toString(16);
    return at.slice(0, 8) + "-" + at.slice(8) + "-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, digit);
  };

  const keep = (row, suffix = "") => {
    if (level === "none" || keys().length >= KEPT) return;
    const id = uuid7();
    const key = PREFIX + id + suffix;
    mine.add(key);
    write(key, JSON.stringify({ id, at: new Date(), who, ...row }));
    plan(DELAY);
  };

  const gather = () => {
    seen.forEach((slots, token) => keep({ token, slots }, "s"));
    seen.clear();
  };

  /** Keys, body. */
  const batch = (candidates) => {
    const taken = [];
    const rows = { events: [], impressions: [] };
    let bytes = 0;
    for (const key of candidates) {
      const text = read(key);
      if (!text) continue; // sent by another tab
      const { who: owner, ...row } = JSON.parse(text);
      if ((owner || who) !== who) {
        drop(key);
        continue;
      }
      bytes += new Blob([text]).size;
      if (taken.length === ROWS || (taken[0] && bytes > BYTES)) break;
      taken.push(key);
      rows[key.endsWith("s") ? "impressions" : "events"].push(row);
    }
    return [taken, JSON.stringify({ ...rows, who, sent_at: new Date(), webdriver: navigator.webdriver })];
  };

  /** In turn: the first answer brings the cookie. */
  const drain = async () => {
    while (!(waiting() > 0)) {
      const [taken, body] = batch(keys());
      if (!taken[0]) return;
      const lost = () => ({ status: navigator.onLine && 503 });
      const { status, headers } = await fetch(endpoint, { method: "POST", body, keepalive: true }).catch(lost);
      if (!status) return; // "online" goes on
      if (status === 429 || status > 499) {
        const asked = headers?.get("Retry-After") * 1000 || 0;
        const ours = 500 * 2 ** Math.min(++failures, 9) * (1 + Math.random());
        write(WAIT, Date.now() + Math.min(36e5, Math.max(asked, ours)));
        break;
      }
      taken.forEach(drop); // stored, or refused for good
      failures = 0;
    }
    plan(waiting());
  };

  /** One tab at a time, where locks are allowed. */
  const drainAlone = () => {
    timer = 0;
    gather();
    if (level === "none" || !keys()[0]) return;
    const alone = (lock) => (lock ? drain() : plan(DELAY));
    (async () => navigator.locks.request(PREFIX, { ifAvailable: true }, alone))().catch(drain);
  };

  const plan = (ms) => {
    if (!timer && !signal.aborted && document.visibilityState === "visible") timer = setTimeout(drainAlone, ms);
  };

  const hide = () => {
    clearTimeout(timer);
    timer = 0;
    watcher.disconnect();
    growth.disconnect();
    looking.forEach(clearTimeout);
    gather();
    const [taken, body] = batch(mine);
    if (taken[0] && !(waiting() > 0)) navigator.sendBeacon(endpoint, body);
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
    for (const card of document.querySelectorAll(LIST + " [data-recommender-slot]")) {
      done.has(card) || watcher.observe(card);
    }
  };

  const growth = new MutationObserver(scan);

  const report = (kind, item, place) => keep({ kind, item, token: place.closest(LIST)?.dataset.recommenderToken });

  const onClick = ({ button, target }) => {
    if (button > 1 || !(target instanceof Element)) return;
    const basket = target.closest((button ? "a" : "") + "[data-recommender-cart]:not(form)");
    const card = target.closest("a[href]")?.closest(LIST + " [data-recommender-item]");
    if (basket) report("cart", basket.dataset.recommenderCart, basket);
    else if (card && !clicked.has(card)) {
      clicked.add(card);
      report("click", card.dataset.recommenderItem, card);
    }
  };

  const onVisibility = () => {
    if (document.visibilityState === "hidden") return started && hide();
    if (document.prerendering) return; // not shown yet
    if (!started) {
      started = true;
      for (const shown of document.querySelectorAll("[data-recommender-view]")) {
        report("view", shown.dataset.recommenderView || shown.dataset.recommenderItem, shown);
      }
    }
    growth.observe(document.body, { childList: true, subtree: true });
    scan();
    plan(keys()[50] ? 0 : DELAY);
  };

  /** Less forgets. */
  const allow = (next) => {
    for (level of ["full", "session"]) {
      if (level === next) return;
      keys().forEach(drop);
    }
    level = next;
  };

  const on = (name, handle) => addEventListener(name, handle, { capture: true, signal }); // a handler may stop it
  on("click", onClick);
  on("auxclick", onClick);
  on("submit", ({ target }) => {
    const item = target.dataset.recommenderCart;
    item && report("cart", item, target);
  });
  on("visibilitychange", onVisibility); // bfcache, too
  on("prerenderingchange", onVisibility);
  on("online", () => plan(0));
  on("recommender:consent", ({ detail }) => {
    const next = strictest(wish, detail) || "none";
    if (next === level) return; // banners repeat it
    next === "full" ? hide() : seen.clear(); // sent, or forgotten
    allow(next);
    onVisibility();
  });
  signal.onabort = hide;
  allow(strictest(wish, chosen, (who || !chosen) && consent, "full"));
  onVisibility();
})();
