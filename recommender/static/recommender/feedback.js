/* "Not for me" and "more like this" without leaving the page: docs/guide.md. Where this script does not run, and where the
 * shop does not answer it, the form leads back to the page. */
addEventListener("submit", async (event) => {
  "use strict";
  const { target: form, submitter: button } = event;
  if (!button || !("recommenderFeedback" in form.dataset)) return;
  event.preventDefault();
  const body = new FormData(form, button);
  body.delete("next"); // the answer as JSON, no page
  const answer = await fetch(form.action, { method: "POST", body }).catch(() => ({}));
  if (!answer.ok) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: button.name, value: button.value }));
    return form.submit();
  }
  const { value } = await answer.json();
  const card = button.closest("[data-recommender-item]");
  card.dataset.recommenderSaid = value;
  for (const each of card.querySelectorAll("button[form]")) {
    each.setAttribute("aria-pressed", each.value.startsWith(`${value}:`));
  }
});
