import numpy as np
import pytest

from recommender.dataset.ranking_features import (
    ADOPTION,
    FEATURES,
    GROUPS,
    LINKS,
    OWN,
    OWN_ITEMS,
    SIMILARITIES,
    STATISTICS,
    VISITOR,
    adoption_ages,
    contributions,
    nothing_owned,
    own_facts,
    part_similarities,
    rank_candidates,
    ranking_features,
    strongest_own,
)

VIEW, PURCHASE = 1, 4


def features_of(similarity: list[float], own: np.ndarray | None = None) -> np.ndarray:
    rows = len(similarity)
    similarities = np.zeros((rows, len(SIMILARITIES)), np.float32)
    similarities[:, 0] = similarity
    return ranking_features(
        similarities,
        np.zeros((rows, len(LINKS)), np.float32),
        np.zeros((rows, len(STATISTICS)), np.float32),
        nothing_owned(rows) if own is None else own,
        np.zeros(len(VISITOR), np.float32),
        np.zeros(len(ADOPTION), np.float32),
        {},
    )


def column(features: np.ndarray, name: str) -> np.ndarray:
    return features[:, FEATURES.index(name)]


def test_there_is_a_finite_column_for_every_feature() -> None:
    features = features_of([0.1, 0.9, 0.5])
    assert features.shape == (3, len(FEATURES))
    assert len(set(FEATURES)) == len(FEATURES)
    assert np.isfinite(features).all()


def test_how_early_a_visitor_comes_is_told_by_the_age_of_what_it_took() -> None:
    owner = np.array([0, 0, 2])
    item_age = np.array([0.0, 99.0, -3.0], np.float32)  # a first event that was counted by days may seem to come later
    idle_days = np.array([365.0, 5.0, 1.0], np.float32)
    ages = adoption_ages(owner, 3, item_age, idle_days)
    assert ages.shape == (3, len(ADOPTION))
    assert ages[0, 0] == pytest.approx(np.log1p(99) / 2)
    assert ages[0, 1] == pytest.approx(np.log1p(99), rel=0.01)  # a year ago hardly counts
    assert ages[1:].tolist() == [[0.0, 0.0], [0.0, 0.0]]  # without events, and with what was new


def test_of_many_own_items_the_most_and_latest_taken_are_candidates() -> None:
    items = OWN_ITEMS + 50
    age = np.linspace(300, 0, items).astype(np.float32)  # the first items lie furthest back
    kind = np.where(np.arange(items) % 2, VIEW, PURCHASE)
    group = np.concatenate([np.arange(items), [0] * 9])  # the first one was bought ten times
    own = own_facts(group, items, np.append(kind, [PURCHASE] * 9), np.append(age, [290] * 9).astype(np.float32))
    chosen = strongest_own(own).tolist()
    assert len(chosen) == OWN_ITEMS and chosen == sorted(chosen)
    assert {0, items - 2, items - 1} <= set(chosen)  # a habit, the last view and the last purchase
    assert strongest_own(own[:20]).tolist() == [*range(20)]


def test_purchases_and_interest_are_kept_apart_and_lose_weight_with_age() -> None:
    kind, age = np.array([PURCHASE, PURCHASE, VIEW]), np.array([0.0, 60.0, 0.0], np.float32)
    own = own_facts(np.array([0, 0, 1]), 2, kind, age)
    bought, viewed = (dict(zip(OWN, row.tolist(), strict=True)) for row in own)
    assert bought["own_60"] == pytest.approx(np.log1p(1 + np.exp(-1)))
    assert bought["own_count"] == pytest.approx(np.log1p(2))
    assert bought["own_interval"] == pytest.approx(np.log1p(60))
    assert (bought["is_repeat"], bought["is_known"], bought["interest_14"]) == (1, 1, 0)
    assert (viewed["is_repeat"], viewed["is_known"], viewed["own_60"]) == (0, 1, 0)
    assert viewed["interest_14"] == pytest.approx(np.log1p(1))


def test_an_item_is_overdue_when_its_usual_days_have_passed() -> None:
    kind, group = np.full(6, PURCHASE), np.array([0, 0, 0, 1, 1, 1])
    age = np.array([90.0, 80.0, 70.0, 22.0, 12.0, 2.0], np.float32)  # every ten days, until 70 and until 2 days ago
    overdue = column(features_of([0.0, 0.0], own_facts(group, 2, kind, age)), "overdue")
    assert overdue[0] > overdue[1]


def test_without_a_ranker_similarity_decides() -> None:
    features = features_of([0.1, 0.9, 0.5])
    assert np.argsort(-rank_candidates(features, {})).tolist() == [1, 2, 0]


def test_a_ranker_of_older_code_is_not_asked() -> None:
    features = features_of([0.1, 0.9, 0.5])
    older = {"mean": [0.0], "scale": [1.0], "linear": [-1.0], "hidden": [[0.0]], "bias": [0.0], "out": [0.0]}
    assert np.argsort(-rank_candidates(features, older)).tolist() == [1, 2, 0]


def test_each_part_has_its_own_cosine() -> None:
    sequence, content = np.array([0.6, 0.8]), np.array([1.0, 0.0])
    item = np.concatenate([sequence * 0.25**0.5, content * 0.75**0.5]).astype(np.float32)
    found = part_similarities(item[None], item, [("sequence", 0, 2, 0.25), ("content", 2, 4, 0.75)])
    assert dict(zip(SIMILARITIES, found[0].tolist(), strict=True)) == pytest.approx(
        {"similarity": 1, "sequence_similarity": 1, "graph_similarity": 0, "content_similarity": 1}
    )


def test_every_feature_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(FEATURES)


def test_what_the_features_add_is_the_score_exactly() -> None:
    random = np.random.default_rng(0)
    features = random.normal(scale=3.0, size=(50, len(FEATURES))).astype(np.float32)
    ranker = {
        "mean": random.normal(size=len(FEATURES)),
        "scale": random.uniform(0.05, 2.0, len(FEATURES)),  # some lie beyond the limit
        "linear": random.normal(size=len(FEATURES)),
        "hidden": random.normal(size=(len(FEATURES), 8)),
        "bias": random.normal(size=8),
        "out": random.normal(size=8),
    }
    shares, rest = contributions(features, ranker)
    assert np.allclose(shares.sum(axis=1) + rest, rank_candidates(features, ranker), rtol=1e-4, atol=1e-3)
    assert np.allclose(contributions(features, {})[0].sum(axis=1), rank_candidates(features, {}))
