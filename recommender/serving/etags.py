"""When a list is still the one that the client holds, token and all.

Every rendering has a token of its own, so the tag covers what a token says, except which rendering it was: whoever gets
304 goes on with the token of the list that it has. That token must still be good, so the tag changes twice in its life.
"""

import hashlib
import json
import time
from typing import Any, Final

from recommender.capture.tables import DAY_SECONDS
from recommender.conf import conf
from recommender.tokens import read_impressions

RENDERING: Final = "l"  # the claim that names one rendering of a list


def list_etag(body: dict[str, Any]) -> str:
    """The weak entity tag of an answer, as `RecommendationsSerializer` gives it.

    Scores stay out: they shrink by the second as events grow old, and the order that they made is covered.
    """
    claims = read_impressions(body["token"]) or {}
    items = [{name: value for name, value in item.items() if name != "score"} for item in body["items"]]
    period = int(time.time() / (conf.IMPRESSION_TOKEN_AGE_DAYS * DAY_SECONDS / 2))
    covered = {**body, "token": {**claims, RENDERING: None}, "items": items, "period": period}
    return f'W/"{hashlib.sha256(json.dumps(covered, sort_keys=True, default=str).encode()).hexdigest()[:32]}"'
