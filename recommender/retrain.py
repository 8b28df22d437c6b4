"""Events up to now → a published version, or a refusal with its reason. Runs in the training process only."""

from typing import Any

import torch
from django.db import transaction

from recommender.capture.export import export_events, export_items
from recommender.capture.tables import EventLog, ItemTable
from recommender.conf import conf, min_buyers
from recommender.encoders.progress import Progress, Report
from recommender.encoders.stack import StackSettings
from recommender.encoders.training import choose_device
from recommender.evaluation.gate import Verdict
from recommender.exceptions import NotEnoughData
from recommender.index.publish import prune, publish
from recommender.index.writer import write_version
from recommender.leases import hold
from recommender.models import TrainingRun
from recommender.pipeline import STAGES, PipelineSettings, train_version

MIN_ITEMS = 3


def retrain(run: TrainingRun, report: Report) -> Verdict:
    """Export, train, judge, write, and publish what passed.

    Raises:
        NotEnoughData: fewer events or items than there is anything to learn from.
    """
    log, items = export_events(until=run.started_at), export_items()
    _require_enough(log, items)
    settings = pipeline_settings(run.seed)
    _describe(run, log, items, settings)
    table, verdict = train_version(log, items, settings, report)
    report(Progress("publish", len(STAGES), len(STAGES), fraction=1.0 - STAGES["publish"]))
    version = write_version(run, table, verdict.as_json())
    if verdict.passed:
        with transaction.atomic():
            hold(run)  # a run that is cancelled or taken over at the last moment publishes nothing
            publish(version)
        prune()
    return verdict


def pipeline_settings(seed: int) -> PipelineSettings:
    """The shop's settings as the pipeline takes them."""
    return PipelineSettings(
        stack=StackSettings(
            text_encoder=conf.TEXT_ENCODER,
            device=choose_device(conf.TRAINING_DEVICE),
            seed=seed,
            effort=conf.TRAINING_EFFORT,
        ),
        validation_share=conf.VALIDATION_SHARE,
        holdout_days=conf.HOLDOUT_DAYS,
        min_buyers=min_buyers(),
        candidates=conf.CANDIDATES,
    )


def _require_enough(log: EventLog, items: ItemTable) -> None:
    if len(items) < MIN_ITEMS or len(log) < conf.MIN_EVENTS:
        raise NotEnoughData(
            f"{len(log)} events and {len(items)} items: a training needs {conf.MIN_EVENTS} events and "
            f"{MIN_ITEMS} items. Record more events, then retrain."
        )


def _describe(run: TrainingRun, log: EventLog, items: ItemTable, settings: PipelineSettings) -> None:
    """Write down what this run learns from."""
    counts: dict[str, Any] = {
        "events": len(log),
        "visitors": len(set(log.visitor.tolist())),
        "items": len(items),
    }
    device = settings.stack.device
    name = torch.cuda.get_device_name() if device == "cuda" else device
    TrainingRun.objects.filter(pk=run.pk, lease_token=run.lease_token).update(counts=counts, device=name[:32])
