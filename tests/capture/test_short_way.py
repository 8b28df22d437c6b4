"""`EventsMiddleware`: what goes the short way, and that it gives nothing away there."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from recommender.api_keys import create_key
from recommender.conf import conf
from recommender.models import ApiKey, Event, Visitor
from shop.models import Product

URL = "/recommender/events/"


def post(client: Client, product: Product, item: object = None, query: str = "", **headers: str) -> Any:
    body = {"events": [{"item": product.pk if item is None else item, "kind": "view"}]}
    return client.post(URL + query, body, content_type="application/json", headers=headers)


def is_short(response: Any) -> bool:
    """XFrameOptionsMiddleware stands on the long way, and marks what passes."""
    return "X-Frame-Options" not in response


def consent(request: object) -> str:
    return "full"


def test_a_browser_without_a_session_goes_the_short_way(client: Client, product: Product) -> None:
    for _ in range(2):
        response = post(client, product)
        assert response.status_code == 202
        assert is_short(response)
        assert int(response["Content-Length"]) == len(response.content)
    assert Visitor.objects.get().events.count() == 2


def test_an_account_goes_the_long_way_and_gets_its_events(client: Client, product: Product) -> None:
    user = User.objects.create_user("household-1", password="demo")
    client.force_login(user)
    assert not is_short(post(client, product))
    assert Event.objects.get().visitor.user == user


def test_an_app_with_a_key_goes_the_long_way(client: Client, product: Product) -> None:
    _key, plaintext = create_key("till", [ApiKey.Scope.EVENTS])
    response = post(
        client, product, query=f"?visitor={Visitor.objects.create().key}", authorization=f"Api-Key {plaintext}"
    )
    assert (response.status_code, is_short(response)) == (202, False)


def test_the_hook_for_consent_sees_a_whole_request(client: Client, product: Product, settings: Any) -> None:
    settings.RECOMMENDER_CONSENT_HOOK = f"{__name__}.consent"
    assert not is_short(post(client, product))


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_host_that_is_not_ours_is_turned_away(client: Client, product: Product, site: str) -> None:
    response = post(client, product, host="rebound.example", sec_fetch_site=site)
    assert response.status_code == 400
    assert not Event.objects.exists()


def test_another_site_is_turned_away(client: Client, product: Product) -> None:
    response = post(client, product, origin="https://evil.example")
    assert (response.status_code, is_short(response)) == (403, True)


def test_reasons_are_in_the_language_of_the_browser(client: Client, product: Product) -> None:
    assert translation.get_language() == "en"
    reasons = [
        post(client, product, "no key", accept_language=language).json()["quarantined"][0]["reason"]
        for language in ("zh-hans", "en")
    ]
    with translation.override("zh-hans"):
        assert reasons == [translation.gettext("There is no such item."), "There is no such item."]
    assert reasons[0] != reasons[1]
    assert translation.get_language() == "en"


def test_who_withdraws_is_forgotten_on_the_short_way_too(client: Client, product: Product) -> None:
    post(client, product)
    response = post(client, product, dnt="1")
    assert (response.status_code, is_short(response)) == (403, True)
    assert not Event.objects.exists()
    assert not response.cookies[conf.VISITOR_COOKIE].value


def test_other_urls_of_that_name_are_the_shop_s(client: Client, db: None) -> None:
    assert client.post("/events/", {}).status_code == 404
