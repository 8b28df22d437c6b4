"""Outliers among the events that a training learns from: an absurd number is made plausible, its event stays."""

from dataclasses import replace
from typing import Final

import numpy as np

from recommender.capture.tables import EventLog

PLAUSIBLE_SHARE: Final = 0.999  # of a kind's events have at most the pieces that the others are cut to


def cap_quantities(log: EventLog) -> tuple[EventLog, int]:
    """Winsorise the pieces: what lies above the 99.9th percentile of its kind becomes that; how many events it were.

    Fewer than a thousand events of a kind say nothing about what is absurd: nothing is cut.
    """
    quantity = log.quantity.copy()
    for kind in np.unique(log.kind):
        of_kind = log.kind == kind
        most = np.quantile(quantity[of_kind], PLAUSIBLE_SHARE, method="higher")
        quantity[of_kind] = np.minimum(quantity[of_kind], most)
    return replace(log, quantity=quantity), int(np.count_nonzero(quantity != log.quantity))
