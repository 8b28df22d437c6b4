"""One family of errors; each message names the fix."""


class RecommenderError(Exception):
    """Base of everything that the plugin raises on purpose."""


class CatalogNotFound(RecommenderError):
    """No Catalog is registered: add `recommendations.py` with a `@register` class to the item model's app."""


class NoLiveVersion(RecommenderError):
    """No model version is live yet: run `manage.py recommender_train` or press "Retrain now" in admin."""


class StillLoading(NoLiveVersion):
    """This process is loading the version's files: its lists are one rung lower for a moment, nothing is to be done."""


class ArtifactCorrupt(RecommenderError):
    """A stored model artifact does not match its sha256: publish another version or retrain."""


class DimensionMismatch(RecommenderError):
    """Vectors and their version differ in width: retrain, so that both are written by the same run."""


class RunAlreadyActive(RecommenderError):
    """A training run is queued or running: wait for it, or cancel it in admin."""


class LeaseLost(RecommenderError):
    """Another worker has taken this training run over: this process must stop writing to it."""


class NotEnoughData(RecommenderError):
    """Too few events or items to train on: record more events, then retrain."""


class VectorExtensionMissing(RecommenderError):
    """Postgres lacks pgvector: install pgvector 0.8.5 or newer, then as superuser `CREATE EXTENSION vector`."""


class InvalidVectors(RecommenderError):
    """The table holds vectors that cannot be compared (NaN, infinite, zero): look at the run's losses, then retrain."""


class VersionNotServable(RecommenderError):
    """This version has no vectors (any more): publish another one, or retrain."""


class NothingToRollBack(RecommenderError):
    """No version that was live before still has its vectors: retrain, or publish a version by hand."""


class ExperimentRefused(RecommenderError):
    """This experiment cannot start as it is; the message says what to change."""


class ReplayRefused(RecommenderError):
    """The replay cannot run like this; the message says what to change."""


class FilterBroken(RecommenderError):
    """A saved filter fits the catalogue no more: open it in admin, choose its attributes again and save it."""


class EventRefused(RecommenderError):
    """This event cannot be stored; `code` names the reason for programs, the message for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class NotKept(RecommenderError):
    """Neither the database nor RECOMMENDER_SPILL_FOLDER takes events: look at both; the sender comes again later."""


class TooFast(RecommenderError):
    """This visitor or address sent too many events: nothing was stored, send them again in `wait_seconds`."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(self.__doc__)
        self.wait_seconds = wait_seconds


class NoConsent(RecommenderError):
    """This visitor has not agreed to be remembered: send no events, or ask again with `set_consent`."""


class VisitorNotFound(RecommenderError):
    """There is no such visitor (any more): name one by `visitor=<key>` or `user=<primary key>`."""


class VisitorErased(VisitorNotFound):
    """The visitor's data was erased and this key is dead: whoever comes back needs a new one."""


class MissingScope(RecommenderError):
    """This API key was not made for that: make a new one with the scope that the message names."""


class FeedbackRefused(RecommenderError):
    """The list's token does not prove that this item was recommended to this visitor: load the page again."""


class ReportTooSlow(RecommenderError):
    """Counting took longer than ten seconds a statement: ask for fewer days, or when the database has less to do."""
