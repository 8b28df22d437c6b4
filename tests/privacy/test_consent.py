"""The ladder none, session, full: what is stored and set at each level, and who decides."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory, override_settings
from django.test.utils import override_script_prefix
from django.utils import timezone

from recommender.capture.consent import Consent
from recommender.capture.record import record_event, record_events
from recommender.capture.visitor import consent_of, visitor_of
from recommender.conf import conf
from recommender.exceptions import NoConsent
from recommender.middleware import VisitorMiddleware
from recommender.models import Event, Visitor
from recommender.privacy.choice import set_consent
from recommender.privacy.retention import end_sessions
from shop.models import Product
from tests.privacy.conftest import PostView
from tests.worlds import make_event, publish_tiny_version

NONE = override_settings(RECOMMENDER_CONSENT="none")
SESSION = override_settings(RECOMMENDER_CONSENT="session")


def choose(browser: Client, level: str) -> None:
    response = browser.post("/recommender/consent/", {"level": level, "next": "/basket/"})
    assert (response.status_code, response["Location"]) == (303, "/basket/")


# --- none


@NONE
def test_at_none_nothing_is_set_stored_or_refused_to_a_page(
    browser: Client, product: Product, post_view: PostView
) -> None:
    for path in ("/", f"/p/{product.pk}/", "/basket/"):
        assert browser.get(path).status_code == 200
    browser.post("/basket/add/", {"product": product.pk, "quantity": 1})
    response = post_view(browser, product)
    assert (response.status_code, response.json()["code"]) == (403, "no_consent")
    assert conf.VISITOR_COOKIE not in browser.cookies
    assert not Event.objects.exists() and not Visitor.objects.exists()


@NONE
def test_at_none_contextual_lists_still_work_and_name_nobody(browser: Client, products: list[Product]) -> None:
    version = publish_tiny_version(products)
    similar = browser.get(f"/recommender/items/{products[0].pk}/similar/").json()
    popular = browser.get("/recommender/recommendations/").json()
    assert (similar["rung"], popular["rung"]) == ("item", "popular")
    assert similar["version"] == version.pk and similar["items"] and popular["items"]
    assert b"data-recommender-placement" in browser.get(f"/p/{products[0].pk}/").content


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_a_privacy_signal_of_the_browser_is_none_whatever_was_chosen(
    browser: Client, product: Product, post_view: PostView, header: str
) -> None:
    choose(browser, "full")
    assert post_view(browser, product, headers={header: "1"}).json()["code"] == "no_consent"
    assert not Visitor.objects.exists()
    assert post_view(browser, product, headers={header: "0"}).json()["stored"] == 1


def test_a_signal_that_is_switched_on_forgets_the_browser(
    browser: Client, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    response = browser.get(f"/p/{product.pk}/", headers={"Sec-GPC": "1"})
    assert response.cookies[conf.VISITOR_COOKIE]["max-age"] == 0
    assert not Event.objects.exists() and not Visitor.objects.exists()
    assert "Sec-GPC" in response["Vary"]


def test_a_page_that_forgets_breaks_on_no_database_error(
    browser: Client, product: Product, post_view: PostView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is locked by a training's ATTACH, say: the cookie stays, and the next page tries again."""
    from django.db import OperationalError

    def fail(visitor: Visitor) -> int:
        raise OperationalError("canceling statement due to lock timeout")

    post_view(browser, product)
    with monkeypatch.context() as patched:
        patched.setattr("recommender.privacy.choice.erase", fail)
        assert browser.get("/basket/", headers={"DNT": "1"}).status_code == 200
    assert Event.objects.count() == 1
    browser.get("/basket/", headers={"DNT": "1"})
    assert not Event.objects.exists()


# --- session


@SESSION
def test_at_session_the_cookie_ends_with_the_browser(browser: Client, product: Product, post_view: PostView) -> None:
    cookie = post_view(browser, product).cookies[conf.VISITOR_COOKIE]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")
    post_view(browser, product)
    visitor = Visitor.objects.get()
    assert visitor.events.count() == 2


