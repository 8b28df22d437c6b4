import numpy as np
import pytest

from recommender.evaluation.gate import judge

UNIT = np.eye(4, dtype=np.float32)
MANY = {"visitors": 100, "start": "2026-01-01T00:00:00+00:00"}


def metrics(**values: float) -> dict[str, dict[str, float]]:
    return {name: {"ndcg@10": value} for name, value in values.items()}


def test_better_than_all_passes() -> None:
    assert judge(UNIT, 4, metrics(ours=0.2, popularity=0.1, live=0.15), MANY).passed


@pytest.mark.parametrize("baseline", ["popularity", "item_knn", "own_decayed"])
def test_below_a_baseline_is_refused_with_numbers(baseline: str) -> None:
    verdict = judge(UNIT, 4, metrics(ours=0.2, **{baseline: 0.2001}), MANY)
    assert not verdict.passed
    assert baseline in verdict.reasons[0]
    assert "0.2001" in verdict.reasons[0]


@pytest.mark.parametrize(("live", "passed"), [(0.203, True), (0.21, False)])
def test_a_little_below_the_live_version_is_noise(live: float, passed: bool) -> None:
    assert judge(UNIT, 4, metrics(ours=0.2, live=live), MANY).passed is passed


def test_few_visitors_do_not_decide() -> None:
    assert judge(UNIT, 4, metrics(ours=0.0, popularity=0.9), {**MANY, "visitors": 5}).passed


def test_nan_is_refused_even_with_good_numbers() -> None:
    broken = UNIT.copy()
    broken[2, 2] = np.nan
    assert not judge(broken, 4, metrics(ours=0.9), MANY).passed


def test_a_missing_item_is_refused() -> None:
    assert not judge(UNIT, 5, metrics(ours=0.9), MANY).passed
