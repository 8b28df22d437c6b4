"""Store what a visitor says of a recommended item, once the list's own token proves that it was recommended."""

from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from recommender.capture.impressions import shown
from recommender.capture.items import key_or_none
from recommender.capture.partitions import milliseconds_of
from recommender.capture.visitor import hold_visitor
from recommender.exceptions import FeedbackRefused
from recommender.models import Feedback, Visitor

VALUES: Final = {"less": Feedback.Value.LESS, "more": Feedback.Value.MORE}
NOT_YOURS: Final = _("This list was not made for you, or is too old: load the page again.")


@transaction.atomic
def give_feedback(visitor: Visitor, token: str, item: str, value: str) -> str:
    """Store an answer; the same one again takes it back, the other one replaces it. Returns what holds now, or "".

    Args:
        token: of the list, signed for this visitor. item: the shop's key, as text. value: one of VALUES.
    Raises:
        FeedbackRefused: the token is forged, too old, somebody else's, or of a list without this item.
        NoConsent, VisitorNotFound: as `hold_visitor`.
    """
    place = shown(visitor, item, token)
    key = key_or_none(item)
    if place is None or key is None:
        raise FeedbackRefused(NOT_YOURS)
    forgotten_until = hold_visitor(visitor)
    if forgotten_until and milliseconds_of(UUID(place["list"])) <= forgotten_until.timestamp() * 1_000:
        raise FeedbackRefused(NOT_YOURS)
    if Feedback.objects.filter(visitor=visitor.pk, item_id=key, value=VALUES[value]).delete()[0]:
        return ""
    Feedback.objects.update_or_create(
        visitor=visitor, item_id=key, defaults={"value": VALUES[value], "given_at": Now(), **_place(place)}
    )
    return value


def _place(place: dict[str, Any]) -> dict[str, Any]:
    return {"placement": place["placement"], "version_id": place["version"], "browser_key": None}
