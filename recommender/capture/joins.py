"""Login: a browser's history becomes the account's, in one transaction, and can be given back."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.core import signing
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest

from recommender.capture.accounts import account_visitor
from recommender.capture.away import is_locked, lock_ms
from recommender.capture.consent import Consent, browser_consent
from recommender.capture.drafts import Draft
from recommender.capture.tables import DAY_SECONDS
from recommender.capture.tombstones import erased_at, key_name
from recommender.capture.visitor import browser_visitor, consent_of, forget_visitor, read_cookie, remove_cookie
from recommender.conf import conf
from recommender.models import Event, Feedback, Impression, QuarantinedEvent, Visitor, VisitorEmbedding, VisitorJoin
from recommender.savepoints import impatient

logger = logging.getLogger(__name__)

SALT: Final = "recommender.join"
SESSION_KEY: Final = "recommender_join"  # in Django's session: the signed token of the join that this login made
LATE: Final = timedelta(minutes=1)  # after a login pages of before still send


def log_in(request: HttpRequest, account: Any) -> None:
    """Join the browser's history to the account's; its cookie goes. Somebody known for this visit only stays apart."""
    forget_visitor(request)
    if consent_of(request) is not Consent.SESSION and _take_over(request, account):
        log_out(request)


def log_out(request: HttpRequest, account: Any = None) -> None:
    """The next event starts a new anonymous visitor; `account` takes what its login had to leave, see `_take_over`."""
    if account is not None:
        _take_over(request, account)
    forget_visitor(request)
    remove_cookie(request)


def _take_over(request: HttpRequest, account: Any) -> bool:
    """Join what the cookie names. False where another transaction, a checkout say, holds that in this moment: nobody
    waits for it; the cookie stays, and the logout tries again."""
    key, _is_for_session = read_cookie(request)
    if key is None or consent_of(request) is not Consent.FULL:
        return True
    browser = browser_visitor(request)
    try:
        with impatient(lock_ms()):
            if browser is None:
                has_moved = _expect(key, account.pk)
            else:
                has_moved = join_visitors(browser, account_visitor(account.pk), browser_consent(request)) > 0
    except OperationalError as error:
        if not is_locked(error):
            raise
        logger.warning("A history that another transaction is busy with joins its account at the logout.")
        return False
    if has_moved:
        _offer_undo(request, key)
    return True


def _expect(key: UUID, account: Any) -> bool:
    """Note a join ahead for a key without a row: events of it may wait on disk, and whoever drains them looks here."""
    if Visitor.objects.filter(key=key).exists() or erased_at(key_name(key)) or is_joined(key):
        return False
    VisitorJoin.objects.create(key=key, visitor=account_visitor(account), event_ids=[])
    return True


@transaction.atomic
def join_visitors(browser: Visitor, account: Visitor, chosen: Visitor.Consent | None = None) -> int:
    """Give the events of a browser, and what it `chosen`, to the account; the number of events that moved.

    A second call, or one at the same time from another tab, finds nothing left to move.

    Raises:
        ValueError: `browser` belongs to an account: nobody's history is given to somebody else.
    """
    if browser.pk == account.pk:
        return 0
    locked = _lock(browser, account)
    if len(locked) < 2:
        return 0
    if locked[browser.pk].user_id is not None:
        raise ValueError("Only an anonymous visitor can be joined to an account.")
    moved = _move(browser.pk, account.pk)
    # Also without events: what the browser sent just before is still on its way.
    VisitorJoin.objects.update_or_create(key=browser.key, defaults={"visitor": account, "event_ids": moved})
    # What it saw is no history that could be given back: it stays with whoever it was counted for.
    known = Impression.objects.filter(visitor=account.pk).values("list_id")  # a list from a cache, seen by both
    Impression.objects.filter(visitor=browser.pk).exclude(list_id__in=known).update(visitor=account.pk)
    _move_feedback(browser, account)
    _drop_vectors(browser, account)
    QuarantinedEvent.objects.filter(visitor=browser.pk).update(visitor=account.pk)
    locked[browser.pk].delete()
    _carry_over(locked[browser.pk], locked[account.pk], chosen)
    return len(moved)


def owner_after_join(key: UUID | None, drafts: Sequence[Draft]) -> Visitor | None:
    """The account that took over the browser with this key, for events from before the login; undone with the others.

    None for a browser that nobody took over, and where nothing is from before the login: whoever keeps a cookie that
    the login took away is somebody new. The cookie only adds to an account's history, it never shows any of it.
    """
    join = _join_of(key) if drafts else None
    if join is None or min(draft.at for draft in drafts) > join.joined_at + LATE:
        return None
    return _added(join, drafts)


def owner_meanwhile(key: UUID | None, drafts: Sequence[Draft]) -> Visitor | None:
    """The account that took over the browser with this key while its events waited on disk; undone with the others."""
    join = _join_of(key)
    return None if join is None else _added(join, drafts)


def is_joined(key: UUID) -> bool:
    """Whether an account took over the browser with this key."""
    return VisitorJoin.objects.filter(key=key).exists()


def _join_of(key: UUID | None) -> VisitorJoin | None:
    return VisitorJoin.objects.select_related("visitor").filter(key=key).first() if key else None


def _added(join: VisitorJoin, drafts: Sequence[Draft]) -> Visitor:
    """Note that an undo gives these back, too; whose they are until then."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {VisitorJoin._meta.db_table} SET event_ids ="  # noqa: S608  a name of our own
            " (SELECT array_agg(DISTINCT id) FROM unnest(event_ids || %s) AS id) WHERE id = %s",
            [[draft.id for draft in drafts], join.pk],
        )
    return join.visitor


