"""Visitors of accounts, and visitors that an app names."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from recommender.capture.tombstones import erased_at, erasures, key_name, user_name
from recommender.exceptions import VisitorErased, VisitorNotFound
from recommender.models import Tombstone, Visitor
from recommender.savepoints import impatient


def account_visitor(user: Any, lock_ms: int | None = None) -> Visitor:
    """The visitor of the account with this primary key, made where there is none yet.

    Args:
        lock_ms: how long to wait for another transaction, a checkout say, that makes it in this moment; None: as long
            as that takes.
    Raises:
        OperationalError: it took longer.
    """
    found = Visitor.objects.filter(user_id=user).first()
    if found is not None:
        return found
    made = {"forgotten_until": erased_at(user_name(user))}
    with nullcontext() if lock_ms is None else impatient(lock_ms):
        return Visitor.objects.get_or_create(user_id=user, defaults=made)[0]


def account_visitors(users: Iterable[Any]) -> dict[Any, int]:
    """Keys of existing accounts → keys of their visitors, made where there are none yet."""
    keys = sorted(users)
    known = dict(Visitor.objects.filter(user_id__in=keys).values_list("user_id", "pk"))
    new = [key for key in keys if key not in known]
    erased = erasures(map(user_name, new)) if Tombstone.objects.exists() else {}
    visitors = [Visitor(user_id=key, forgotten_until=erased.get(user_name(key))) for key in new]
    Visitor.objects.bulk_create(visitors, ignore_conflicts=True)
    return known | dict(Visitor.objects.filter(user_id__in=new).values_list("user_id", "pk"))


def visitor_named(params: Mapping[str, Any], create: bool = False) -> Visitor:
    """The visitor that an app with a key names by `visitor=<key>` or `user=<primary key>`.

    An existing account has a visitor at once; an unknown visitor key is taken up with `create`, so that an app can
    make the keys of its own anonymous visitors.

    Raises:
        VisitorNotFound: none or both are named, or there is no such visitor or account.
        VisitorErased: the key was erased; it is never taken up again.
    """
    key, user = params.get("visitor") or "", params.get("user") or ""
    if bool(key) == bool(user):
        raise VisitorNotFound(_("Name one visitor, by visitor=<key> or by user=<primary key>."))
    if user:
        return _of_account(str(user))
    try:
        uuid = UUID(str(key))
    except ValueError as error:
        raise VisitorNotFound(_("visitor must be a UUID.")) from error
    visitor = Visitor.objects.filter(key=uuid).first()
    if visitor is not None:
        return visitor
    if erased_at(key_name(uuid)):
        raise VisitorErased(_("This visitor was erased; whoever comes back needs a new key."))
    if not create:
        raise VisitorNotFound(_("There is no visitor with this key."))
    return Visitor.objects.get_or_create(key=uuid)[0]


def visitors_named(keys: Iterable[UUID], users: Iterable[str]) -> tuple[dict[UUID, Visitor], dict[str, Visitor | None]]:
    """Many at once, in three statements: (key → visitor, primary key → visitor), of those that there are.

    Nothing is made: an account without events has no visitor yet, which is None.
    """
    by_key = {visitor.key: visitor for visitor in Visitor.objects.filter(key__in=list(keys))}
    asked = {user: key for user in users if (key := _account_key(user)) is not None}
    accounts = get_user_model()._default_manager.filter(pk__in=asked.values())
    visitors: dict[Any, Visitor | None] = dict.fromkeys(accounts.values_list("pk", flat=True))
    visitors |= {visitor.user_id: visitor for visitor in Visitor.objects.filter(user_id__in=list(visitors))}
    return by_key, {user: visitors[key] for user, key in asked.items() if key in visitors}


def _of_account(user: str) -> Visitor:
    key = _account_key(user)
    if key is None or not get_user_model()._default_manager.filter(pk=key).exists():
        raise VisitorNotFound(_("There is no user with this primary key."))
    return account_visitor(key)


def _account_key(user: str) -> Any:
    """A primary key as the account model has them; None where it is of no such shape."""
    field: Any = get_user_model()._meta.pk
    try:
        key = field.to_python(user) if "\0" not in user else None
        field.run_validators(key)
    except ValidationError:
        return None
    return key


def new_visitor(key: UUID) -> Visitor | None:
    """The visitor of a key that we made ourselves, made where there is none; None for one that was erased."""
    return None if erased_at(key_name(key)) else Visitor.objects.get_or_create(key=key)[0]
