"""Which version is served: flip, roll back, and drop the vectors of old ones."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from recommender import audit
from recommender.conf import conf
from recommender.exceptions import NothingToRollBack, VersionNotServable
from recommender.index.locks import lock_until_commit
from recommender.index.partitions import drop_partitions, has_partition
from recommender.models import Arm, AuditEntry, Experiment, ModelVersion

logger = logging.getLogger(__name__)

Act = AuditEntry.Act
LIVE_CACHE_SECONDS: Final = 1.0  # a flip is seen by every web process within this time


def publish(version: ModelVersion, by: Any = None) -> ModelVersion:
    """Make this version the one served; publishing the live one again changes nothing.

    Args:
        by: who does it, see `audit.record`.
    Raises:
        VersionNotServable: its vectors were dropped, or it is gone.
    """
    with transaction.atomic():
        lock_until_commit("publish")
        return _flip(version.pk, Act.PUBLISH, by)


def roll_back(by: Any = None) -> ModelVersion:
    """Serve the version again that was live before the live one was published; called twice it goes back two.

    Args:
        by: who does it, see `audit.record`.
    Raises:
        NothingToRollBack: there is none with vectors.
    """
    with transaction.atomic():
        lock_until_commit("publish")
        target = roll_back_target()
        if target is None:
            raise NothingToRollBack(
                _("No version that was live before still has its vectors: retrain, or publish one.")
            )
        return _flip(target.pk, Act.ROLL_BACK, by)


def roll_back_target() -> ModelVersion | None:
    """The version that `roll_back` would serve; None where there is none with vectors."""
    order = _published_in_order()
    live = ModelVersion.objects.filter(is_live=True, pk__in=order).first()
    before = order[: order.index(live.pk)] if live else order
    servable = ModelVersion.objects.filter(pk__in=before, has_vectors=True).in_bulk()
    return next((servable[version_id] for version_id in reversed(before) if version_id in servable), None)


def _published_in_order() -> list[int]:
    """Keys of the versions that were published, each once, in the order of the last time; without those rolled back
    from since.

    By the audit, since a clock may be set back, and a version that was fled from was published before its successor,
    too; what is older than the audit goes by its time.
    """
    once_live = ModelVersion.objects.exclude(published_at=None).order_by("published_at")
    order = dict.fromkeys(once_live.values_list("pk", flat=True))
    flips = AuditEntry.objects.filter(act__in=[Act.PUBLISH, Act.ROLL_BACK], version__isnull=False).order_by("pk")
    for version_id, act in flips.values_list("version_id", "act"):
        if act == Act.PUBLISH:
            order.pop(version_id, None)
        else:
            while order and next(reversed(order)) != version_id:
                order.popitem()
        order[version_id] = None
    return list(order)


def _flip(version_id: int, act: str, by: Any) -> ModelVersion:
    """Under the publish lock. The audit entry is also the order that `roll_back` goes by."""
    version = ModelVersion.objects.filter(pk=version_id).first()
    if version is None or not version.has_vectors or not has_partition(version_id):
        raise VersionNotServable(_("This version has no vectors any more: publish another one, or retrain."))
    if not version.is_live:
        before = ModelVersion.objects.filter(is_live=True).first()
        ModelVersion.objects.filter(is_live=True).update(is_live=False)
        version.is_live = True
        version.published_at = timezone.now() if act == Act.PUBLISH else version.published_at
        version.save(update_fields=["is_live", "published_at"])
        audit.record(act, by, version=version, old=_named(before), new=_named(version))
    transaction.on_commit(_look_again)
    return version


def _named(version: ModelVersion | None) -> audit.Phrases:
    return [(gettext_noop("Version %(id)s"), {"id": version.pk})] if version else []


def pin(version: ModelVersion, is_pinned: bool, by: Any = None) -> ModelVersion:
    """Keep a version's vectors whatever `prune` says, or let them go again.

    Raises:
        VersionNotServable: there is nothing left to keep.
    """
    with transaction.atomic():
        lock_until_commit("publish")
        stored = ModelVersion.objects.filter(pk=version.pk, has_vectors=True).first()
        if stored is None:
            raise VersionNotServable(_("This version has no vectors any more: there is nothing to keep."))
        if stored.is_pinned != is_pinned:
            stored.is_pinned = is_pinned
            stored.save(update_fields=["is_pinned"])
            audit.record(Act.PIN if is_pinned else Act.UNPIN, by, version=stored)
    return stored


def prune(by: Any = None) -> list[ModelVersion]:
    """Drop vectors and artifacts of all but the live, the pinned, those that an experiment serves and the newest
    VERSIONS_KEPT; returns those dropped.

    A version whose tables are being read for long stays for the next time.
    """
    return [version for version_id in prunable() if (version := _drop(version_id, by))]


def prunable() -> list[int]:
    """What `prune` would drop: keys of versions, the newest first."""
    newest = ModelVersion.objects.filter(has_vectors=True).order_by("-pk")
    kept = set(newest.values_list("pk", flat=True)[: conf.VERSIONS_KEPT])
    kept |= set(Arm.objects.filter(experiment__status=Experiment.Status.RUNNING).values_list("version_id", flat=True))
    loose = newest.filter(is_live=False, is_pinned=False).values_list("pk", flat=True)
    return [version_id for version_id in loose if version_id not in kept]


def _drop(version_id: int, by: Any) -> ModelVersion | None:
    """The version without its vectors; None where it is live or pinned by now or its tables are in use."""
    try:
        with transaction.atomic():
            lock_until_commit("publish")  # nobody publishes it meanwhile
            version = ModelVersion.objects.get(pk=version_id)
            if version.is_live or version.is_pinned:
                return None
            version.has_vectors = False
            version.save(update_fields=["has_vectors"])
            version.artifacts.all().delete()
            drop_partitions(version_id)
            audit.record(Act.PRUNE, by, version=version)
            return version
    except OperationalError as error:
        logger.info("Version %s keeps its vectors until the next pruning: %s", version_id, error)
        return None


_chosen: ContextVar[ModelVersion | None] = ContextVar("recommender_version", default=None)
_cached: tuple[ModelVersion | None, float] = (None, 0.0)  # the version, and until when it may be served unasked


def _any(version: ModelVersion) -> bool:
    """A process without lists has nothing to load."""
    return True


_is_ready: Callable[[ModelVersion], bool] = _any


def ask_before_serving(is_ready: Callable[[ModelVersion], bool]) -> None:
    """`is_ready` says from now on whether this process may serve a version already, or goes on with the one before."""
    global _is_ready
    _is_ready = is_ready


def may_be_served(version: ModelVersion) -> bool:
    """Whether this process has loaded what its lists need."""
    return _is_ready(version)


def live_version() -> ModelVersion | None:
    """The version to serve, at most LIVE_CACHE_SECONDS old; None before the first was published.

    The one before while this process still loads the live one. Inside `serving_version` the one that was chosen there.
    """
    global _cached
    if (chosen := _chosen.get()) is not None:
        return chosen
    version, until = _cached
    if time.monotonic() >= until:
        version = _what_may_be_served(version)
        _cached = (version, time.monotonic() + LIVE_CACHE_SECONDS)
    return version


def _what_may_be_served(before: ModelVersion | None) -> ModelVersion | None:
    """The live version; the one `before` where that is it, since reading its networks takes time, or while lists of the
    live one cannot be made yet."""
    live = ModelVersion.objects.filter(is_live=True)
    if before is not None and live.filter(pk=before.pk).exists():
        return before
    version = live.first()
    return version if version is None or before is None or may_be_served(version) else before


@contextmanager
def serving_version(version: ModelVersion | None) -> Iterator[None]:
    """Lists that are made inside come from this version; None: from the live one."""
    token = _chosen.set(version)
    try:
        yield
    finally:
        _chosen.reset(token)


def _look_again() -> None:
    """The next `live_version()` of this process reads the database."""
    global _cached
    _cached = (_cached[0], 0.0)


def forget_live_version() -> None:
    """As if this process had just begun."""
    global _cached
    _cached = (None, 0.0)
