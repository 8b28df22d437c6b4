import asyncio
import re
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.test.utils import override_script_prefix, override_settings
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_page

from recommender import catalog as catalog_module
from recommender.capture.joins import SESSION_KEY
from recommender.capture.visitor import words_of
from recommender.catalog import Catalog
from recommender.index.connections import pool
from recommender.models import Placement, Visitor
from recommender.serving import caller
from recommender.testutils import override_recommendations
from shop.models import Product
from shop.recommendations import ProductCatalog
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

LISTS = ["recommended_for_you", "similar_items item", "bought_together item", "recently_viewed", "buy_again"]


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def visitor(products: list[Product]) -> Visitor:
    visitor = Visitor.objects.create(user=User.objects.create_user("household-1"))
    make_event(visitor, products[4], 1)
    make_event(visitor, products[6], 4)
    return visitor


def render(source: str, user: User | None = None, **context) -> str:
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    request.session = {}
    return Template("{% load recommender %}" + source).render(Context({"request": request, **context}))


def titles(html: str) -> list[str]:
    return re.findall(r'class="rec-card__link"[^>]*>([^<]*)<', html)


@pytest.mark.parametrize("tag", LISTS)
def test_every_list_renders_cards(visitor: Visitor, products: list[Product], tag: str) -> None:
    html = render(f"{{% {tag} n=3 %}}", visitor.user, item=products[0])
    assert 1 <= len(titles(html)) <= 3
    assert 'data-recommender-slot="1"' in html
    assert re.search(r'data-recommender-token="[^"]{20,}"', html)


def test_a_card_is_one_link_with_a_sized_lazy_picture(visitor: Visitor) -> None:
    html = render("{% recommended_for_you n=1 %}", visitor.user)
    card = html[html.index("<li") : html.index("</li>")]
    assert card.count("<a ") == 1
    assert re.search(r'<img [^>]*alt="" width="\d+" height="\d+" loading="lazy"', card)


def test_the_section_is_named_by_its_heading(visitor: Visitor) -> None:
    html = render("{% recommended_for_you title='Just for you' %}{% buy_again %}", visitor.user)
    labels = re.findall(r'aria-labelledby="([^"]+)"', html)
    assert labels == re.findall(r'<h2 [^>]*id="([^"]+)"', html)
    assert len(set(labels)) == 2
    assert ">Just for you</h2>" in html and ">Buy it again</h2>" in html


@pytest.mark.parametrize("excluded", ["item", "item.pk", "items", "query"])
def test_exclude_takes_items_keys_and_several(products: list[Product], excluded: str) -> None:
    context = {
        "item": products[0],
        "items": [products[0], products[1].pk],
        "query": Product.objects.filter(pk=products[0].pk),
    }
    html = render(f"{{% recommended_for_you n=2 exclude={excluded} %}}", **context)
    expected = ["Product 2", "Product 3"] if excluded == "items" else ["Product 1", "Product 2"]
    assert titles(html) == expected


def test_a_list_without_items_renders_nothing() -> None:
    assert render("{% recommended_for_you %}") == ""


@pytest.mark.parametrize("tag", ["similar_items", "bought_together"])
def test_a_missing_item_renders_nothing(products: list[Product], tag: str) -> None:
    assert render(f"{{% {tag} nothing.here %}}") == ""
    assert render(f"{{% {tag} item %}}", item=None) == ""


def test_titles_and_reasons_are_escaped(visitor: Visitor, products: list[Product]) -> None:
    Product.objects.update(name="<script>alert(1)</script>")
    html = render("{% recommended_for_you %}", visitor.user)
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_a_shop_uses_a_template_of_its_own(products: list[Product]) -> None:
    from django.template import engines

    loaders = [("django.template.loaders.locmem.Loader", {"my.html": "{{ title }}:{{ cards.0.title }}"})]
    with override_settings(
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}},
        ]
    ):
        template = engines["django"].from_string("{% load recommender %}{% recommended_for_you template='my.html' %}")
        assert template.render() == "Recommended for you:Product 0"


