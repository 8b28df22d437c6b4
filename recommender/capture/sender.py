"""Who sends events, and what its impression tokens prove: looked up as far as it is needed, and as the database allows.

A browser's cookie names its visitor by itself; the statement that stores the events finds out whether it still exists.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError
from django.http import HttpRequest

from recommender.capture.accounts import account_visitor, new_visitor
from recommender.capture.away import lock_ms
from recommender.capture.batch import Batch, Outcome, Sender
from recommender.capture.bots import CRAWLERS, crawlers
from recommender.capture.consent import Consent, browser_consent, default_consent
from recommender.capture.drafts import Draft
from recommender.capture.impressions import shown, store_impressions
from recommender.capture.joins import is_joined, owner_meanwhile
from recommender.capture.visitor import CACHE, COOKIE, account_of, consent_of, read_cookie, visitor_of
from recommender.exceptions import NoConsent, NotKept, VisitorNotFound
from recommender.models import Event, Visitor
from recommender.savepoints import unharmed


def sender_of(request: HttpRequest, *, is_crawler: bool = False, trusts_cookie: bool = True) -> Sender | None:
    """Whoever sent a request, made where it is new; None without consent. A failure leaves a transaction whole.

    Args:
        trusts_cookie: False where the visitor in it was found to be gone.
    Raises:
        OperationalError: among others, where another transaction makes this visitor and takes its time.
    """
    request = getattr(request, "_request", request)
    sender = sender_in_cookie(request) if trusts_cookie else None
    if sender is not None:
        return sender
    with unharmed():
        visitor = visitor_of(request, create=not is_crawler, lock_ms=lock_ms())
    if visitor is None and not is_crawler:
        return None
    return Sender((visitor or crawlers()).key)


def sender_without_database(request: HttpRequest, *, is_crawler: bool = False) -> Sender | None:
    """The same while the database is away.

    Raises:
        NotKept: somebody new may only be known for this visit, which needs a row now.
        OperationalError: who is logged in is not known yet, and only the database knows.
    """
    request = getattr(request, "_request", request)
    level = browser_consent(request)
    level = default_consent() if level is None else level
    if level is Consent.NONE:
        return None
    if level is Consent.FULL and (account := account_of(request)) is not None:
        return Sender(account=account if isinstance(account, int) else str(account))
    key, _is_for_session = read_cookie(request)
    if key is not None:
        return Sender(key, is_browser=True)
    if is_crawler:
        return Sender(CRAWLERS, is_new=True)
    if level is not Consent.FULL:
        raise NotKept(NotKept.__doc__)
    return Sender(_new_key(request), is_new=True)


def sender_in_cookie(request: HttpRequest) -> Sender | None:
    """The sender by the cookie of somebody who agreed to be remembered; None where more has to be looked at."""
    if getattr(request, CACHE, None) is not None or account_of(request) is not None:
        return None
    key, is_for_session = read_cookie(request)
    if key is None or is_for_session or consent_of(request) is not Consent.FULL:
        return None
    return Sender(key, is_browser=True)


def with_visitor(batch: Batch) -> Batch:
    """The batch of a sender that was not looked up when it came: its visitor is there now, unless it was erased."""
    sender = batch.sender
    if sender.account is not None:
        try:
            key = account_visitor(sender.account).key
        except IntegrityError:  # the account was deleted meanwhile: a key that nobody has
            key = uuid4()
        return msgspec.structs.replace(batch, sender=Sender(key))
    if sender.key is not None and (sender.is_new or sender.is_browser):
        return msgspec.structs.replace(batch, sender=_settled(sender, sender.key, batch.drafts))
    return batch


def made_elsewhere(request: HttpRequest) -> Sender | None:
    """Whoever the cookie names, where the row is missing because another process made the key while the database was
    away, and still keeps the first events on disk; None where somebody was erased or joined, and is new now."""
    sender = sender_in_cookie(getattr(request, "_request", request))
    if sender is None or sender.key is None or is_joined(sender.key):
        return None
    visitor = new_visitor(sender.key)
    return sender if visitor is not None and visitor.user_id is None else None


def _settled(sender: Sender, key: UUID, drafts: Sequence[Draft]) -> Sender:
    """Files are drained in any order: the first event to come, of whichever process, makes the row of a signed key."""
    if Visitor.objects.filter(key=key).exists():
        return sender
    if owner := owner_meanwhile(key, drafts):
        return Sender(owner.key)
    new_visitor(key)
    return sender


def verified(batch: Batch) -> Batch:
    """The batch with what its tokens prove; without tokens nothing is looked up."""
    if batch.impressions is not None:
        return batch
    found: dict[int, dict[str, Any]] = {}
    visitor = None
    if any(draft.token for draft in batch.drafts):
        visitor = _visitor_with(batch.sender.key)
    if visitor is not None:
        for draft in batch.drafts:
            if draft.token and (place := shown(visitor, draft.item, draft.token)):
                found[draft.index] = place
    return msgspec.structs.replace(batch, impressions=found)


def store_seen(batch: Batch, stored: Outcome) -> None:
    """Store the slots that the sender of a batch saw; nothing of somebody who is gone or wants no memory."""
    visitor = _visitor_with(batch.sender.key) if batch.seen else None
    if visitor is not None:
        doubt = batch.doubt or (Event.Doubt.RATE.value if stored.is_inhuman else Event.Doubt.NONE.value)
        with suppress(VisitorNotFound, NoConsent):
            store_impressions(visitor, batch.seen, doubt)


def _visitor_with(key: UUID | None) -> Visitor | None:
    return Visitor.objects.filter(key=key).first() if key else None


def _new_key(request: HttpRequest) -> UUID:
    """A key for a browser that has none; the response's cookie carries it."""
    made = getattr(request, COOKIE, None)
    if not isinstance(made, Visitor):
        made = Visitor(key=uuid4())
        setattr(request, COOKIE, made)
    return made.key
