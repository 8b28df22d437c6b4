""" "Not for me" and "more like this": believed with the list's token only, at work in the next list, taken back by
saying it again."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import timezone

from recommender.capture.accounts import account_visitor
from recommender.capture.tables import VIEW
from recommender.feedback.satisfaction import of_counts, satisfaction
from recommender.models import Feedback, Visitor
from recommender.privacy.erasure import erase
from recommender.privacy.export import export_visitors
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db
URL = "/recommender/feedback/"


@pytest.fixture
def products() -> list[Product]:
    made = make_products(40)
    publish_tiny_version(made, groups=4)
    return made


@pytest.fixture
def browser(products: list[Product]) -> Client:
    """Somebody who looked at the first product."""
    client = Client(headers={"user-agent": "Mozilla/5.0"})
    event = {"item": products[0].pk, "kind": "view", "at": timezone.now().isoformat()}
    client.post("/recommender/events/", {"events": [event]}, content_type="application/json")
    return client


def list_of(browser: Client, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = browser.get("/recommender/recommendations/", {"n": 20, **parameters}).json()
    return found


def ids(found: dict[str, Any]) -> list[int]:
    return [card["id"] for card in found["items"]]


def say(browser: Client, **data: Any) -> Any:
    for value in ("less", "more"):
        if value in data:
            data["answer"] = f"{value}:{data.pop(value)}"
    return browser.post(URL, data)


def group(products: list[Product], keys: list[int], number: int) -> int:
    """How many of these keys are of a group of similar products."""
    return sum(products[place].pk in keys for place in range(number, len(products), 4))


def test_not_for_me_takes_the_item_out_of_every_list(browser: Client, products: list[Product]) -> None:
    found = list_of(browser)
    gone = ids(found)[1]
    answer = say(browser, token=found["token"], less=gone)
    assert (answer.status_code, answer.json()) == (200, {"item": str(gone), "value": "less"})
    assert gone not in ids(list_of(browser))
    like = next(product for product in products if product.pk != gone and product.pk % 4 == gone % 4)
    assert gone not in ids(list_of(browser, placement="similar_items", item=like.pk))


def test_what_is_like_it_goes_down(browser: Client, products: list[Product]) -> None:
    visitor = Visitor.objects.get()
    make_event(visitor, products[1], VIEW)
    before = ids(list_of(browser))
    Feedback.objects.create(visitor=visitor, item_id=products[4].pk, value=Feedback.Value.LESS, placement="for_you")
    after = ids(list_of(browser))
    assert group(products, before[:10], 0) > group(products, after[:10], 0) == 0


def test_more_like_this_brings_what_is_like_it(browser: Client, products: list[Product]) -> None:
    found = list_of(browser, n=30)
    liked = products[2].pk  # another group than what was looked at
    assert group(products, ids(found)[:8], 2) == 0
    assert say(browser, token=found["token"], more=liked).status_code == 200
    after = list_of(browser)
    assert group(products, ids(after)[:8], 2) >= 6
    reasons = {card["id"]: card["reason"] for card in after["items"]}
    assert reasons[products[6].pk] == "Because you wanted more like Product 2"
    assert reasons[liked] == "You asked for more like this"


def test_somebody_who_did_nothing_yet_gets_more_like_this(products: list[Product], admin_client: Client) -> None:
    browser = Client(headers={"user-agent": "Mozilla/5.0"})
    found = list_of(browser, n=30)
    liked = products[2].pk
    assert (found["rung"], group(products, ids(found)[:8], 2)) == ("popular", 2)
    say(browser, token=found["token"], more=liked)
    after = list_of(browser)
    assert after["rung"] == "personal" and group(products, ids(after)[:8], 2) >= 6
    assert "Because you wanted more like Product 2" in [card["reason"] for card in after["items"]]
    why = f"/admin/recommender/visitor/{Visitor.objects.get().pk}/why/"
    assert admin_client.get(why).status_code == 200
    make_event(Visitor.objects.get(), make_products(1, "Young")[0], VIEW)  # which the version does not know
    assert list_of(browser)["rung"] == "personal"
    say(browser, token=found["token"], more=liked)  # taken back
    assert list_of(browser)["rung"] != "personal"


def test_said_again_it_is_taken_back(browser: Client) -> None:
    found = list_of(browser)
    item = ids(found)[1]
    say(browser, token=found["token"], less=item)
    assert say(browser, token=found["token"], less=item).json()["value"] == ""
    assert ids(list_of(browser)) == ids(found)
    say(browser, token=found["token"], less=item)
    assert say(browser, token=found["token"], more=item).json()["value"] == "more"
    assert Feedback.objects.get().value == Feedback.Value.MORE


@pytest.mark.parametrize("tag", ["recommended_for_you", "similar_items item"])
def test_what_was_said_stands_on_the_next_page(products: list[Product], tag: str) -> None:
    """Else it looks forgotten, and saying it once more takes it back."""
    visitor = Visitor.objects.create(user=User.objects.create_user("household-1"))
    make_event(visitor, products[0], VIEW)
    Feedback.objects.create(visitor=visitor, item=products[8], value=Feedback.Value.MORE, placement="for_you")
    request = RequestFactory().get("/")
    request.user, request.session = visitor.user, {}  # type: ignore[assignment]
    page = Template(f"{{% load recommender %}}{{% {tag} n=30 %}}")
    html = page.render(Context({"request": request, "item": products[0]}))
    buttons = dict(re.findall(r'value="(\w+:\d+)" aria-pressed="(\w+)"', html))
    assert len(buttons) > 8
    assert [said for said, pressed in buttons.items() if pressed == "true"] == [f"more:{products[8].pk}"]
    assert html.count("data-recommender-said") == 1


def test_without_scripts_the_form_leads_back(browser: Client) -> None:
    found = list_of(browser)
    answer = say(browser, token=found["token"], less=ids(found)[0], next="/d/pantry/?page=2")
    assert (answer.status_code, answer["Location"]) == (303, "/d/pantry/?page=2")
    assert say(browser, token=found["token"], more=ids(found)[0], next="https://evil.example/")["Location"] == "/"


def test_a_form_that_is_refused_leads_back_with_a_word(browser: Client, settings: Any) -> None:
    """Whoever shops without scripts reads no JSON; programs, whose answer has no `next`, do."""
    item = ids(list_of(browser))[0]
    answer = browser.post(URL, {"token": "old", "answer": f"less:{item}", "next": "/d/pantry/"}, follow=True)
    assert answer.redirect_chain == [("/d/pantry/", 303)]
    assert [str(each) for each in answer.context["messages"]] == ["Your answer was not saved. Try it once more."]
    browser.post("/recommender/consent/", {"level": "none"})
    assert say(browser, token="old", less=item, next="/d/pantry/")["Location"] == "/d/pantry/"
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "messages" not in each]
    assert say(browser, token="", less=item, next="https://evil.example/")["Location"] == "/"
    said = {"token": "old", "answer": f"less:{item}", "next": "/"}
    assert browser.post(URL, said, content_type="application/json").status_code == 403
    assert browser.post(URL, said, headers={"origin": "https://x.example"}).status_code == 403


def test_a_form_with_an_old_csrf_token_is_led_back(browser: Client, products: list[Product]) -> None:
    """Of a page from before a login: Django's own check refuses it."""
    shopper = Client(headers={"user-agent": "Mozilla/5.0"}, enforce_csrf_checks=True)
    shopper.force_login(User.objects.create_user("household-1"))
    answer = shopper.post(URL, {"token": "old", "answer": f"less:{products[0].pk}", "next": "/d/pantry/"})
    assert (answer.status_code, answer["Location"]) == (303, "/d/pantry/")


