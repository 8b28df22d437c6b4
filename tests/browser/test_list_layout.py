"""The cards of a list side by side: parts in line, nothing cut, no place kept for what none of a row has."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from playwright.sync_api import Page

from recommender.serving.cards import Card

pytestmark = pytest.mark.browser

PLAIN = Card(None, 1, "Bananas", "/p/1/", "", price="0.94", price_cents=94, score=0.0, reason="", slot=1)
LONG = "Wheat & Multigrain Bread, 24 oz (Maker 194, variety 5)"
REASON = "Because you bought Own Brand Fresh Milk, 1 gal (variety 2)"
BOXES = """(name) => [...document.querySelectorAll(name)].map((each) => {
  const { top, left, width, height } = each.getBoundingClientRect();
  return { top, left, width, height, hidden: each.scrollHeight > each.clientHeight + 1 };
})"""


@pytest.fixture
def boxes(page: Page) -> Any:
    """Shows twelve cards, some with a long title, some with a reason, and says where a part of each stands."""

    def show(width: int, reason: str = REASON, extra: str = "") -> Any:
        cards = [
            replace(PLAIN, slot=slot, title=LONG if slot % 5 == 0 else PLAIN.title, reason=reason if slot % 2 else "")
            for slot in range(1, 13)
        ]
        context = {"cards": cards, "heading_id": "list", "title": "For you", "placement": "for_you"}
        with open(str(finders.find("recommender/widgets.css"))) as styles:
            head = f"<!doctype html><style>{styles.read()} body {{ font: 16px/1.5 sans-serif; margin: 16px }}</style>"
        page.set_viewport_size({"width": width, "height": 900})
        body = render_to_string("recommender/list.html", {**context, "takes_feedback": True, "token": "t"})
        page.set_content(head + body.replace("</li>", f"{extra}</li>"))
        return lambda name: page.evaluate(BOXES, name)

    return show


@pytest.mark.parametrize(("width", "columns"), [(1280, 7), (1100, 6), (768, 4), (390, 12)])
def test_parts_stand_in_line_and_nothing_is_cut(boxes: Any, width: int, columns: int) -> None:
    of = boxes(width)
    for name in (".rec-card__price", ".rec-card__feedback", ".rec-card"):
        assert len({round(box["top"]) for box in of(name)[:columns]}) == 1, name
    cards = of(".rec-card")
    assert sum(round(box["top"]) == round(cards[0]["top"]) for box in cards) == columns
    assert all(145 <= box["width"] <= 200 for box in cards)
    assert not any(box["hidden"] for box in of(".rec-card__link, .rec-card__reason, .rec-card__feedback button"))


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_a_row_without_reasons_keeps_no_place_for_them(boxes: Any, width: int) -> None:
    of = boxes(width, reason="")
    price, answers = of(".rec-card__price")[0], of(".rec-card__feedback")[0]
    assert abs(price["top"] + price["height"] - answers["top"]) <= 1


def test_a_part_of_the_shop_s_own_hides_no_other(boxes: Any) -> None:
    of = boxes(768, extra="<p class='own'>On offer</p><p class='own'>Two left</p>")
    answers, first, second = of(".rec-card__feedback")[0], *of(".own")[:2]
    assert answers["top"] + answers["height"] <= first["top"] + 1 and first["top"] < second["top"]


PAIRS = """() => ["h2", ".rec-card__link", ".rec-card__reason"].map((name) => {
  let place = document.querySelector(name);
  const { color } = getComputedStyle(place);
  const seen = (each) => getComputedStyle(each).backgroundColor;
  while (place.parentElement && seen(place) === "rgba(0, 0, 0, 0)") place = place.parentElement;
  const canvas = document.documentElement.style.colorScheme ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
  const light = (text) => text.match(/\\d+/g).slice(0, 3).reduce((sum, each) => sum + +each, 0) / 3;
  return light(color) - light(seen(place) === "rgba(0, 0, 0, 0)" ? canvas : seen(place));
})"""


@pytest.mark.parametrize("declared", ["", "light dark"])
def test_a_list_is_dark_only_where_its_page_is(page: Page, boxes: Any, declared: str) -> None:
    """Whoever prefers dark meets it on pages that are dark, too: elsewhere a pale title would stand on white."""
    page.emulate_media(color_scheme="dark")
    boxes(1280)
    page.evaluate(f"document.documentElement.style.colorScheme = '{declared}'")
    assert [difference > 0 for difference in page.evaluate(PAIRS)] == [bool(declared)] * 3
    assert min(abs(difference) for difference in page.evaluate(PAIRS)) > 80
