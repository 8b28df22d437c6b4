"""Keys of other apps: `Authorization: Api-Key <prefix>.<secret>`. The database holds a hash of the key only.

A plain SHA-256 is enough: the secret has 256 random bits, there is nothing to guess.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from recommender.exceptions import MissingScope
from recommender.models import ApiKey

SCHEME: Final = "Api-Key"
SHAPE: Final = re.compile(r"([0-9a-f]{12})\.[A-Za-z0-9_-]{43}")
REMEMBERED_SECONDS: Final = 1.0  # a revoked key reads lists in other processes for so long
USE_NOTED_EVERY: Final = timedelta(minutes=1)  # not one UPDATE a request


def create_key(name: str, scopes: Iterable[str] = (ApiKey.Scope.LISTS,)) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is shown once and cannot be read again.

    Args:
        scopes: of `ApiKey.Scope`; all that the key is good for.
    """
    prefix = secrets.token_hex(6)
    plaintext = f"{prefix}.{secrets.token_urlsafe(32)}"
    asked = {str(scope) for scope in scopes}
    ordered = [scope for scope in ApiKey.Scope.values if scope in asked]
    key = ApiKey.objects.create(name=name, prefix=prefix, key_sha256=_digest(plaintext), scopes=ordered)
    return key, plaintext


def verify_key(plaintext: str) -> ApiKey | None:
    """The key with this plain text; None where there is none or it was revoked."""
    match = SHAPE.fullmatch(plaintext)
    if match is None:
        return None
    key = ApiKey.objects.filter(prefix=match[1], revoked_at=None).first()
    if key is None or not constant_time_compare(key.key_sha256, _digest(plaintext)):
        return None
    _note_use(key)
    return key


_remembered: dict[str, tuple[ApiKey, float]] = {}  # hash of a valid key → the key, and until when nobody is asked


def remembered_key(plaintext: str) -> ApiKey | None:
    """As `verify_key`, but up to REMEMBERED_SECONDS old: for lists, of which an app reads many a second."""
    digest = _digest(plaintext)
    key, until = _remembered.get(digest, (None, 0.0))
    if time.monotonic() >= until:
        _remembered.pop(digest, None)
        key = verify_key(plaintext)
        if key is not None:
            _remembered[digest] = (key, time.monotonic() + REMEMBERED_SECONDS)
    return key


def forget_keys() -> None:
    """This process asks the database about every key again."""
    _remembered.clear()


def require_scope(key: ApiKey, scope: str) -> None:
    """Go on only with a key that was made for this.

    Raises:
        MissingScope: it was not; the message names the scope.
    """
    if scope not in key.scopes:
        message = _("This API key lacks the scope “%(scope)s”: make a new key that has it.")
        raise MissingScope(message % {"scope": scope})


def key_in_header(authorization: str) -> str | None:
    """The plain text in an Authorization header; None where the header is of another scheme, or empty."""
    scheme, _, plaintext = authorization.partition(" ")
    return plaintext.strip() if scheme.lower() == SCHEME.lower() else None


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _digest(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode()).hexdigest()