def test_nobody_speaks_for_somebody_else(browser: Client, products: list[Product]) -> None:
    found = list_of(browser)
    other = Client(headers={"user-agent": "Mozilla/5.0"})
    event = {"item": products[1].pk, "kind": "view", "at": timezone.now().isoformat()}
    other.post("/recommender/events/", {"events": [event]}, content_type="application/json")
    assert say(other, token=found["token"], less=ids(found)[0]).status_code == 403
    assert say(browser, token=found["token"][:-2] + "xx", less=ids(found)[0]).status_code == 403
    assert say(browser, token=found["token"], less=999_999).status_code == 403
    assert (
        browser.post(URL, {"token": found["token"], "less": 1}, headers={"origin": "https://x.example"}).status_code
        == 403
    )
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "data", [{}, {"token": "x"}, {"less": "1"}, {"token": "x", "answer": "1"}, {"token": "x", "less": ""}]
)
def test_what_says_nothing_is_refused(browser: Client, data: dict[str, str]) -> None:
    assert say(browser, **data).status_code == 400


def test_without_consent_nothing_is_stored_and_no_button_shown(browser: Client, products: list[Product]) -> None:
    found = list_of(browser)
    page = browser.get(f"/p/{products[3].pk}/").content.decode()
    assert 'value="less:' in page and "data-recommender-feedback" in page
    browser.post("/recommender/consent/", {"level": "none"})
    assert say(browser, token=found["token"], less=ids(found)[0]).status_code == 403
    page = browser.get(f"/p/{products[3].pk}/").content.decode()
    assert 'value="less:' not in page and "rec-card" in page


