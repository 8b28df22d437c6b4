"""Signed impression tokens: what a list was, carried by the page and believed only with a valid signature.

Claims: {"v": visitor key or "" where the page had none, "l": list id, "p": placement, "m": version id or null,
"r": rung, "a": arm of the experiment (absent outside of one), "i": [item ids as text, in the order of the slots],
"q": [propensity of each slot] (absent: all 1.0), "u": [pk of the slot's rule, or 0] (absent: none), "t": [which of two
interleaved versions picked the slot, 0 or 1] (absent: nothing is interleaved)}.
"""

from typing import Any, Final

from django.core import signing

from recommender.capture.tables import DAY_SECONDS
from recommender.conf import conf

SALT: Final = "recommender.impressions"
MAX_CHARACTERS: Final = 8_192  # a list of 100 items with UUIDs as keys takes about 5,000


def sign_impressions(claims: dict[str, Any]) -> str:
    """Claims → text that is safe in an HTML attribute and in a URL."""
    return signing.dumps(claims, salt=SALT, compress=True)


def read_impressions(token: str) -> dict[str, Any] | None:
    """The claims of a token of this shop; None where it is forged, damaged or older than IMPRESSION_TOKEN_AGE_DAYS."""
    if len(token) > MAX_CHARACTERS or not token.isascii():
        return None
    try:
        claims: dict[str, Any] = signing.loads(token, salt=SALT, max_age=conf.IMPRESSION_TOKEN_AGE_DAYS * DAY_SECONDS)
    except signing.BadSignature:
        return None
    return claims