@transaction.atomic
def undo_join(token: str) -> int:
    """Give a browser's events back to an anonymous visitor with the key that it had; how many. Twice does no harm.

    Args:
        token: from `join_token`; one that is forged or older than UNDO_JOIN_DAYS undoes nothing.
    """
    key = _read(token)
    join = VisitorJoin.objects.filter(pk=key).first() if key is not None else None
    if join is None or not _lock(join.visitor):
        return 0
    if not VisitorJoin.objects.filter(pk=join.pk).delete()[0]:  # another tab was faster
        return 0
    made = {"forgotten_until": join.visitor.forgotten_until}
    browser = Visitor.objects.get_or_create(key=join.key, defaults=made)[0]  # an app may have taken the key up again
    moved = Event.objects.filter(visitor=join.visitor_id, pk__in=join.event_ids).update(visitor=browser.pk)
    Feedback.objects.filter(visitor=join.visitor_id, browser_key=join.key).update(visitor=browser.pk, browser_key=None)
    _drop_vectors(join.visitor)
    return moved


def join_token(join: VisitorJoin) -> str:
    """For a link that undoes it; it holds no id of anybody."""
    return signing.dumps(join.pk, salt=SALT)


def _carry_over(browser: Visitor, account: Visitor, chosen: Visitor.Consent | None) -> None:
    """What the account has not chosen yet, and until when the browser's past was erased."""
    if account.consent is None:
        account.consent = chosen
    times = [time for time in (browser.forgotten_until, account.forgotten_until) if time is not None]
    account.forgotten_until = max(times, default=None)
    account.save(update_fields=["consent", "forgotten_until"])


def _offer_undo(request: HttpRequest, key: UUID) -> None:
    session = getattr(request, "session", None)
    if session is not None:
        session[SESSION_KEY] = join_token(VisitorJoin.objects.get(key=key))


def _read(token: str) -> int | None:
    """Primary key of the join; None for a token that is forged or too old."""
    try:
        return int(signing.loads(token, salt=SALT, max_age=conf.UNDO_JOIN_DAYS * DAY_SECONDS))
    except signing.BadSignature:
        return None


def _lock(*visitors: Visitor) -> dict[int, Visitor]:
    """In the order of their keys: two joins at once wait for each other instead of dead-locking.

    A browser's row will go, so whoever stores events of it ends first. An account's stays: nobody is waited for.
    """
    locked: dict[int, Visitor] = {}
    for visitor in sorted(visitors, key=lambda visitor: visitor.pk):
        rows = Visitor.objects.select_for_update(no_key=visitor.user_id is not None)
        locked |= {row.pk: row for row in rows.filter(pk=visitor.pk)}
    return locked


def _move(browser: int, account: int) -> list[Any]:
    """Ids of the events that moved."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Event._meta.db_table} SET visitor_id = %s WHERE visitor_id = %s RETURNING id",  # noqa: S608
            [account, browser],
        )
        return [row[0] for row in cursor.fetchall()]


def _move_feedback(browser: Visitor, account: Visitor) -> None:
    """What the account said itself of an item counts more; what the browser said of the others moves."""
    said = Feedback.objects.filter(visitor=account.pk).values("item_id")
    Feedback.objects.filter(visitor=browser.pk).exclude(item_id__in=said).update(
        visitor=account.pk, browser_key=browser.key
    )


def _drop_vectors(*visitors: Visitor) -> None:
    """Vectors for batch uses were computed from another history; pages compute theirs from the events."""
    VisitorEmbedding.objects.filter(visitor__in=[visitor.pk for visitor in visitors]).delete()
