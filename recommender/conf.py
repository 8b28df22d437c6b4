"""Every setting on one page: name, default, unit. Read at the first access and kept; `override_settings` works.

A shop sets `RECOMMENDER_<NAME>` in its own settings; code reads `conf.<NAME>`.
"""

from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

PREFIX: Final = "RECOMMENDER_"
FEWEST_BUYERS: Final = 5  # fewer people behind a pair of items could be told apart

DEFAULTS: Final[dict[str, Any]] = {
    # --- the shop
    "ITEM_MODEL": None,  # "app.Model" of what can be recommended; required
    # --- consent
    "CONSENT": "full",  # of whoever has not chosen: "none", "session" or "full"
    "CONSENT_HOOK": None,  # "shop.banner.consent": request → "none", "session", "full", or None for no choice yet
    "CONSENT_COOKIE": "recommender_consent",  # cookie name; holds the level and nothing else
    "CONSENT_COOKIE_AGE_DAYS": 180,
    "SESSION_ID_HOURS": 24,  # after its last event a visitor of the level "session" loses its id on the server, too
    # --- privacy
    "UNDO_JOIN_DAYS": 30,  # how long "this was not me" can undo that a login took over a browser's history
    "VIEW_RETENTION_DAYS": 395,  # 0: for ever; thirteen months see every season twice
    "CLICK_RETENTION_DAYS": 395,
    "CART_RETENTION_DAYS": 395,
    "PURCHASE_RETENTION_DAYS": 1095,
    # --- capture
    "VISITOR_COOKIE": "recommender_visitor",  # cookie name
    "VISITOR_COOKIE_AGE_DAYS": 365,
    "MAX_EVENTS_PER_POST": 500,  # rows
    "MAX_POST_BYTES": 262_144,
    "MAX_EVENT_AGE_DAYS": 30,  # older events are refused at the endpoint; the bulk path takes any age
    "MAX_CLOCK_SKEW_SECONDS": 300,  # how far in the future a browser's clock may be
    "CAPTURE_BUDGET_MS": 500,  # a database that takes longer counts as away: events go to disk, pages go on
    "SPILL_FOLDER": None,  # a folder of this machine that survives a restart; None: 503 while the database is away
    "QUARANTINE_DAYS": 30,  # rejected rows are kept so long
    "QUARANTINE_ROWS": 100_000,  # and no more of them than these, the newest
    "VISITOR_EVENTS_PER_MINUTE": 600,  # more are answered by 429, over half of it at once counts as no person
    "ADDRESS_EVENTS_PER_MINUTE": 6_000,  # of all visitors behind one public address
    "PROXIES": 0,  # how many of your own stand in front and write X-Forwarded-For
    "IMPRESSIONS_KEPT_DAYS": 90,
    # --- training
    "TRAINING_QUEUE": "training",  # Celery queue of the training worker
    "TRAINING_INTERVAL_HOURS": 24,  # the beat schedule that `recommender.tasks.beat_schedule()` returns
    "FULL_TRAINING_DAYS": 7,  # of events between two trainings from scratch; the others go on from the live one
    "TRAINING_EFFORT": 1.0,  # scales epochs; 1.0 took ten minutes on two busy cores for 1.2 million events
    "TRAINING_DEVICE": "auto",  # "auto": CUDA where there is one, else CPU
    "AUGMENTATIONS": ("edges",),  # of "crop", "mask", "reorder" (histories) and "edges" (graph); see docs/results.md
    "LEASE_SECONDS": 60,  # a run without a heartbeat for so long is taken over or marked
    "CHECKPOINT_FOLDER": None,  # of this shop alone; a killed training goes on from it; None: it begins again
    "MAX_ATTEMPTS": 3,  # of one training run
    "HOLDOUT_DAYS": 14,  # the newest events judge a version; shortened where that is plenty, see operations.md
    "VALIDATION_SHARE": 0.1,  # of the visitors' days before those: what chooses its weights and teaches its ranker
    "TEXT_ENCODER": "catalogue",  # fitted on the catalogue itself; else a sentence-transformers or BERT name or path
    "COLD_ITEM_COST_SHARE": 0.05,  # of the lists' NDCG that cold items may cost: nobody has taken them yet
    "MIN_EVENTS": 50,  # below this a run is refused with NotEnoughData
    "MIN_BUYERS": 5,  # "bought together" needs so many different visitors, FEWEST_BUYERS at least
    "VERSIONS_KEPT": 5,  # older ones lose their vectors
    # --- index
    "HNSW_MIN_ITEMS": 20_000,  # below, exact search: as fast and always right
    "HNSW_EF_SEARCH": 200,
    # --- serving
    "LIST_LENGTH": 12,  # items in a list when the page names no number
    "MAX_LIST_LENGTH": 100,
    "MAX_BATCH_VISITORS": 100,  # whose lists one request may ask for; each costs what a request of its own would
    "CANDIDATES": 150,  # retrieved by cosine before ranking; linked, popular, own and cold items join them
    "REPEAT_SHARE": 0.9,  # of the slots of "for you" that repeats may take; 1.0 leaves the order to the ranker
    "LOOKING_REPEAT_SHARE": 0.5,  # the same for a visitor who looked at something in the last half hour
    "EXPLORATION_SHARE": 0.02,  # of the slots of lists that explore: they try items that few people have seen
    "HISTORY_EVENTS": 1_000,  # newest events of a visitor read for a request
    "BUDGET_MS": 250,  # all that a list may wait for the database; then a simpler or older one comes
    "BLAS_THREADS": 1,  # of numpy in a process that makes lists; None leaves them as they are
    "CONNECTIONS": 4,  # to the database, of each web process, for what lists read
    "LAST_GOOD_FOLDER": None,  # of this machine, for lists shown while the database is away; None: a private one
    "POPULAR_CACHE_SECONDS": 60,
    "IMPRESSION_TOKEN_AGE_DAYS": 7,
    # --- experiments
    "ATTRIBUTION_DAYS": 7,  # a click or purchase this long after an item was seen is credited to the list
    "HOLDOUT_VISITORS_SHARE": 0.0,  # of the visitors see the popular list for ever, to measure against; 0: nobody
    # --- operations
    "METRICS_TOKEN": None,  # "Authorization: Bearer <it>" reads the metrics; None: staff only
}


class Conf:
    """Attribute access to the settings above; an unknown name is an AttributeError.

    What was read is kept on the object: a request reads some thirty settings, and Django looks for one that a shop does
    not set in several places each time.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"unknown setting {PREFIX}{name}: known are {', '.join(sorted(DEFAULTS))}")
        value = getattr(settings, PREFIX + name, DEFAULTS[name])
        setattr(self, name, value)
        return value


conf = Conf()


@receiver(setting_changed)
def _read_again(*, setting: str, **_signal: Any) -> None:
    vars(conf).pop(setting.removeprefix(PREFIX), None)


def min_buyers() -> int:
    """MIN_BUYERS, where it is large enough: a smaller one, which `manage.py check` reports, never takes effect."""
    return max(int(conf.MIN_BUYERS), FEWEST_BUYERS)
