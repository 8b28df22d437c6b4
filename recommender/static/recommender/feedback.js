/* "Not for me" and "more like this" without leaving the page: docs/guide.md. Where this script does not run, the form leads
 * back to the page; where the shop does not take the answer, the list says so and the page stays. */
addEventListener("submit", async (event) => {
  "use strict";
  const { target: form, submitter: button } = event;
  // Prevented: by this script, where a page that swaps its body runs it again, or by htmx, which then sends the form.
  if (!button || !("recommenderFeedback" in form.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  const card = button.closest("[data-recommender-item]");
  if (card.ariaBusy) return; // a double click would say it and take it back
  card.ariaBusy = "true";
  const status = form.parentElement.querySelector("[data-recommender-failed]"); // a shop's own template may lack it
  if (status) status.textContent = ""; // so that the same words are read out again
  const body = new FormData(form, button);
  body.delete("next"); // the answer as JSON, no page
  const answer = await fetch(form.action, { method: "POST", body })
    .then((response) => (response.ok ? response.json() : null))
    .catch(() => null);
  card.ariaBusy = null;
  if (!answer) {
    if (status) status.textContent = status.dataset.recommenderFailed;
    return;
  }
  card.dataset.recommenderSaid = answer.value;
  for (const each of card.querySelectorAll("button[form]")) {
    each.setAttribute("aria-pressed", each.value.startsWith(`${answer.value}:`));
  }
});
