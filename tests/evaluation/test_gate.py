import numpy as np
import pytest

from recommender.evaluation.gate import Verdict, judge

UNIT = np.eye(4, dtype=np.float32)
MANY = {"visitors": 100, "start": "2026-01-01T00:00:00+00:00"}


def metrics(**values: float) -> dict[str, dict[str, float]]:
    return {name: {"ndcg@10": value} for name, value in values.items()}


def verdict_of(values: dict[str, dict[str, float]], **errors: float) -> Verdict:
    return judge(UNIT, 4, values, errors, MANY)


def test_better_than_all_passes() -> None:
    assert verdict_of(metrics(ours=0.2, popularity=0.1)).passed


@pytest.mark.parametrize("baseline", ["popularity", "item_knn", "own_decayed"])
def test_below_a_baseline_is_refused_with_numbers(baseline: str) -> None:
    verdict = verdict_of(metrics(ours=0.2, **{baseline: 0.2101}), **{baseline: 0.01})
    assert not verdict.passed
    assert baseline in verdict.reasons[0]
    assert "0.2101" in verdict.reasons[0]


def test_below_a_baseline_within_the_error_is_a_tie() -> None:
    assert verdict_of(metrics(ours=0.2, popularity=0.2099), popularity=0.01).passed


def test_few_visitors_do_not_decide() -> None:
    assert judge(UNIT, 4, metrics(ours=0.0, popularity=0.9), {}, {**MANY, "visitors": 5}).passed


def test_nan_is_refused_even_with_good_numbers() -> None:
    broken = UNIT.copy()
    broken[2, 2] = np.nan
    assert not judge(broken, 4, metrics(ours=0.9), {}, MANY).passed


def test_a_missing_item_is_refused() -> None:
    assert not judge(UNIT, 5, metrics(ours=0.9), {}, MANY).passed
