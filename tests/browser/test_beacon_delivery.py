"""What beacon.js does when the network, the server or the visitor says no. Pages come from a cache, events are real."""

import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route
from uuid_utils.compat import uuid7

from recommender.capture.visitor import words_of
from recommender.models import Event, Impression, Visitor
from recommender.tokens import sign_impressions
from shop.models import Product
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.worlds import make_products

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WAITING = "Object.keys(localStorage).filter((key) => /^recommender:.{36}/.test(key)).length"
SCRIPT = (
    '<script defer nonce="n0nce" src="/static/recommender/beacon.js" data-endpoint="/recommender/events/"'
    ' data-consent="{consent}" data-cookie="recommender_consent" data-who="{who}"></script>'
)
HTML = """<!doctype html><title>From a cache</title><style>li {{ height: 700px }}</style>
<main data-recommender-view="{item}"><h1>{item}</h1>
<ul data-recommender-token="{token}">{cards}</ul></main>{script}"""
SAY = "document.dispatchEvent(new CustomEvent('recommender:consent', {{ detail: '{}' }}))".format
CARD = '<li data-recommender-item="{item}" data-recommender-slot="{slot}"><a href="/cached/{next}/">{item}</a></li>'


@pytest.fixture
def products() -> list[Product]:
    return make_products(3)


@pytest.fixture
def context(chromium: Browser) -> Any:
    opened = chromium.new_context(viewport={"width": 1000, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def serve(context: BrowserContext, products: list[Product]) -> Callable[..., None]:
    """Pages /cached/1/, /cached/2/, … that the shop's server does not see; each links to the next."""

    def start(consent: str = "full", policy: str = "", who: Callable[[], str] = str) -> None:
        context.route(re.compile(r"/cached/\d+/$"), lambda route: answer(route, policy, consent=consent, who=who()))

    def answer(route: Route, policy: str, **told: str) -> None:
        number = int(route.request.url.rstrip("/").rpartition("/")[2])
        cards = "".join(
            CARD.format(item=product.pk, slot=slot, next=number + 2) for slot, product in enumerate(products, 1)
        )
        claims = {"v": "", "l": str(uuid7()), "p": "for_you", "m": None, "r": "popular"}
        token = sign_impressions({**claims, "i": [str(product.pk) for product in products]})
        item = products[number % 3].pk
        html = HTML.format(item=item, token=token, cards=cards, script=SCRIPT.format(**told))
        headers = {"content-security-policy": policy} if policy else {}
        route.fulfill(body=html, content_type="text/html", headers=headers)

    return start


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], HttpResponse | None]], None]:
    """Let the server answer posts of events by something else than what it did, before or after it did it."""
    answer = BaseHandler.get_response

    def misbehave(decide: Callable[[], HttpResponse | None]) -> None:
        def get_response(self: Any, request: HttpRequest) -> Any:
            if request.path != "/recommender/events/" or (failure := decide()) is None:
                return answer(self, request)
            if failure.status_code == 500:  # stored, and the answer is lost
                answer(self, request)
            return failure

        monkeypatch.setattr(BaseHandler, "get_response", get_response)

    return misbehave


def wait_until(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def count(kind: Event.Kind) -> int:
    return Event.objects.filter(kind=kind).count()


# --- exactly once


@pytest.mark.parametrize("navigations", [30, pytest.param(200, marks=pytest.mark.benchmark)])
def test_two_tabs_and_a_server_that_fails_every_tenth_post_store_every_event_once(
    context: BrowserContext, serve: Any, server: Any, live_server: Any, navigations: int
) -> None:
    serve()
    tabs = [context.new_page(), context.new_page()]
    tabs[0].goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: Visitor.objects.count() == 1)  # both tabs are one visitor from here on
    tabs[1].goto(f"{live_server.url}/cached/1/")
    rng, failures = random.Random(0), []  # noqa: S311

    def decide() -> HttpResponse | None:
        if rng.random() > 0.1:
            return None
        failures.append(rng.choice([503, 500]))
        return HttpResponse(status=failures[-1])

    server(decide)
    for number in range(2, navigations):
        tab = tabs[number % 2]
        tab.bring_to_front()
        tab.locator("a").first.click()
        tab.wait_for_url(f"**/cached/{number}/")
        time.sleep(rng.choice([0.0, 0.05, 0.5]))
    tabs[0].bring_to_front()
    tabs[0].wait_for_function(f"() => {WAITING} === 0", timeout=120_000)
    assert (count(Event.Kind.VIEW), count(Event.Kind.CLICK)) == (navigations, navigations - 2)
    assert Visitor.objects.count() == 1
    assert not Event.objects.filter(doubt=Event.Doubt.NO_TOKEN).exists()
    assert failures, "the server failed never, so the test says nothing"


