"""Who was erased, as keyed hashes: an id that comes late finds out that it is dead; nobody finds an id in them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from recommender.models import Tombstone

SALT: Final = "recommender.tombstone"


def bury(name: str, erased_at: datetime, expires_at: datetime | None) -> None:
    """Note that `name` was erased; erased twice, the later time counts.

    Args:
        name: from `key_name` or `user_name`.
        expires_at: when no late event can come any more; None: never.
    """
    values = {"erased_at": erased_at, "expires_at": expires_at}
    Tombstone.objects.update_or_create(digest=_digest(name, settings.SECRET_KEY), defaults=values)


def exhume(name: str) -> None:
    """Take the tombstone away: nothing late can come under this name."""
    Tombstone.objects.filter(digest__in=_digests(name)).delete()


def erased_at(name: str) -> datetime | None:
    """When `name` was erased; None: never. Hashes that an earlier SECRET_KEY made are found by SECRET_KEY_FALLBACKS."""
    return erasures([name]).get(name)


def erasures(names: Iterable[str]) -> Mapping[str, datetime]:
    """Those of `names` that were erased → when; one query."""
    by_digest = {digest: name for name in names for digest in _digests(name)}
    found = Tombstone.objects.filter(digest__in=list(by_digest)).order_by("erased_at")
    return {by_digest[stone.digest]: stone.erased_at for stone in found}


def key_name(key: UUID) -> str:
    return f"visitor {key}"


def user_name(user: Any) -> str:
    """Of an account by its primary key."""
    return f"user {user}"


def _digests(name: str) -> list[str]:
    return [_digest(name, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _digest(name: str, secret: str | bytes) -> str:
    return salted_hmac(SALT, name, secret=secret, algorithm="sha256").hexdigest()
