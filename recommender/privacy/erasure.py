"""Erasing somebody: unreachable at the commit, and whatever comes late finds a tombstone."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from recommender.capture.consent import Consent
from recommender.capture.erased import note_erasure
from recommender.capture.tombstones import bury, exhume, key_name, user_name
from recommender.capture.visitor import (
    account_of,
    consent_of,
    forget_visitor,
    own_visitors,
    read_cookie,
    remove_cookie,
)
from recommender.conf import conf
from recommender.models import Event, Visitor, VisitorEmbedding


@transaction.atomic
def erase(visitor: Visitor, *, keep_choice: bool = True) -> int:
    """Delete everything that is stored of a visitor; how many events it were. Twice does no harm.

    Events that arrive later are refused as far as they happened before this moment, also those of browsers whose
    history went to the account. The next training knows nothing of it.

    Args:
        keep_choice: an account that chose not to be remembered stays so; the choice is all that is kept.
    """
    # The lock lets events that are being stored right now finish first; later ones find no visitor.
    locked = Visitor.objects.select_for_update().filter(pk=visitor.pk).first()
    if locked is None:
        return 0
    now = timezone.now()
    _bury(locked, now)
    VisitorEmbedding.objects.filter(visitor=locked.pk).delete()
    events, _by_model = Event.objects.filter(visitor=locked.pk).delete()
    locked.delete()
    if keep_choice and locked.user_id is not None and locked.consent in (Consent.NONE, Consent.SESSION):
        Visitor.objects.create(user_id=locked.user_id, consent=locked.consent, forgotten_until=now)
    return events


@transaction.atomic
def erase_own(request: HttpRequest) -> int:
    """Erase whoever sends this request, as an account and as a browser; how many events it were."""
    erased = sum(erase(visitor) for visitor in own_visitors(request))
    bury_cookie(request)
    account = account_of(request)
    if account is not None:  # for the same reason
        bury(user_name(account), timezone.now(), None)
    if consent_of(request) is not Consent.NONE:  # without consent no page has anything to send, and no cookie is set
        note_erasure(request)
    forget_visitor(request)
    remove_cookie(request)
    return erased


def bury_cookie(request: HttpRequest) -> None:
    """Let nothing late come under the cookie's key, though nobody has it yet: what was kept on disk while the database
    was away makes its row later."""
    key, _is_for_session = read_cookie(request)
    if key is not None:
        _bury_keys([key], timezone.now())


def erase_user(user: Any) -> None:
    """An account (its primary key) is being deleted: no event of it can come any more, so not even its hash is kept."""
    visitor = Visitor.objects.filter(user_id=user).first()
    if visitor is not None:
        erase(visitor, keep_choice=False)
    exhume(user_name(user))


def _bury_keys(keys: Iterable[UUID], now: datetime) -> None:
    until = now + timedelta(days=conf.VISITOR_COOKIE_AGE_DAYS)  # no cookie holds a key for longer
    for key in keys:
        bury(key_name(key), now, until)


def _bury(visitor: Visitor, now: datetime) -> None:
    _bury_keys([visitor.key, *visitor.joins.values_list("key", flat=True)], now)
    if visitor.user_id is not None:
        bury(user_name(visitor.user_id), now, None)
