"""The plugin's tables. The item model is the shop's own (RECOMMENDER_ITEM_MODEL); nothing of it is copied here."""

from recommender.models.access import ApiKey
from recommender.models.changes import ItemChange
from recommender.models.events import Event, Impression, LedgerEntry, QuarantinedEvent, RateBucket
from recommender.models.experiments import HOLDOUT_ARM, Arm, Experiment
from recommender.models.feedback import Feedback
from recommender.models.health import Heartbeat
from recommender.models.items import item_foreign_key
from recommender.models.operations import AuditEntry, TrainingSchedule
from recommender.models.placements import Placement, SavedFilter, Source
from recommender.models.rules import Rule
from recommender.models.spill import DrainedFile
from recommender.models.training import (
    ItemEmbedding,
    ItemPair,
    ModelArtifact,
    ModelVersion,
    TrainingRun,
    VisitorEmbedding,
)
from recommender.models.visitors import Tombstone, Visitor, VisitorJoin

__all__ = [
    "HOLDOUT_ARM",
    "ApiKey",
    "Arm",
    "AuditEntry",
    "DrainedFile",
    "Event",
    "Experiment",
    "Feedback",
    "Heartbeat",
    "Impression",
    "ItemChange",
    "ItemEmbedding",
    "ItemPair",
    "LedgerEntry",
    "ModelArtifact",
    "ModelVersion",
    "Placement",
    "QuarantinedEvent",
    "RateBucket",
    "Rule",
    "SavedFilter",
    "Source",
    "Tombstone",
    "TrainingRun",
    "TrainingSchedule",
    "Visitor",
    "VisitorEmbedding",
    "VisitorJoin",
    "item_foreign_key",
]
