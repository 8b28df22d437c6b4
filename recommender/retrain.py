"""Events up to now → a published version, or a refusal with its reason. Runs in the training process only."""

import logging
from datetime import datetime
from typing import Any
from zipfile import BadZipFile

import torch
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from safetensors import SafetensorError

from recommender.capture.cleaning import count_left_out
from recommender.capture.export import export_events, export_items
from recommender.capture.tables import EventLog, ItemTable
from recommender.checkpoints import Checkpoints, inputs_hash
from recommender.conf import conf, min_buyers
from recommender.dataset.cleaning import cap_quantities
from recommender.dataset.distinct import distinct
from recommender.encoders.progress import Progress, Report
from recommender.encoders.stack import StackSettings
from recommender.encoders.tables import Cold, EmbeddingTable
from recommender.encoders.training import choose_device
from recommender.encoders.warm import NAME as LEFT
from recommender.encoders.warm import Left, read
from recommender.evaluation.gate import Verdict
from recommender.exceptions import ArtifactCorrupt, InvalidVectors, NotEnoughData
from recommender.index.artifacts import read_artifact
from recommender.index.publish import prune, publish
from recommender.index.writer import write_version
from recommender.learning import PipelineSettings
from recommender.leases import hold
from recommender.models import ModelVersion, TrainingRun
from recommender.pipeline import train_version
from recommender.runs import COLD_BECAUSE, WARM_FROM
from recommender.stages import STAGES

logger = logging.getLogger(__name__)

MIN_ITEMS = 3


def retrain(run: TrainingRun, report: Report) -> Verdict:
    """Export, train, judge, write, and publish what passed. Most trainings go on from the live version.

    Raises:
        NotEnoughData: fewer events or items than there is anything to learn from.
    """
    (log, cleaning), items = _clean_events(run.events_until or run.started_at), export_items()
    settings = pipeline_settings(run)
    counts = _describe(run, log, items, settings, cleaning)
    _require_enough(log, items)
    live = ModelVersion.objects.filter(is_live=True).first()
    cut = int(run.judged_from.timestamp()) if run.judged_from else None
    left = _left(run, live)
    start = _start(live, left if isinstance(left, Cold) else None)
    _tell_start(run, counts, start)
    checkpoints = Checkpoints.within(conf.CHECKPOINT_FOLDER, inputs_hash(log, items, settings, cut, start))
    table, verdict = train_version(log, items, settings, report, left=left, cut=cut, checkpoints=checkpoints)
    _tell_start(run, counts, _start(live, table.cold))
    report(Progress("publish", len(STAGES), len(STAGES), fraction=1.0 - STAGES["publish"]))
    version = _written(run, table, verdict)
    if version and verdict.passed:
        with transaction.atomic():
            hold(run)  # a run that is cancelled or taken over at the last moment publishes nothing
            publish(version, [(gettext_noop("Run %(id)s"), {"id": run.pk})])
        prune()
    if checkpoints:
        checkpoints.clear()
    return verdict


def _written(run: TrainingRun, table: EmbeddingTable, verdict: Verdict) -> ModelVersion | None:
    """The stored version; None where vectors cannot be stored and the gate has refused them: it says what is wrong."""
    try:
        return write_version(run, table, verdict.as_json())
    except InvalidVectors:
        if verdict.passed:
            raise
        return None


def _clean_events(until: datetime | None) -> tuple[EventLog, dict[str, Any]]:
    """What there is to learn from, and {"left_out": {reason: events}, "capped": events with fewer pieces now}."""
    log, capped = cap_quantities(export_events(until))
    return log, {"left_out": count_left_out(until), "capped": capped}


def pipeline_settings(run: TrainingRun) -> PipelineSettings:
    """The shop's settings, and what was chosen for this run, as the pipeline takes them."""
    return PipelineSettings(
        stack=StackSettings(
            text_encoder=conf.TEXT_ENCODER,
            device=choose_device(conf.TRAINING_DEVICE),
            seed=run.seed,
            effort=run.effort or conf.TRAINING_EFFORT,
        ).augmented(augmentations(run)),
        validation_share=conf.VALIDATION_SHARE,
        holdout_days=conf.HOLDOUT_DAYS,
        full_training_days=conf.FULL_TRAINING_DAYS,
        min_buyers=min_buyers(),
        candidates=conf.CANDIDATES,
        cold_item_cost=conf.COLD_ITEM_COST_SHARE,
    )


def augmentations(run: TrainingRun) -> list[str]:
    """What was chosen for this run, or else the shop's."""
    return list(conf.AUGMENTATIONS if run.augmentations is None else run.augmentations)


def _left(run: TrainingRun, live: ModelVersion | None) -> Left | Cold:
    """What the live version left to go on from, or why to begin anew; as the run that this one tries again began, where
    that is still possible: its checkpoints are those of this beginning."""
    if run.is_cold:
        return Cold.ASKED
    if COLD_BECAUSE in run.counts:
        return Cold(run.counts[COLD_BECAUSE])
    if live is None or run.counts.get(WARM_FROM) != live.pk:
        before = _last_ended()
        if before is not None and before.status != TrainingRun.Status.PUBLISHED:
            return Cold.FAILED
    try:
        return read(read_artifact(live.pk, LEFT)) if live else Cold.NOTHING
    except (ArtifactCorrupt, ValueError, KeyError, TypeError, OSError, BadZipFile, SafetensorError) as error:
        logger.info("A training from scratch, what the live version left cannot be read: %s", error)
        return Cold.NOTHING


def _last_ended() -> TrainingRun | None:
    ended = TrainingRun.objects.exclude(status__in=[*TrainingRun.ACTIVE, TrainingRun.Status.CANCELLED])
    return ended.order_by("-pk").first()


def _require_enough(log: EventLog, items: ItemTable) -> None:
    if len(items) < MIN_ITEMS or len(log) < conf.MIN_EVENTS:
        raise NotEnoughData(
            _(
                "%(events)s events and %(items)s items: a training needs %(min_events)s events and "
                "%(min_items)s items. Record more events, then retrain."
            )
            % {"events": len(log), "items": len(items), "min_events": conf.MIN_EVENTS, "min_items": MIN_ITEMS}
        )


def _describe(
    run: TrainingRun, log: EventLog, items: ItemTable, settings: PipelineSettings, cleaning: dict[str, Any]
) -> dict[str, Any]:
    """Write down what this run learns from, and what was cleaned away before; returns the counts."""
    counts: dict[str, Any] = {
        "events": len(log),
        "visitors": len(distinct(log.visitor)),
        "items": len(items),
        "augmentations": augmentations(run),
        **cleaning,
    }
    device = settings.stack.device
    name = torch.cuda.get_device_name() if device == "cuda" else device
    TrainingRun.objects.filter(pk=run.pk, lease_token=run.lease_token).update(counts=counts, device=name[:32])
    return counts


def _start(live: ModelVersion | None, cold: Cold | None) -> dict[str, Any]:
    """Of the run's counts: the version that it goes on from, or why it does not."""
    return {COLD_BECAUSE: cold.value} if cold else {WARM_FROM: live.pk if live else None}


def _tell_start(run: TrainingRun, counts: dict[str, Any], start: dict[str, Any]) -> None:
    TrainingRun.objects.filter(pk=run.pk, lease_token=run.lease_token).update(counts=counts | start)