@pytest.mark.parametrize("tag", LISTS)
def test_a_list_renders_nothing_when_its_tables_are_gone(visitor: Visitor, products: list[Product], tag: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TABLE recommender_itemembedding, recommender_itempair, recommender_event CASCADE")
    assert render(f"before{{% {tag} %}}after", visitor.user, item=products[0]) == "beforeafter"
    assert Product.objects.exists()  # the page's transaction goes on


def test_what_is_popular_comes_when_visitors_cannot_be_read(visitor: Visitor) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_visitor RENAME TO gone")
    assert titles(render("{% recommended_for_you n=2 %}", visitor.user)) == ["Product 0", "Product 1"]
    assert Product.objects.exists()


def test_a_template_without_a_request_shows_what_is_popular(products: list[Product]) -> None:
    html = Template("{% load recommender %}{% recommended_for_you n=2 %}").render(Context())
    assert titles(html) == ["Product 0", "Product 1"]


def test_styles_and_beacon_point_to_files_that_exist() -> None:
    from django.contrib.staticfiles.finders import find

    html = render("{% recommender_styles %}{% recommender_beacon %}")
    assert 'data-endpoint="/recommender/events/"' in html
    for name in re.findall(r'(?:href|src)="/static/([^"]+)"', html):
        assert find(name), name
    assert "<script defer" in html


def test_a_shops_test_chooses_the_list(products: list[Product]) -> None:
    chosen = [products[9], products[3]]
    with override_recommendations(chosen):
        html = render("{% recommended_for_you %}{% similar_items item %}", item=products[0])
        assert titles(html) == ["Product 9", "Product 3"] * 2
        assert titles(render("{% recommended_for_you exclude=item %}", item=products[9])) == ["Product 3"]
    assert titles(render("{% recommended_for_you n=1 %}")) == ["Product 0"]


@override_recommendations([])
def test_a_shops_test_chooses_no_list(products: list[Product]) -> None:
    assert render("{% recommended_for_you %}") == ""


@pytest.mark.parametrize("tag", ["recommender_styles", "recommender_beacon"])
def test_scripts_and_styles_carry_the_page_s_nonce(tag: str) -> None:
    assert 'nonce="n0nce"' in render(f"{{% {tag} %}}", csp_nonce="n0nce")  # Django 6
    request = RequestFactory().get("/")
    request.csp_nonce = "n0nce"  # django-csp
    template = Template(f"{{% load recommender %}}{{% {tag} %}}")
    assert 'nonce="n0nce"' in template.render(Context({"request": request}))
    assert "nonce" not in render(f"{{% {tag} %}}")


def test_the_beacon_is_told_the_consent_of_whoever_is_logged_in_and_the_default_to_others() -> None:
    user = User.objects.create_user("household-2")
    Visitor.objects.create(user=user, consent=Visitor.Consent.NONE)
    request = RequestFactory().get("/")
    request.user, request.COOKIES["sessionid"] = user, "x"
    template = Template("{% load recommender %}{% recommender_beacon %}")
    assert 'data-consent="none"' in template.render(Context({"request": request}))
    assert 'data-consent="full"' in render("{% recommender_beacon %}")
    with override_settings(RECOMMENDER_CONSENT="session"):
        assert 'data-consent="session"' in template.render(Context({}))


# --- any placement, and a page of several


def test_any_placement_by_its_name(visitor: Visitor, products: list[Product]) -> None:
    assert titles(render('{% recommendations "trending" n=2 %}')) == ["Product 0", "Product 1"]
    several = render('{% recommendations "basket_complement" items=items n=3 %}', items=products[:2])
    assert len(titles(several)) == 3 and ">Goes with your basket</h2>" in several
    assert render('{% recommendations "basket_complement" items=items %}', items=[]) == ""


def test_a_placement_that_was_deleted_leaves_the_page_alone(products: list[Product], caplog) -> None:
    assert render('before{% recommendations "gone" %}after') == "beforeafter"
    assert "'gone'" in caplog.text


def test_no_item_stands_on_a_page_twice(visitor: Visitor, products: list[Product]) -> None:
    tags = '{% recommendations "for_you" n=3 %}{% recommendations "trending" n=3 %}{% recently_viewed %}{% buy_again %}'
    html = render(tags, visitor.user)
    assert len(titles(html)) >= 6
    assert len(titles(html)) == len(set(titles(html)))


def test_the_important_list_further_down_chooses_first(products: list[Product]) -> None:
    Placement.objects.create(name="trending", sources=["popular"], importance=1)
    lists = '{% recommended_for_you n=2 %}|{% recommendations "trending" n=2 %}'
    page = '{% recommendations_page "for_you" "trending" %}' + lists
    above, below = render(page).split("|")
    assert titles(below) == ["Product 0", "Product 1"]
    assert len(titles(above)) == 2 and not set(titles(above)) & set(titles(below))


def test_a_basket_that_is_made_when_asked_for_stays(products: list[Product], monkeypatch) -> None:
    def basket(self: object, request: object) -> list[int]:
        User.objects.get_or_create(username="the shop's own row")
        return [products[0].pk]

    monkeypatch.setattr("shop.recommendations.ProductCatalog.basket", basket)
    assert titles(render("{% recommended_for_you n=2 %}")) == ["Product 1", "Product 2"]
    assert User.objects.filter(username="the shop's own row").exists()


def test_a_card_whose_look_up_fails_costs_the_list_not_the_page(products: list[Product], monkeypatch) -> None:
    def item_url(self: object, item: Product) -> str:
        raise OperationalError("the server is gone")

    monkeypatch.setattr("shop.recommendations.ProductCatalog.item_url", item_url)
    assert render("before {% recommended_for_you n=2 %} behind") == "before  behind"


def test_what_lies_in_the_basket_is_left_out(products: list[Product], monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        "shop.recommendations.ProductCatalog.basket", lambda self, request: asked.append(1) or [products[0].pk]
    )
    html = render("{% recommended_for_you n=2 %}{% recommendations 'trending' n=2 %}")
    assert titles(html) == ["Product 1", "Product 2", "Product 3", "Product 4"]
    assert len(asked) == 1


def test_keys_that_a_session_made_text_are_keys(products: list[Product], monkeypatch) -> None:
    monkeypatch.setattr(
        "shop.recommendations.ProductCatalog.basket", lambda self, request: [str(products[0].pk), "no key", None]
    )
    html = render("{% recommended_for_you n=2 exclude=left_out %}", left_out=f"{products[1].pk}")
    assert titles(html) == ["Product 2", "Product 3"]
    assert titles(render("{% similar_items item n=2 %}", item=f"{products[0].pk}"))


def test_a_title_in_the_reader_s_language_may_come_late(products: list[Product]) -> None:
    html = render("{% recommended_for_you title=words lazy=True %}", words=gettext_lazy("Popular now"))
    assert 'aria-label="Popular now"' in html
    assert render("before {% recommended_for_you n='12' lazy=True %} behind") == "before  behind"


def test_answers_to_a_fetched_list_lead_to_the_shop_wherever_it_is_mounted(products: list[Product]) -> None:
    place = render("{% recommended_for_you n=3 lazy=True %}")
    url = re.search(r'data-recommender-lazy="([^"]+)"', place)[1]
    with override_script_prefix("/shop/"):
        html = Client().get(url).content.decode()
    assert 'name="next" value="/shop/"' in html


# --- a page cache


def cached(source: str, prefix: str):
    """A page of the shop behind `cache_page`."""

    @cache_page(60, key_prefix=prefix)
    def page(request):
        return HttpResponse(Template("{% load recommender %}" + source).render(Context({"request": request})))

    return page


@pytest.mark.parametrize("source", ["{% recently_viewed %}", '{% recommendations_page "recently_viewed" %}'])
def test_a_page_cache_keeps_nobodys_list_for_somebody_else(visitor: Visitor, source: str) -> None:
    page = cached(source, str(visitor.key))
    own, foreign = RequestFactory().get("/"), RequestFactory().get("/")
    own.user, foreign.user = visitor.user, AnonymousUser()
    own.session, foreign.session = {}, {}
    first = page(own)
    assert not first.has_header("Expires")  # nor does any cache on the way
    if "page" not in source:
        assert titles(first.content.decode()) == ["Product 4"]
    assert titles(page(foreign).content.decode()) == []


def test_a_page_without_anybody_s_list_is_cached(products: list[Product]) -> None:
    page = cached("{% recommended_for_you n=2 %}", "nobody")
    requests = [RequestFactory().get("/") for _ in range(2)]
    for request in requests:
        request.user, request.session = AnonymousUser(), {}
    first, second = (page(request).content for request in requests)
    assert first == second and len(titles(first.decode())) == 2  # with the same token, so it was made once


CONTROLS = ["recommender_beacon", "recommender_consent", "recommender_not_me"]


def reader(user: Any = None, **cookies: str) -> HttpRequest:
    """Of a page: somebody who is logged in, whose login took a browser over, or nobody."""
    request = RequestFactory().get("/")
    request.user, request.session = user or AnonymousUser(), {SESSION_KEY: "TOKEN"} if user else {}
    request.COOKIES |= {"sessionid": "x"} if user else cookies
    return request


@pytest.mark.parametrize("tag", CONTROLS)
def test_a_page_cache_keeps_nobodys_consent_and_undo_link_for_somebody_else(tag: str) -> None:
    user = User.objects.create_user("household-2")
    Visitor.objects.create(user=user, consent=Visitor.Consent.NONE)
    page = cached(f"{{% load recommender_privacy %}}{{% {tag} %}}", tag)
    first, second = page(reader(user)), page(reader())
    assert not first.has_header("Expires") and second.has_header("Expires")
    assert first.content != second.content


def test_the_beacon_is_told_whose_page_it_is_and_nobody_s_is_for_everybody() -> None:
    user = User.objects.create_user("household-2")
    page = cached("{% recommender_beacon %}", "whose")
    first, second = page(reader(user)), page(reader())
    assert f'data-who="{words_of(user.pk)[0]}"' in first.content.decode()
    assert not first.has_header("Expires")
    assert 'data-who=""' in second.content.decode() and second.has_header("Expires")


def test_a_page_cache_keeps_nobodys_choice_for_somebody_else() -> None:
    page = cached("{% load recommender_privacy %}{% recommender_consent %}", "choice")
    assert not page(reader(recommender_consent="none")).has_header("Expires")
    assert page(reader(recommender_consent="full")).has_header("Expires")  # as it stands for everybody


# --- a session that nobody can read


@pytest.mark.parametrize("tag", [*CONTROLS, "recommender_opinions"])
def test_a_session_s_store_that_is_away_breaks_no_page(tag: str, caplog) -> None:
    class Away(dict):
        def get(self, *args):
            raise ConnectionError("the session's store is away")

    request = reader(sessionid="x")
    request.session = Away()
    request.user = SimpleLazyObject(lambda: request.session.get("_auth_user_id"))
    template = Template(f"{{% load recommender recommender_privacy %}}a{{% {tag} %}}b")
    html = template.render(Context({"request": request}))
    assert html.startswith("a") and html.endswith("b")
    assert 'data-consent="full"' not in html
    assert "session's store is away" in caplog.text


def test_what_waits_in_the_browser_outlives_a_page_that_does_not_know_whose_it_is(monkeypatch) -> None:
    """Told that nothing is allowed, the beacon would empty it."""
    monkeypatch.setattr(caller, "ask_in_time", lambda _answer: None)
    request = reader(sessionid="x")
    html = Template("{% load recommender %}{% recommender_beacon %}").render(Context({"request": request}))
    assert "beacon.js" not in html and "feedback.js" in html
    assert request._cache_update_cache is False


@pytest.mark.parametrize("tag", [*CONTROLS, "recommender_opinions"])
def test_an_async_page_goes_on_without_whom_it_may_not_ask_for(tag: str, client: Client, monkeypatch) -> None:
    monkeypatch.setattr(pool, "keeps", lambda: True)  # as outside tests: an async page cannot close a connection
    client.force_login(User.objects.create_user("household-2"))
    request = reader(sessionid=client.session.session_key)
    request.session = SessionStore(client.session.session_key)
    request.user = SimpleLazyObject(lambda: get_user(request))

    async def page() -> str:
        template = Template(f"{{% load recommender recommender_privacy %}}a{{% {tag} %}}b")
        return template.render(Context({"request": request}))

    try:
        html = asyncio.run(page())
    finally:
        pool.close()
    assert html.startswith("a") and html.endswith("b") and 'data-consent="full"' not in html


# --- a catalogue class that fails


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The shop's own, to be broken."""
    catalog = ProductCatalog()
    monkeypatch.setattr(catalog_module, "_registered", [catalog])
    return catalog


def fail(*arguments: object) -> None:
    raise KeyError("a fault in the shop's own code")


def test_an_item_without_an_address_costs_its_card_only(products: list[Product], catalog: Catalog, monkeypatch) -> None:
    def item_url(item: Product) -> str:
        return reverse("shop:product", args=[""]) if item.pk == products[1].pk else "/"

    monkeypatch.setattr(catalog, "item_url", item_url)
    html = render("{% recommended_for_you n=3 %}")
    assert titles(html) == ["Product 0", "Product 2"] and 'data-recommender-slot="3"' in html


@pytest.mark.parametrize("method", ["basket", "item_group", "available"])
def test_a_catalogue_that_fails_costs_the_list(products: list[Product], catalog: Catalog, monkeypatch, method) -> None:
    monkeypatch.setattr(catalog, method, fail)
    assert render('a{% recommendations_page "for_you" %}{% recommended_for_you %}b') == "ab"


def test_while_developing_it_is_shown(products: list[Product], catalog: Catalog, monkeypatch, settings) -> None:
    monkeypatch.setattr(catalog, "item_url", fail)
    settings.DEBUG = True
    with pytest.raises(KeyError):
        render("{% recommended_for_you %}")


# --- a session that an older key signed


def test_a_session_of_an_older_key_is_renewed_for_good_within_the_page_s_transaction(
    products: list[Product], client: Client, settings
) -> None:
    user = User.objects.create_user("household-9")
    client.force_login(user)
    old = client.session.session_key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    request = RequestFactory().get("/")
    request.session = SessionStore(old)
    request.user = SimpleLazyObject(lambda: get_user(request))
    Visitor.objects.create()  # the page's transaction has begun
    Template("{% load recommender %}{% recommended_for_you %}").render(Context({"request": request}))
    assert request.user == user
    assert request.session.session_key != old and request.session.exists(request.session.session_key)


def test_keys_are_written_as_they_are_where_a_shop_groups_digits(settings: Any, products: list[Product]) -> None:
    """A click on "1.234.579" is a click on nothing."""
    settings.USE_THOUSAND_SEPARATOR = True
    products[0].pk = 1_234_579
    with override_recommendations(products[:1]):
        html = render("{% recommended_for_you %}")
    assert 'data-recommender-item="1234579"' in html
    assert 'value="more:1234579"' in html and 'value="less:1234579"' in html