@SESSION
def test_at_session_the_id_dies_on_the_server_when_the_visit_is_over(
    browser: Client, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    before = Visitor.objects.get()
    assert end_sessions(timezone.now()) == 0
    assert end_sessions(timezone.now() + timedelta(hours=conf.SESSION_ID_HOURS, minutes=1)) == 1
    after = Visitor.objects.get()
    assert after.key != before.key and after.events.count() == 1
    post_view(browser, product)
    assert Visitor.objects.count() == 2


@SESSION
def test_at_session_a_login_joins_nothing_and_the_account_is_not_told(
    browser: Client, user: User, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    browser.post("/login/", {"username": user.username, "password": "demo"})
    post_view(browser, product)
    assert Visitor.objects.get().user is None
    assert Event.objects.count() == 2
    browser.post("/logout/")
    post_view(browser, product)
    assert Visitor.objects.count() == 2


# --- the choice


def test_less_than_before_forgets_more_than_before_keeps(
    browser: Client, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    choose(browser, "session")
    assert not Visitor.objects.exists()
    post_view(browser, product)
    choose(browser, "full")
    response = post_view(browser, product)
    assert response.cookies[conf.VISITOR_COOKIE]["max-age"] == 365 * 86_400
    assert Visitor.objects.get().events.count() == 2
    choose(browser, "none")
    assert not Event.objects.exists()
    assert browser.cookies[conf.VISITOR_COOKIE].value == ""
    assert browser.cookies[conf.CONSENT_COOKIE].value == "none"


def test_what_an_open_page_sends_from_before_is_not_this_visit_s(
    browser: Client, product: Product, post_view: PostView
) -> None:
    before = timezone.now()
    post_view(browser, product, at=before)
    choose(browser, "session")
    assert post_view(browser, product, at=before).json()["stored"] == 0
    assert post_view(browser, product).json()["stored"] == 1


def test_the_choice_of_an_account_holds_on_every_device(
    browser: Client, user: User, product: Product, post_view: PostView
) -> None:
    browser.force_login(user)
    post_view(browser, product)
    choose(browser, "none")
    assert not Event.objects.exists()
    other = Client(headers={"user-agent": "Mozilla/5.0"})
    other.force_login(user)
    assert post_view(other, product).json()["code"] == "no_consent"
    with pytest.raises(NoConsent):
        record_event(Visitor.objects.get(user=user), product, "purchase")
    choose(other, "full")
    assert Visitor.objects.get(user=user).consent == Consent.FULL
    assert post_view(other, product).json()["stored"] == 1


def test_what_happened_before_the_withdrawal_is_refused_when_it_comes_late(user: User, product: Product) -> None:
    request = request_of(user)
    before = timezone.now() - timedelta(minutes=1)
    set_consent(request, "none")
    set_consent(request, "full")
    late, new = ({"item": product.pk, "kind": "view", "at": at.isoformat()} for at in (before, timezone.now()))
    outcome = record_events(Visitor.objects.get(user=user), [late, new], source=Event.Source.BEACON)
    assert (outcome.stored, [row.code for row in outcome.refused]) == (1, ["erased"])


def test_the_control_sets_no_cookie_and_is_not_for_others(db: None) -> None:
    """At "none" a page with the control sets no cookie at all, not even that of the CSRF check."""
    request = request_of(recommender_consent="none")

    def page(request: HttpRequest) -> HttpResponse:
        template = Template("{% load recommender_privacy %}{% recommender_consent %}{% recommender_not_me %}")
        return HttpResponse(template.render(RequestContext(request)))

    response = CsrfViewMiddleware(VisitorMiddleware(page))(request)
    assert 'value="none" aria-pressed="true"' in response.content.decode()
    assert not response.cookies and "Cookie" in response["Vary"]


def test_a_page_without_its_request_goes_on_without_the_control() -> None:
    template = Template("{% load recommender_privacy %}[{% recommender_consent %}{% recommender_not_me %}]")
    assert template.render(Context()).replace("\n", "") == "[]"


def test_another_site_cannot_choose(browser: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    response = browser.post("/recommender/consent/", {"level": "full"}, headers=headers)
    assert response.status_code == 403
    assert conf.CONSENT_COOKIE not in browser.cookies


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_form_leads_to_no_other_site(browser: Client, db: None, target: str) -> None:
    assert browser.post("/recommender/consent/", {"level": "none", "next": target})["Location"] == "/"


def test_without_a_way_back_all_lead_to_the_shop_wherever_it_is_mounted(
    browser: Client, settings: Any, db: None
) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]  # as a shop has it that does not replace ours
    with override_script_prefix("/shop/"):
        chosen = browser.post("/recommender/consent/", {"level": "none", "next": "https://evil.example/"})
        undone = browser.post("/recommender/not-me/x:y:z/")
    assert chosen["Location"] == "/shop/"
    assert '<a href="/shop/">' in undone.content.decode()


@pytest.mark.parametrize(
    "body",
    ["null", "[]", "1", '"full"', "{", "{}", '{"level": null}', '{"level": ["full"]}', '{"level": "\\ud800"}'],
)
def test_a_hostile_choice_is_refused(browser: Client, db: None, body: str) -> None:
    assert browser.post("/recommender/consent/", body, content_type="application/json").status_code == 400
    assert conf.CONSENT_COOKIE not in browser.cookies


@pytest.mark.parametrize("target", ["\\ud800", "/\\ud800", "/\\u0000", "/\\r\\nX: y", "\\u0001javascript:x"])
def test_a_hostile_way_back_breaks_nothing(browser: Client, db: None, target: str) -> None:
    body = f'{{"level": "none", "next": "{target}"}}'
    response = browser.post("/recommender/consent/", body, content_type="application/json")
    assert response.status_code == 303 and "\n" not in response["Location"]


def test_the_endpoint_says_what_holds(browser: Client, db: None) -> None:
    assert browser.get("/recommender/consent/").json() == {"level": "full", "chosen": False, "signal": False}
    answer = browser.post("/recommender/consent/", {"level": "session"}, content_type="application/json")
    assert answer.json() == {"level": "session", "chosen": True, "signal": False}
    assert browser.get("/recommender/consent/", headers={"DNT": "1"}).json()["level"] == "none"
    assert browser.post("/recommender/consent/", {"level": "all"}).status_code == 400


# --- the shop's own banner


def banner(request: HttpRequest) -> str | None:
    answer = request.COOKIES.get("banner")
    if answer == "broken":
        raise RuntimeError("the banner is broken")
    return answer


def request_of(user: Any = None, **cookies: str) -> HttpRequest:
    request = RequestFactory().get("/")
    request.COOKIES = cookies
    request.user = user or AnonymousUser()
    return request


@pytest.mark.parametrize(
    ("answer", "level"), [("none", Consent.NONE), ("session", Consent.SESSION), ("full", Consent.FULL)]
)
@override_settings(RECOMMENDER_CONSENT_HOOK=f"{__name__}.banner", RECOMMENDER_CONSENT="none")
def test_the_hook_decides(answer: str, level: Consent) -> None:
    assert consent_of(request_of(banner=answer)) is level
    assert consent_of(request_of()) is Consent.NONE


@pytest.mark.parametrize("answer", ["broken", "perhaps"])
def test_a_hook_that_fails_allows_nothing_and_forgets_nothing(
    browser: Client, product: Product, post_view: PostView, answer: str
) -> None:
    post_view(browser, product)
    browser.cookies["banner"] = answer
    with override_settings(RECOMMENDER_CONSENT_HOOK=f"{__name__}.banner"):
        assert browser.get(f"/p/{product.pk}/").status_code == 200
        assert post_view(browser, product).json()["code"] == "no_consent"
    assert Event.objects.count() == 1


def test_asking_for_consent_costs_no_query(browser: Client, db: None, django_assert_num_queries: Any) -> None:
    cache.clear()
    with django_assert_num_queries(0):
        assert consent_of(request_of(recommender_consent="session")) is Consent.SESSION
        assert visitor_of(request_of(recommender_consent="none"), create=True) is None


def test_an_event_of_a_withdrawn_account_is_not_in_its_lists(user: User, products: list[Product]) -> None:
    publish_tiny_version(products)
    visitor = Visitor.objects.create(user=user)
    make_event(visitor, products[0])
    assert visitor_of(request_of(user)) == visitor
    assert visitor_of(request_of(user, recommender_consent="none")) is None
