"""The plugin's tables. The item model is the shop's own (RECOMMENDER_ITEM_MODEL); nothing of it is copied here."""

from recommender.models.access import ApiKey
from recommender.models.events import Event, LedgerEntry, QuarantinedEvent, Impression, RateBucket
from recommender.models.items import item_foreign_key
from recommender.models.training import TrainingRun, ModelVersion, ModelArtifact, ItemEmbedding, VisitorEmbedding, ItemPair
from recommender.models.visitors import Visitor, VisitorJoin, Tombstone

__all__ = ["ApiKey", "Event", "Impression", "ItemEmbedding", "ItemPair", "LedgerEntry", "ModelArtifact", "ModelVersion", "QuarantinedEvent", "RateBucket", "Tombstone", "TrainingRun", "Visitor", "VisitorEmbedding", "VisitorJoin", "item_foreign_key"]
