"""Lists, filters and rules in admin: what there is, what it would show, what it did."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from recommender.capture.impressions import shown, store_impressions
from recommender.capture.tables import VIEW
from recommender.models import Event, Placement, Rule, SavedFilter, Visitor
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from recommender.serving.rules import forget_rules
from shop.models import Product
from tests.admin.conftest import StaffClient
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

LIST, FILTERS, RULES = (f"/admin/recommender/{name}/" for name in ("placement", "savedfilter", "rule"))
FORM = {
    "name": "trending",
    "title": "",
    "sources_0": "newest",
    "sources_1": "",
    "sources_2": "",
    "fallbacks_0": "popular",
    "fallbacks_1": "",
    "length": "3",
    "importance": "0",
    "exclude_bought_days": "0",
    "excludes_basket": "on",
    "diversity": "0",
}


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products(12)


@pytest.fixture
def ana(products: list[Product]) -> Visitor:
    visitor = Visitor.objects.create(user=get_user_model().objects.create_user("ana"))
    make_event(visitor, products[1], VIEW)
    return visitor


def titles(response: Any) -> list[int]:
    return [int(card.title.split()[-1]) for card, _score in response.context["cards"]]


def test_all_lists_are_there_before_any_is_saved(admin_client: Client) -> None:
    page = admin_client.get(LIST).content.decode()
    assert "Recommended for you" in page and "Trending now" in page
    assert f'href="{LIST}add/?name=trending"' in page
    assert "ranked for this visitor; else what is popular" in page


def test_a_list_is_changed_from_its_default(admin_client: Client, products: list[Product]) -> None:
    form = admin_client.get(f"{LIST}add/", {"name": "for_you"}).content.decode()
    assert '<option value="personal" selected>' in form and 'name="exclude_bought_days" value="0.5"' in form
    response = admin_client.post(f"{LIST}add/", FORM)
    assert response.status_code == 302, response.context["errors"]
    row = Placement.objects.get()
    assert (row.sources, row.fallbacks, row.length, row.repeat_share) == (["newest"], ["popular"], 3, None)
    assert "changed" in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize(
    "wrong",
    [{"sources_0": ""}, {"sources_1": "newest"}, {"diversity": "1.5"}, {"length": "0"}, {"sources_0": "nowhere"}],
)
def test_what_makes_no_sense_is_not_saved(admin_client: Client, wrong: dict[str, str]) -> None:
    assert admin_client.post(f"{LIST}add/", FORM | wrong).status_code == 200
    assert not Placement.objects.exists()


def test_a_preview_shows_the_list_of_a_visitor_before_it_is_saved(admin_client: Client, ana: Visitor) -> None:
    chosen = FORM | {"sources_0": "personal", "preview_visitor": "ana"}
    response = admin_client.post(f"{LIST}preview/", chosen)
    assert response.status_code == 200
    assert len(titles(response)) == 3 and all(number % 2 for number in titles(response))
    assert "Because you looked at Product 1" in response.content.decode()
    assert not Placement.objects.exists()


def test_a_preview_of_a_saved_list_shows_what_the_form_says(admin_client: Client, products: list[Product]) -> None:
    row = Placement.objects.create(name="front", sources=["popular"])
    chosen = {name: value for name, value in FORM.items() if name != "name"}
    response = admin_client.post(f"{LIST}{row.pk}/preview/", chosen)
    assert titles(response) == [11, 10, 9]
    assert Placement.objects.get().sources == ["popular"]


def test_a_preview_starts_from_items_and_says_what_is_wrong(admin_client: Client, products: list[Product]) -> None:
    similar = FORM | {"sources_0": "similar", "fallbacks_0": "", "preview_items": f"{products[0].pk}"}
    assert all(number % 2 == 0 for number in titles(admin_client.post(f"{LIST}preview/", similar)))
    for wrong in ({"preview_items": "soap"}, {"preview_items": ""}, {"diversity": "7"}):
        response = admin_client.post(f"{LIST}preview/", similar | wrong)
        assert response.status_code == 200 and response.context["errors"]
    nobody = admin_client.post(f"{LIST}preview/", FORM | {"preview_visitor": "nobody"})
    assert "No visitor was found" in nobody.content.decode()


def test_looking_needs_the_right_to_look(staff_client: StaffClient, products: list[Product]) -> None:
    assert staff_client("view_event").get(LIST).status_code == 403
    looking = staff_client("view_placement")
    assert looking.get(LIST).status_code == 200
    assert looking.post(f"{LIST}preview/", FORM).status_code == 403
    assert Client().post(f"{LIST}preview/", FORM).status_code == 302


def test_a_filter_is_made_of_the_catalogue_s_attributes(admin_client: Client, products: list[Product]) -> None:
    form = admin_client.get(f"{FILTERS}add/").content.decode()
    assert 'name="attribute_category__name"' in form and "Category" in form
    response = admin_client.post(
        f"{FILTERS}add/", {"name": "Tins", "attribute_category__name": "Tins\n\nJars ", "max_price_cents": "104"}
    )
    assert response.status_code == 302
    saved = SavedFilter.objects.get()
    assert saved.values["category__name"] == ["Tins", "Jars"]
    assert '<td class="field-matching">5</td>' in admin_client.get(FILTERS).content.decode()
    again = admin_client.get(f"{FILTERS}{saved.pk}/change/").content.decode()
    assert "Tins\nJars</textarea>" in again


def test_a_rule_says_what_it_did(admin_client: Client, ana: Visitor, products: list[Product]) -> None:
    response = admin_client.post(
        f"{RULES}add/", {"name": "Tea first", "action": "pin", "slot": "1", "item": products[9].pk, "is_active": "on"}
    )
    assert response.status_code == 302
    rule = Rule.objects.get()
    for _ in range(2):
        found = recommend(Query("for_you", ana, 3))
        store_impressions(ana, [{"token": found.token, "slots": [1, 2]}], 0)
    click = shown(ana, products[9].pk, found.token)
    Event.objects.create(
        visitor=ana, item=products[9], kind=Event.Kind.CLICK, at=timezone.now(), source=1, impression=click
    )
    page = admin_client.get(RULES).content.decode()
    assert '<td class="field-seen">2</td><td class="field-clicks">1 (50.0 %)</td>' in page.replace("\n", "")
    assert "Product 9" in page and "in force" in page
    assert admin_client.get(f"{RULES}{rule.pk}/change/").status_code == 200


def test_a_rule_that_hides_has_nothing_to_count(admin_client: Client, products: list[Product]) -> None:
    Rule.objects.create(name="x", action="exclude", item=products[0], ends_at=timezone.now() - timedelta(days=1))
    Product.objects.all().delete()
    page = admin_client.get(RULES).content.decode()
    assert '<td class="field-seen">–</td>' in page and "over" in page and "✕" in page


def test_a_wrong_rule_is_explained(admin_client: Client, products: list[Product]) -> None:
    page = admin_client.post(f"{RULES}add/", {"name": "x", "action": "pin", "item": products[0].pk}).content.decode()
    assert "To pin, a place is needed." in page
    assert "one of the two" in admin_client.post(f"{RULES}add/", {"name": "x", "action": "bury"}).content.decode()
    assert not Rule.objects.exists()


def test_what_a_rule_chose_is_explained_by_the_rule(admin_client: Client, products: list[Product]) -> None:
    Rule.objects.create(name="Bananas first", action=Rule.Action.PIN, item=products[2], slot=1)
    forget_rules()
    visitor = Visitor.objects.create()
    for page in ("change", "why"):
        shown = admin_client.get(f"/admin/recommender/visitor/{visitor.pk}/{page}/").content.decode()
        assert "By the rule “Bananas first”" in shown, page
    assert '<option value="trending">Trending now</option>' in shown


def test_what_only_a_rule_brought_in_has_no_score(admin_client: Client, ana: Visitor, products: list[Product]) -> None:
    rule = {"name": "Bananas first", "item": products[11], "placements": ["recently_viewed"]}
    Rule.objects.create(action=Rule.Action.PIN, slot=1, **rule)
    forget_rules()
    viewed = {"name": "recently_viewed", "sources_0": "viewed", "fallbacks_0": "", "preview_visitor": "ana"}
    for page in (
        admin_client.post(f"{LIST}preview/", FORM | viewed),
        admin_client.get(f"/admin/recommender/visitor/{ana.pk}/why/", {"placement": "recently_viewed"}),
    ):
        assert [(card.id, score is None) for card, score in page.context["cards"]] == [
            (products[11].pk, True),
            (products[1].pk, False),
        ]
        text = page.content.decode()
        assert "By the rule “Bananas first”; no source found it" in text and '<td class="value">–</td>' in text


def test_the_attributes_of_a_filter_speak_the_reader_s_language(admin_client: Client, products: list[Product]) -> None:
    page = admin_client.get(f"{FILTERS}add/", headers={"accept-language": "zh-hans"}).content.decode()
    assert "类别 → 部门" in page and "→ 名称" not in page


def test_a_filter_whose_prices_cross_is_refused(admin_client: Client, products: list[Product]) -> None:
    prices = {"min_price_cents": "500", "max_price_cents": "100"}
    page = admin_client.post(f"{FILTERS}add/", {"name": "Tins"} | prices).content.decode()
    assert "This is below the lowest price" in page and not SavedFilter.objects.exists()


@pytest.mark.parametrize(("department", "warned"), [("NoSuchDept", True), ("Tins", False)])
def test_a_filter_that_matches_nothing_is_saved_with_a_warning(
    admin_client: Client, products: list[Product], department: str, warned: bool
) -> None:
    form = {"name": "Mine", "attribute_category__name": department}
    page = admin_client.post(f"{FILTERS}add/", form, follow=True).content.decode()
    assert ("No available item matches “Mine”" in page) == warned
    assert SavedFilter.objects.count() == 1


@pytest.mark.parametrize("path", [RULES, FILTERS, "/admin/recommender/apikey/", "/admin/recommender/visitor/"])
def test_a_list_is_headed_by_what_it_is_of_and_says_what_for(admin_client: Client, path: str) -> None:
    shown = admin_client.get(path).content.decode()
    assert "<h1>Select" not in shown and 'recommender-intro"><p class="help">' in shown


def test_a_preview_shows_no_visitor_to_staff_who_may_not_look_at_visitors(
    staff_client: StaffClient, ana: Visitor
) -> None:
    client = staff_client("view_placement", "add_placement")
    page = client.post(f"{LIST}preview/", FORM | {"sources_0": "viewed", "preview_visitor": "ana"})
    assert "cards" not in page.context and "You may not look at visitors" in page.content.decode()
    page = client.post(f"{LIST}preview/", FORM)
    assert titles(page)
