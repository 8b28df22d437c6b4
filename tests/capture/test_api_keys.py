from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from recommender.api_keys import create_key, key_in_header, verify_key
from recommender.models import ApiKey

pytestmark = pytest.mark.django_db


def test_a_key_opens_and_only_its_hash_is_stored() -> None:
    key, plaintext = create_key("mailer")
    assert verify_key(plaintext) == key
    stored = ApiKey.objects.values().get()
    assert plaintext.partition(".")[2] not in str(stored)


def test_two_keys_differ() -> None:
    assert create_key("mailer")[1] != create_key("mailer")[1]


@pytest.mark.parametrize("wrong", ["", "x", "\0", "\ud800", "é" * 56, "0" * 12 + "." + "A" * 43])
def test_what_is_no_key_opens_nothing(wrong: str) -> None:
    create_key("mailer")
    assert verify_key(wrong) is None


def test_the_right_prefix_with_a_wrong_secret_opens_nothing() -> None:
    plaintext = create_key("mailer")[1]
    other = "A" if plaintext[-1] != "A" else "B"
    assert verify_key(plaintext[:-1] + other) is None
    assert verify_key(plaintext + "\n") is None


def test_a_revoked_key_opens_nothing() -> None:
    key, plaintext = create_key("mailer")
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert verify_key(plaintext) is None


def test_the_last_use_is_noted_once_a_minute(django_assert_num_queries: Any) -> None:
    key, plaintext = create_key("mailer")
    with django_assert_num_queries(2):
        verify_key(plaintext)
    key.refresh_from_db()
    assert key.last_used_at is not None and timezone.now() - key.last_used_at < timedelta(seconds=10)
    with django_assert_num_queries(1):
        verify_key(plaintext)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    with django_assert_num_queries(2):
        verify_key(plaintext)


@pytest.mark.parametrize(
    ("header", "plaintext"),
    [("Api-Key a.b", "a.b"), ("api-key  a.b ", "a.b"), ("Bearer a.b", None), ("", None), ("Api-Key", "")],
)
def test_the_key_stands_in_the_authorization_header(header: str, plaintext: str | None) -> None:
    assert key_in_header(header) == plaintext