def test_a_visitor_who_goes_offline_is_heard_when_back(context: BrowserContext, serve: Any, live_server: Any) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    context.set_offline(True)
    for slot in range(2):
        page.locator("a").nth(slot).click(button="middle")
    time.sleep(3)  # it tried
    assert page.evaluate(WAITING) >= 2
    page.close()
    context.set_offline(False)
    context.new_page().goto(f"{live_server.url}/cached/3/")
    assert wait_until(lambda: (count(Event.Kind.VIEW), count(Event.Kind.CLICK)) == (2, 2), seconds=30)


def test_a_server_that_asks_for_time_gets_it(
    context: BrowserContext, serve: Any, server: Any, live_server: Any
) -> None:
    serve()
    asked: list[float] = []

    def decide() -> HttpResponse | None:
        asked.append(time.monotonic())
        return HttpResponse(status=429, headers={"Retry-After": "5"}) if len(asked) == 1 else None

    server(decide)
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: len(asked) == 1)
    page.goto(f"{live_server.url}/cached/1/")  # another page of the same browser waits, too
    assert wait_until(lambda: count(Event.Kind.VIEW) == 2)
    assert asked[1] - asked[0] >= 5


def test_an_offline_browser_does_not_wait_longer_and_longer(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.locator("a").first.click(button="middle")
    time.sleep(0.2)
    assert page.evaluate("localStorage['recommender:wait']") is None
    context.set_offline(False)
    assert wait_until(lambda: count(Event.Kind.CLICK) == 1, seconds=2)


def test_a_wait_from_before_the_clock_was_set_back_is_not_believed(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    context.add_init_script("localStorage['recommender:wait'] = Date.now() + 400 * 86_400_000")
    context.new_page().goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1, seconds=5)


def test_a_page_that_swaps_its_body_and_runs_the_script_again_counts_once(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    page.evaluate(
        """() => new Promise((done) => {
            document.querySelector("main").removeAttribute("data-recommender-view");
            const script = document.createElement("script");
            for (const { name, value } of document.querySelector("script").attributes) script.setAttribute(name, value);
            script.onload = done;
            document.body.append(script);
        })"""
    )
    page.locator("a").first.click(button="middle")
    page.goto("about:blank")
    assert wait_until(lambda: count(Event.Kind.CLICK) > 0)
    time.sleep(0.5)
    assert count(Event.Kind.CLICK) == 1


def test_only_what_can_put_an_item_into_the_basket_counts_as_that(
    context: BrowserContext, serve: Any, live_server: Any, products: list[Product]
) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(
        f"""document.querySelector("main").insertAdjacentHTML("afterbegin",
            '<button data-recommender-cart="{products[1].pk}">Buy</button>')"""
    )
    page.get_by_role("button").click(button="middle")
    page.get_by_role("button").click()
    assert wait_until(lambda: count(Event.Kind.CART) > 0)
    page.goto("about:blank")
    time.sleep(0.5)
    assert count(Event.Kind.CART) == 1


# --- a browser that two accounts share


@pytest.fixture
def sign_in(context: BrowserContext, live_server: Any) -> Callable[[str], str]:
    """Log an account of this name in, as nobody before, and answer what its pages carry."""

    def log_in(name: str) -> str:
        user, client = User.objects.create_user(name), Client()
        client.force_login(user)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        return words_of(user.pk)[0]

    return log_in


def test_what_waits_of_an_account_is_not_sent_as_of_the_next(
    context: BrowserContext, serve: Any, server: Any, live_server: Any, sign_in: Any
) -> None:
    who, is_away = [sign_in("first")], [True]
    serve(who=lambda: who[0])
    server(lambda: HttpResponse(status=503, headers={"Retry-After": "2"}) if is_away[0] else None)
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.wait_for_function(f"() => localStorage['recommender:wait'] && {WAITING} > 0")
    context.clear_cookies(name="sessionid")
    who[0], is_away[0] = sign_in("second"), False
    page.goto(f"{live_server.url}/cached/1/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    page.wait_for_function(f"() => {WAITING} === 0")
    assert Event.objects.get().visitor.user == User.objects.get(username="second")


def test_a_page_that_is_left_by_a_logout_adds_nothing_to_whoever_comes_next(
    context: BrowserContext, serve: Any, live_server: Any, sign_in: Any
) -> None:
    who = [sign_in("first")]
    serve(who=lambda: who[0])
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.wait_for_function(f"() => {WAITING} > 0")
    who[0] = ""
    context.clear_cookies(name="sessionid")  # the answer to the logout; then the page is left
    page.goto(f"{live_server.url}/cached/1/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    page.wait_for_function(f"() => {WAITING} === 0")
    assert Event.objects.get().visitor.user is None
    assert Event.objects.get().item == Product.objects.order_by("pk")[1]


# --- really seen


def test_a_card_is_seen_when_half_of_it_was_visible_for_a_second(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    time.sleep(0.3)
    page.locator("li").nth(1).scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, 900)")  # the first is gone before its second was over
    assert wait_until(Impression.objects.exists)
    page.goto("about:blank")
    time.sleep(0.5)
    row = Impression.objects.get()
    assert row.slots == [2]
    assert (row.placement, row.visitor, row.doubt) == ("for_you", Visitor.objects.get(), Event.Doubt.WEBDRIVER)


def test_a_page_that_is_loaded_ahead_reports_nothing_until_it_is_shown(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    context.add_init_script(
        "let ahead = true; Object.defineProperty(Document.prototype, 'prerendering', { get: () => ahead });"
        "addEventListener('show', () => { ahead = false; document.dispatchEvent(new Event('prerenderingchange')) })"
    )
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    time.sleep(3)
    assert page.evaluate(WAITING) == 0
    assert not Event.objects.exists()
    page.evaluate("dispatchEvent(new Event('show'))")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)


# --- only with consent


@pytest.mark.parametrize("reason", ["page", "cookie", "signal"])
def test_without_consent_nothing_is_stored_or_sent(
    context: BrowserContext, serve: Any, live_server: Any, reason: str
) -> None:
    serve(consent="none" if reason == "page" else "full")
    if reason == "cookie":
        context.add_cookies([{"name": "recommender_consent", "value": "none", "url": live_server.url}])
    if reason == "signal":
        context.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })")
    page = context.new_page()
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto(f"{live_server.url}/cached/0/")
    page.locator("a").first.click()
    page.wait_for_url("**/cached/2/")
    time.sleep(3)
    assert posts == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_who_has_chosen_is_not_held_to_the_level_of_who_has_not(
    context: BrowserContext, serve: Any, live_server: Any, settings: Any
) -> None:
    settings.RECOMMENDER_CONSENT = "none"
    serve(consent="none")
    context.add_cookies([{"name": "recommender_consent", "value": "full", "url": live_server.url}])
    context.new_page().goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)


def test_what_an_account_chose_holds_whatever_the_browser_says(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve(consent="none", who=lambda: "word")
    context.add_cookies([{"name": "recommender_consent", "value": "full", "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.locator("a").first.click(button="middle")
    assert page.evaluate("localStorage.length") == 0


def test_consent_that_is_given_counts_at_once_and_withdrawn_forgets_what_waits(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve(consent="none")
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(SAY("session"))
    page.locator("a").first.click(button="middle")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    page.evaluate(SAY("none"))
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_banner_that_says_on_every_page_what_holds_loses_nothing(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(SAY("full"))
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)


def test_what_waits_goes_on_when_more_is_allowed(context: BrowserContext, serve: Any, live_server: Any) -> None:
    serve(consent="session")
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(SAY("full"))
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)


@pytest.mark.parametrize("said", ["full", "granted"])
def test_no_banner_speaks_for_a_browser_that_asks_not_to_be_remembered(
    context: BrowserContext, serve: Any, live_server: Any, said: str
) -> None:
    serve()
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })")
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(SAY(said))
    page.locator("a").first.click(button="middle")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_an_unknown_word_allows_nothing(context: BrowserContext, serve: Any, live_server: Any) -> None:
    serve()
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.evaluate(SAY("denied"))
    page.locator("a").first.click(button="middle")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize(("level", "left"), [("none", [0, 0]), ("session", [0, 1])])
def test_what_waits_from_when_more_was_allowed_is_forgotten(
    context: BrowserContext, serve: Any, live_server: Any, level: str, left: list[int]
) -> None:
    serve(consent=level)
    key = f"recommender:{uuid7()}"
    context.add_init_script(f"localStorage['{key}'] = '{{}}'; sessionStorage['{key}'] = '{{}}'")
    page = context.new_page()
    page.route("**/recommender/events/", lambda route: None)
    page.goto(f"{live_server.url}/cached/0/")
    waiting = f"[localStorage, sessionStorage].map((all) => +('{key}' in all))"
    assert page.evaluate(waiting) == left


def test_a_cookie_of_a_longer_name_is_not_the_choice(context: BrowserContext, serve: Any, live_server: Any) -> None:
    serve()
    for name, value in (("x_recommender_consent", "full"), ("recommender_consent", "none")):
        context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    assert page.evaluate("localStorage.length") == 0


# --- where little is allowed


def test_it_works_under_a_policy_that_allows_scripts_with_a_nonce_only(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve(policy="default-src 'none'; script-src 'nonce-n0nce'; connect-src 'self'; style-src 'unsafe-inline'")
    page = context.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1)
    assert blocked == []


def test_it_works_where_the_browser_refuses_storage_and_locks(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    serve()
    context.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name,"
        " { get() { throw new DOMException('no', 'SecurityError') } });"
        "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
    )
    page: Page = context.new_page()
    page.goto(f"{live_server.url}/cached/0/")
    page.locator("a").first.click()
    page.wait_for_url("**/cached/2/")
    assert wait_until(lambda: (count(Event.Kind.VIEW), count(Event.Kind.CLICK)) == (2, 1))
    page.goto("about:blank")
    time.sleep(0.5)
    assert Event.objects.count() == 3


def test_it_sends_where_the_browser_has_locks_and_refuses_them(
    context: BrowserContext, serve: Any, live_server: Any
) -> None:
    """Chromium does so where cookies are blocked."""
    serve()
    context.add_init_script(
        "LockManager.prototype.request = () => Promise.reject(new DOMException('', 'SecurityError'))"
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{live_server.url}/cached/0/")
    assert wait_until(lambda: count(Event.Kind.VIEW) == 1, seconds=5)
    assert errors == []


def test_a_page_that_comes_back_from_the_browser_s_cache_goes_on(
    chromium: Browser, products: list[Product], live_server: Any
) -> None:
    """On the shop's own pages: one that a test answers itself never enters the cache."""
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    try:
        page = browser.new_page()
        page.add_init_script("addEventListener('pageshow', (event) => { window.cameBack = event.persisted })")
        page.goto(f"{live_server.url}/")
        page.locator("[data-recommender-item]").first.scroll_into_view_if_needed()
        assert wait_until(Impression.objects.exists)
        page.goto(f"{live_server.url}/search/?q=product")
        page.evaluate("setTimeout(() => history.back())")
        page.wait_for_function("window.cameBack === true")
        page.locator("[data-recommender-item] a").first.click(button="middle")
        assert wait_until(lambda: count(Event.Kind.CLICK) == 1)
        assert Impression.objects.count() == 1  # the list is the same, and the visitor too
    finally:
        browser.close()