def test_somebody_new_becomes_a_visitor_by_it(products: list[Product]) -> None:
    browser = Client(headers={"user-agent": "Mozilla/5.0"})
    found = list_of(browser)
    assert say(browser, token=found["token"], less=ids(found)[0]).status_code == 200
    assert ids(found)[0] not in ids(list_of(browser))


def test_it_is_exported_and_erased_with_the_visitor(browser: Client) -> None:
    found = list_of(browser)
    say(browser, token=found["token"], less=ids(found)[0])
    visitor = Visitor.objects.get()
    ((exported,),) = (each["feedback"] for each in export_visitors([visitor])["visitors"])
    assert (exported["item_id"], exported["value"]) == (ids(found)[0], -1)
    erase(visitor)
    assert not Feedback.objects.exists()
    assert say(browser, token=found["token"], less=ids(found)[0]).status_code == 403  # a list from before


def test_a_login_takes_it_along_and_gives_it_back(browser: Client, products: list[Product]) -> None:
    from recommender.capture.joins import join_token, undo_join
    from recommender.models import VisitorJoin

    user = User.objects.create_user("household-1", password="demo")
    found = list_of(browser)
    say(browser, token=found["token"], less=ids(found)[0])
    assert browser.post("/login/", {"username": "household-1", "password": "demo"}).status_code == 302
    account = account_visitor(user.pk)
    assert Feedback.objects.get().visitor == account
    undo_join(join_token(VisitorJoin.objects.get()))
    assert Feedback.objects.get().visitor != account


def test_the_figure_counts_visitors_not_clicks() -> None:
    assert satisfaction() is None
    alone = of_counts([(20, 20)])
    assert alone is not None and alone.low < 0.25 and alone.visitors == 1
    one_each = of_counts([(1, 1)] * 75 + [(0, 1)] * 25)
    in_bulk = of_counts([(20, 20)] * 4 + [(0, 20)])
    assert one_each is not None and in_bulk is not None
    assert (one_each.share, one_each.answers, one_each.visitors) == (0.75, 100, 100)
    assert (one_each.low, one_each.high) == pytest.approx((0.657, 0.825), abs=0.01)
    assert in_bulk.high - in_bulk.low > 2 * (one_each.high - one_each.low)


def test_lists_go_on_where_nothing_can_be_read(products: list[Product]) -> None:
    from django.db import connection

    visitor = Visitor.objects.create()
    make_event(visitor, products[0], VIEW)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_feedback RENAME TO gone")
    assert recommend(Query("for_you", visitor, 4)).rung in ("popular", "nothing")


def test_a_flood_makes_no_visitors(products: list[Product], settings: Any) -> None:
    """One token of a list for everybody, from one address, without cookies."""
    settings.RECOMMENDER_ADDRESS_EVENTS_PER_MINUTE = 3
    found = list_of(Client(headers={"user-agent": "Mozilla/5.0"}))
    answers = [
        say(
            Client(headers={"user-agent": "Mozilla/5.0"}, REMOTE_ADDR="8.8.8.8"),
            token=found["token"],
            less=ids(found)[0],
        )
        for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert int(answers[-1]["Retry-After"]) > 0 and answers[-1].json()["code"] == "too_fast"
    assert Visitor.objects.count() == Feedback.objects.count() == 3


def test_nobody_becomes_a_visitor_by_a_token_that_is_not_for_everybody(browser: Client) -> None:
    found = list_of(browser)
    for token in ("forged", found["token"]):
        answer = say(Client(headers={"user-agent": "Mozilla/5.0"}), token=token, less=ids(found)[0])
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_list")
    assert Visitor.objects.count() == 1


def test_a_shop_that_wants_no_buttons_overrides_one_block_of_each_template(
    products: list[Product], settings: Any, tmp_path: Path
) -> None:
    tag = Template("{% load recommender %}{% recommended_for_you n=2 %}")
    request = RequestFactory().get("/")
    request.session = {}
    assert "<button" in tag.render(Context({"request": request}))
    (tmp_path / "recommender").mkdir()
    for name in ("list.html", "card.html"):
        own = f'{{% extends "recommender/{name}" %}}{{% block feedback %}}{{% endblock %}}'
        (tmp_path / "recommender" / name).write_text(own)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    del request.recommender_page
    html = Template("{% load recommender %}{% recommended_for_you n=2 %}").render(Context({"request": request}))
    assert html.count("rec-card__link") == 2 and "<button" not in html and "rec-feedback" not in html
