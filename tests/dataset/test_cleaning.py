import numpy as np

from recommender.capture.tables import CART, PURCHASE
from recommender.dataset.cleaning import cap_quantities
from tests.event_logs import log_of


def test_an_absurd_number_is_cut_and_its_event_stays() -> None:
    rows = [(visitor, 1, PURCHASE, 1_700_000_000 + visitor) for visitor in range(5_000)]
    log = log_of(rows)
    log.quantity[:] = np.tile([1, 2, 3, 4, 5], 1_000)
    log.quantity[:3] = [900_000, 24, 1]
    clean, cut = cap_quantities(log)
    assert cut == 2
    assert clean.quantity[:3].tolist() == [5, 5, 1]
    assert (clean.quantity[3:] == log.quantity[3:]).all()
    assert (clean.visitor == log.visitor).all() and len(clean) == len(log)


def test_what_is_much_of_one_kind_is_judged_by_that_kind() -> None:
    log = log_of([(visitor, 1, (CART, PURCHASE)[visitor % 2], 1_700_000_000 + visitor) for visitor in range(6_000)])
    log.quantity[:] = np.where(log.kind == CART, 1, 100)
    assert cap_quantities(log)[1] == 0


def test_a_small_shop_has_no_outliers() -> None:
    log = log_of([(1, 1, PURCHASE, 1_700_000_000 + number) for number in range(900)])
    log.quantity[0] = 500
    assert cap_quantities(log)[1] == 0
    assert cap_quantities(log_of([]))[1] == 0
