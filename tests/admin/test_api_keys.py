"""A key is shown once, stored as a hash, and can be revoked."""

import re
from typing import Any

import pytest
from django.test import Client

from recommender.api_keys import create_key, verify_key
from recommender.models import ApiKey
from tests.admin.conftest import StaffClient

LIST = "/admin/recommender/apikey/"


def test_the_key_is_shown_once_and_works(admin_client: Client) -> None:
    assert "_addanother" not in admin_client.get(f"{LIST}add/").content.decode()
    made = admin_client.post(f"{LIST}add/", {"name": "newsletter", "scopes": ["lists", "events"]})
    response = admin_client.get(made["Location"])
    found = re.search(r'id="recommender-key"[^>]*value="([^"]+)"', response.content.decode())
    assert found and "no-store" in response["Cache-Control"]
    key = verify_key(found[1])
    assert key is not None and (key.name, key.scopes) == ("newsletter", ["lists", "events"])
    assert ApiKey.objects.count() == 1
    for url in (LIST, f"{LIST}{key.pk}/change/"):
        page = admin_client.get(url).content.decode()
        assert found[1] not in page and "read any visitor&#x27;s lists, record events of any visitor" in page


def test_a_reload_makes_no_second_key_and_shows_none(admin_client: Client) -> None:
    shown = admin_client.post(f"{LIST}add/", {"name": "newsletter", "scopes": ["lists"]}, follow=True)
    url, status = shown.redirect_chain[-1]
    assert status == 302 and 'id="recommender-key"' in shown.content.decode()
    assert not any("plaintext" in str(value) for value in admin_client.session.values())
    again = admin_client.get(url, follow=True).content.decode()
    assert "recommender-key" not in again and "A key is shown only once" in again
    assert ApiKey.objects.count() == 1


def test_a_key_is_shown_only_to_the_session_that_made_it(admin_client: Client, staff_client: StaffClient) -> None:
    made = admin_client.post(f"{LIST}add/", {"name": "newsletter", "scopes": ["lists"]})
    other = staff_client("add_apikey", "view_apikey")
    assert "recommender-key" not in other.get(made["Location"], follow=True).content.decode()
    assert 'id="recommender-key"' in admin_client.get(made["Location"]).content.decode()


@pytest.mark.parametrize("form", [{"name": "", "scopes": ["lists"]}, {"name": "newsletter"}])
def test_a_name_and_a_scope_are_needed(admin_client: Client, form: dict[str, Any]) -> None:
    assert "This field is required" in admin_client.post(f"{LIST}add/", form).content.decode()
    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_refused(admin_client: Client) -> None:
    key, plaintext = create_key("newsletter")
    assert "Revoke this key" in admin_client.get(f"{LIST}{key.pk}/change/").content.decode()
    admin_client.post(f"{LIST}{key.pk}/revoke/")
    assert verify_key(plaintext) is None
    assert "Revoke this key" not in admin_client.get(f"{LIST}{key.pk}/change/").content.decode()


def test_revoking_needs_a_post_and_the_permission(admin_client: Client, staff_client: StaffClient) -> None:
    key, plaintext = create_key("newsletter")
    assert admin_client.get(f"{LIST}{key.pk}/revoke/").status_code == 405
    client = staff_client("view_apikey")
    assert client.post(f"{LIST}{key.pk}/revoke/").status_code == 403
    assert "Revoke this key" not in client.get(f"{LIST}{key.pk}/change/").content.decode()
    assert verify_key(plaintext) is not None


def test_a_key_cannot_be_edited_or_deleted(admin_client: Client) -> None:
    key, _ = create_key("newsletter")
    assert admin_client.post(f"{LIST}{key.pk}/change/", {"name": "x"}).status_code == 403
    assert admin_client.post(f"{LIST}{key.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ApiKey.objects.get().name == "newsletter"
