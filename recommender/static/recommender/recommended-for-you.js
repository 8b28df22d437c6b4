/* <recommended-for-you>: a list on a page that Django does not render, as the template tags would render it.
 *
 *   <script defer src="/static/recommender/recommended-for-you.js" data-endpoint="/recommender/recommendations/"></script>
 *   <recommended-for-you placement="similar_items" item="42" n="6" exclude="7,8" heading="Like it"></recommended-for-you>
 *
 * No shadow root: widgets.css and the shop's own rules reach the cards as on every other page, and so does the beacon.
 * Blank cards keep the place until the list has come; where there is none, the element is hidden.
 */
(() => {
  "use strict";
  const endpoint = document.currentScript?.dataset.endpoint || "/recommender/recommendations/";
  const LENGTH = 12; // blank cards where the page names no number
  const PARAMETERS = ["placement", "item", "n", "exclude"];
  let count = 0;

  /** An element with a class, attributes and children; texts become text, never markup. */
  const make = (tag, name, attributes, ...children) => {
    const made = document.createElement(tag);
    made.className = name;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const picture = (url) =>
    url
      ? make("img", "rec-card__image", { alt: "", width: 320, height: 320, loading: "lazy", decoding: "async", src: url })
      : make("span", "rec-card__image", { "aria-hidden": "true" });

  const card = (item) => {
    const parts = [picture(item.image_url), make("a", "rec-card__link", { href: item.url }, item.title)];
    if (item.price) parts.push(make("p", "rec-card__price", {}, item.price));
    if (item.reason) parts.push(make("p", "rec-card__reason", {}, item.reason));
    return make("li", "rec-card", { "data-recommender-item": item.id, "data-recommender-slot": item.slot }, ...parts);
  };

  const blank = () => {
    const lines = ["rec-card__link", "rec-card__price", "rec-card__reason"].map((name) => make("p", name, {}, "\u00a0"));
    return make("li", "rec-card", { "aria-hidden": "true" }, picture(""), ...lines);
  };

  const list = (placement, title, attributes, cards) => {
    const id = `recommended-for-you-${++count}`;
    const heading = make("h2", "rec-list__title", { id }, title || "\u00a0");
    const items = make("ul", "rec-list__items", { role: "list" }, ...cards);
    return make("section", `rec-list rec-list--${placement}`, { "aria-labelledby": id, ...attributes }, heading, items);
  };

  class RecommendedForYou extends HTMLElement {
    static observedAttributes = [...PARAMETERS, "heading"];
    #request = null;

    connectedCallback() {
      this.#load();
    }

    disconnectedCallback() {
      this.#request?.abort();
    }

    attributeChangedCallback() {
      if (this.isConnected) this.#load();
    }

    async #load() {
      this.#request?.abort();
      const request = (this.#request = new AbortController());
      if (!this.firstElementChild) this.#wait();
      await null; // attributes come one by one: the list is asked for when all are there
      const found = request.signal.aborted || (await this.#ask(request.signal));
      if (request.signal.aborted) return; // another one is on its way, or the element is gone
      this.removeAttribute("aria-busy");
      this.hidden = !found?.items.length;
      if (this.hidden) return this.replaceChildren();
      const attributes = { "data-recommender-placement": found.placement, "data-recommender-token": found.token };
      const title = this.getAttribute("heading") || found.title;
      this.replaceChildren(list(found.placement, title, attributes, found.items.map(card)));
    }

    #wait() {
      const length = Math.min(Number(this.getAttribute("n")) || LENGTH, 100);
      const title = this.getAttribute("heading");
      this.setAttribute("aria-busy", "true");
      this.append(list(this.getAttribute("placement") || "for_you", title, {}, Array.from({ length }, blank)));
    }

    /** The list as JSON; null where the shop does not answer: the page goes on without it. */
    async #ask(signal) {
      const given = PARAMETERS.filter((name) => this.getAttribute(name));
      const query = new URLSearchParams(given.map((name) => [name, this.getAttribute(name)]));
      const language = this.closest("[lang]")?.lang;
      const headers = { Accept: "application/json", ...(language && { "Accept-Language": language }) };
      try {
        const answer = await fetch(`${endpoint}?${query}`, { headers, signal });
        return answer.ok ? await answer.json() : null;
      } catch {
        return null;
      }
    }
  }

  if (!customElements.get("recommended-for-you")) customElements.define("recommended-for-you", RecommendedForYou);
})();
