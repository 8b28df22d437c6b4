import time
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing

from recommender.tokens import MAX_CHARACTERS, read_impressions, sign_impressions

CLAIMS = {"v": "", "l": "list-1", "p": "for_you", "m": None, "r": "popular", "i": ["1", "猫"]}


def test_a_token_comes_back_as_its_claims() -> None:
    assert read_impressions(sign_impressions(CLAIMS)) == CLAIMS


def test_the_longest_list_of_the_longest_keys_fits() -> None:
    token = sign_impressions({**CLAIMS, "i": [str(uuid4()) for _ in range(100)]})
    assert len(token) < MAX_CHARACTERS
    assert read_impressions(token) is not None


def test_a_changed_token_is_none() -> None:
    token = sign_impressions(CLAIMS)
    middle = len(token) // 3
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    assert read_impressions(changed) is None


def test_a_signature_of_another_purpose_is_none() -> None:
    assert read_impressions(signing.dumps(CLAIMS, salt="another")) is None


@pytest.mark.parametrize("token", ["", ":", "a:b:c", "\0", "\ud800", "é:1:2", "." * MAX_CHARACTERS, "x" * 10**6])
def test_nonsense_is_none(token: str) -> None:
    assert read_impressions(token) is None


def test_an_old_token_is_none(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = sign_impressions(CLAIMS), time.time()
    monkeypatch.setattr("time.time", lambda: now + 8 * 86_400)
    assert read_impressions(token) is None
    settings.RECOMMENDER_IMPRESSION_TOKEN_AGE_DAYS = 9
    assert read_impressions(token) == CLAIMS
