"""Whom the shop may write to with a list: visitors who may be remembered for longer than a visit."""

from django.db.models import Q, QuerySet

from recommender.capture.bots import CRAWLERS
from recommender.capture.consent import Consent, default_consent
from recommender.models import Visitor


def consenting(visitors: "QuerySet[Visitor]") -> "QuerySet[Visitor]":
    """Those of `visitors` who agreed; whoever was erased has no row.

    A browser's row without a level was made with full consent: with less it would say so, or not exist. An account that
    has not chosen is what RECOMMENDER_CONSENT says.
    """
    agreed = Q(consent=Consent.FULL) | Q(consent=None, user=None)
    if default_consent() is Consent.FULL:
        agreed |= Q(consent=None)
    return visitors.filter(agreed)


def people(visitors: "QuerySet[Visitor]") -> "QuerySet[Visitor]":
    """Without the one visitor of all crawlers."""
    return visitors.exclude(key=CRAWLERS)
