"""The augmentations that a training may use: views of one history, or of the graph, that must stay alike."""

from typing import Final

CROP, MASK, REORDER, EDGES = "crop", "mask", "reorder", "edges"
OF_HISTORIES: Final = (CROP, MASK, REORDER)  # arXiv:2010.14395
AUGMENTATIONS: Final = (*OF_HISTORIES, EDGES)  # dropped edges: arXiv:2010.10783
