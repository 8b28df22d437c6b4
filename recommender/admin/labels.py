"""Plain words for what the tables and the training call by short names."""

from collections.abc import Iterable, Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.models import Event, ModelVersion

Label = str | Promise

HEADLINE: Final = "ndcg@10"  # the metric that the gate decides by

STAGES: Final[Mapping[str, Label]] = {
    "text": gettext_lazy("Reading the products' texts"),
    "autoencoder": gettext_lazy("Learning what each product is"),
    "graph": gettext_lazy("Learning which products go together"),
    "sequence": gettext_lazy("Learning what shoppers do next"),
    "fusion": gettext_lazy("Weighing what was learned"),
    "refit": gettext_lazy("Going on with newer events"),
    "judge": gettext_lazy("Comparing with simple methods"),
    "final": gettext_lazy("Going on with the newest events"),
    "vectors": gettext_lazy("Computing the final vectors"),
    "publish": gettext_lazy("Writing the vectors and publishing"),
}
RANKERS: Final[Mapping[str, Label]] = {
    "ours": gettext_lazy("This version"),
    "live": gettext_lazy("Version that was live"),
    "popularity": gettext_lazy("What is popular"),
    "item_knn": gettext_lazy("Bought by the same visitors (item-kNN)"),
    "own_decayed": gettext_lazy("The visitor's own habits"),
}
METRICS: Final[Mapping[str, tuple[Label, Label]]] = {
    "ndcg@10": (
        gettext_lazy("Next purchases in the first ten (NDCG@10)"),
        gettext_lazy("How high in a list of ten the things stood that visitors really took next. 1 is perfect."),
    ),
    "recall@20": (
        gettext_lazy("Next purchases among twenty (recall@20)"),
        gettext_lazy("Which share of what visitors really took next was in a list of twenty. 1 is all of it."),
    ),
    "new_ndcg@10": (
        gettext_lazy("New discoveries in the first ten (NDCG@10)"),
        gettext_lazy("The same, counting only products that the visitor had never taken before."),
    ),
    "new_recall@20": (
        gettext_lazy("New discoveries among twenty (recall@20)"),
        gettext_lazy("The same, counting only products that the visitor had never taken before."),
    ),
}
SEGMENTS: Final[Mapping[str, Label]] = {
    "new_visitors": gettext_lazy("New visitors (fewer than 5 products)"),
    "light_visitors": gettext_lazy("Light visitors (5 to 19 products)"),
    "heavy_visitors": gettext_lazy("Heavy visitors (20 products and more)"),
    "head_items": gettext_lazy("Best sellers (head)"),
    "tail_items": gettext_lazy("All other products (tail)"),
    "repeat": gettext_lazy("Buying again (repeat)"),
    "explore": gettext_lazy("Discovering (explore)"),
}
PARTS: Final[Mapping[str, Label]] = {
    "sequence": gettext_lazy("What shoppers do next (sequence)"),
    "graph": gettext_lazy("Which products go together (graph)"),
    "content": gettext_lazy("What the product is (texts and attributes)"),
    "popularity": gettext_lazy("What is popular (popularity)"),
}
RUNGS: Final[Mapping[str, Label]] = {
    "personal": gettext_lazy("Personal: from this visitor's own events"),
    "item": gettext_lazy("Items: from what the list starts from"),
    "segment": gettext_lazy("Segment: popular among the kind of items that this visitor takes most"),
    "popular": gettext_lazy("Popular: the same list for everybody"),
    "last_good": gettext_lazy("Last good: kept on disk, because the database did not answer in time"),
    "nothing": gettext_lazy("Nothing: there is nothing to show yet"),
}
COUNTS: Final[Mapping[str, Label]] = {
    "events": gettext_lazy("Events"),
    "visitors": gettext_lazy("Visitors"),
    "items": gettext_lazy("Items"),
    "augmentations": gettext_lazy("Augmentation"),
    "warm_from": gettext_lazy("Went on from version"),
    "cold_because": gettext_lazy("Learned from scratch"),
    "capped": gettext_lazy("Events whose pieces were cut to what is plausible"),
}
AUGMENTED: Final[Mapping[str, Label]] = {
    "crop": gettext_lazy("Pieces of histories (crop)"),
    "mask": gettext_lazy("Hidden products (mask)"),
    "reorder": gettext_lazy("Shuffled pieces (reorder)"),
    "edges": gettext_lazy("Dropped edges of the graph"),
}
LEFT_OUT: Final[Mapping[str, Label]] = {
    **{doubt.name.lower(): doubt.label for doubt in Event.Doubt if doubt},
    "no_item": gettext_lazy("item deleted"),
    "inhuman": gettext_lazy("browsing faster than a person"),
}
COLD: Final[Mapping[str, Label]] = {
    "nothing": gettext_lazy("there was no version to go on from"),
    "asked": gettext_lazy("as asked"),
    "failed": gettext_lazy("the training before published nothing"),
    "due": gettext_lazy("the regular full training"),
    "earlier": gettext_lazy("the live version had learned events that judge this one"),
    "settings": gettext_lazy("the live version was trained with other settings"),
    "catalogue": gettext_lazy("none of the live version's items is left"),
}


def label(names: Mapping[str, Label], key: str) -> str:
    """The plain words for `key`, or the key itself where there are none yet."""
    return str(names.get(key, key))


def augmented(names: Iterable[str]) -> str:
    """What a training augmented, in words."""
    return ", ".join(label(AUGMENTED, name) for name in names) or _("none")


def augmentation(version: ModelVersion) -> str:
    """What a version's training augmented, in words; "" where it did not write that down."""
    names = version.run.counts.get("augmentations")
    return "" if names is None else augmented(names)


def duration(seconds: float | None) -> str:
    """`200` → "3 min 20 s"; "" for None."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes and not rest:
        return _("%(minutes)d min") % {"minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    return _("%(seconds)d s") % {"seconds": rest}
