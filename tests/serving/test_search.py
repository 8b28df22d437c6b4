"""Search by words: by name, by meaning, with typos, for this visitor, and by the shop's own search where all fails."""

import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from recommender.capture.tables import VIEW
from recommender.models import Feedback, ModelArtifact, ModelVersion, Visitor
from recommender.serving.search import search_items
from recommender.tokens import read_impressions
from shop.models import Product
from tests.worded_shops import DRINKS, TOOLS, make_product, make_shop, publish_worded_version
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db
URL = "/recommender/search/"


@pytest.fixture
def version() -> ModelVersion:
    make_shop()
    return publish_worded_version()


def names(text: str, visitor: Visitor | None = None) -> list[str]:
    titles = dict(Product.objects.values_list("pk", "name"))
    return [titles[match.item_id] for match in search_items(text, visitor)]


def test_what_is_called_so_comes_first(version: ModelVersion) -> None:
    assert names("oat milk")[0] == "oat milk"
    assert set(names("garden")[: len(TOOLS)]) == set(TOOLS)


@pytest.mark.parametrize("typed", ["gardn hose", "garden hoose", "gaarden hose"])
def test_a_typo_is_understood(version: ModelVersion, typed: str) -> None:
    assert set(names(typed)[:4]) <= set(TOOLS)
    assert "garden hose" in names(typed)


def test_what_cannot_be_sold_is_not_found(version: ModelVersion) -> None:
    Product.objects.filter(name="oat milk").update(stock=0)
    assert "oat milk" not in names("oat milk")


def test_a_product_that_the_version_does_not_know_is_found_by_its_name(version: ModelVersion) -> None:
    make_product("hazelnut milk", "Drinks")
    assert "hazelnut milk" in names("hazelnut")


def test_the_visitor_moves_what_it_likes_up(version: ModelVersion) -> None:
    soy, shake = Product.objects.get(name="soy milk"), Product.objects.get(name="milk shake")
    ahead = []
    for liked in (soy, shake):
        visitor = Visitor.objects.create()
        make_event(visitor, liked, VIEW)
        scores = {match.item_id: match.score for match in search_items("milk", visitor)}
        ahead.append(scores[soy.pk] - scores[shake.pk])
        assert set(names("milk", visitor)[: len(DRINKS)]) == set(DRINKS)  # what is called so comes first for everybody
    assert ahead[0] > ahead[1]


def test_what_is_not_wanted_is_not_found(version: ModelVersion) -> None:
    visitor, item = Visitor.objects.create(), Product.objects.get(name="oat milk")
    Feedback.objects.create(visitor=visitor, item_id=item.pk, value=Feedback.Value.LESS, placement="for_you")
    assert "oat milk" not in names("milk", visitor)
    assert "oat milk" in names("milk")


@pytest.mark.parametrize("text", ["milk -oat", '"goat milk"', '-oat "milk shake"'])
def test_what_is_ruled_out_is_not_brought_back_by_its_meaning(version: ModelVersion, text: str) -> None:
    assert set(names("milk")) >= set(DRINKS)
    assert "oat milk" not in names(text) and all("milk" in name for name in names(text))
    assert '"goat' not in text or names(text) == ["goat milk"]


def test_a_hyphen_inside_a_word_rules_nothing_out(version: ModelVersion) -> None:
    assert "oat milk" in names("oat-milk milk")


def test_nonsense_finds_nothing(version: ModelVersion) -> None:
    assert names("©") == names("zzz") == names("qwerty") == []


def test_without_a_version_that_reads_words_the_shops_own_search_answers() -> None:
    make_products(4)
    assert names("product 2") == ["Product 2"]
    publish_tiny_version(Product.objects.all())
    assert names("product 2") == ["Product 2"]


def test_it_is_served_page_by_page(client: Client, version: ModelVersion) -> None:
    first = client.get(URL, {"q": "milk", "n": 5}).json()
    assert (first["q"], first["version"], first["next"], len(first["items"])) == ("milk", version.pk, 5, 5)
    second = client.get(URL, {"q": "milk", "n": 5, "offset": first["next"]}).json()
    ids = [item["id"] for page in (first, second) for item in page["items"]]
    assert len(set(ids)) == len(ids) >= len(DRINKS)
    claims = read_impressions(first["token"])
    assert claims is not None and claims["p"] == "search"
    assert claims["i"] == [str(item["id"]) for item in first["items"]]


@pytest.mark.parametrize(
    "query", [{}, {"q": ""}, {"q": "  "}, {"q": "x" * 201}, {"q": "\x00"}, {"q": "a", "offset": -1}, {"q": "a", "n": 0}]
)
def test_a_wrong_question_is_told_so(client: Client, query: dict[str, Any]) -> None:
    assert client.get(URL, query).status_code == 400


def test_a_wrong_question_ten_times_as_long_takes_ten_times_as_long_at_most(client: Client) -> None:
    """A pattern that can match in many ways takes a hundred times as long."""

    def seconds(letters: int) -> float:
        began = time.process_time()
        assert client.get(URL, {"q": "a" * letters + "\x00"}).status_code == 400
        return time.process_time() - began

    seconds(1)
    assert seconds(30_000) < 40 * max(seconds(3_000) for _ in range(3))


@pytest.mark.parametrize("text", ["'", "& | !", "(((", "牛奶", "%", "milk:*", "\ud800", "a " * 90])
def test_no_input_breaks_it(client: Client, version: ModelVersion, text: str) -> None:
    assert client.get(URL, {"q": text.encode(errors="surrogatepass")}).status_code in (200, 400)


class TestTheShopsPage:
    def found(self, client: Client, text: str) -> list[str]:
        response = client.get("/search/", {"q": text})
        assert response.status_code == 200
        return [product.name for product in response.context["page"]]

    def test_a_typo_finds_products(self, client: Client, version: ModelVersion) -> None:
        assert "garden hose" in self.found(client, "gardn hose")

    def test_what_is_sold_out_comes_last(self, client: Client, version: ModelVersion) -> None:
        Product.objects.filter(name="oat milk").update(stock=0)
        assert self.found(client, "milk")[-1] == "oat milk"

    def test_it_falls_back_to_what_it_did(self, client: Client, version: ModelVersion) -> None:
        from recommender.index.version_files import item_encoder

        item_encoder.forget()
        ModelArtifact.objects.filter(version=version).update(content=b"broken")
        assert self.found(client, "oat milk") == ["oat milk"]
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE recommender_feedback RENAME TO gone")
        assert self.found(client, "oat milk") == ["oat milk"]
