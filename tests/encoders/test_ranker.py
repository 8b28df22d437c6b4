import numpy as np
import torch

from recommender.dataset.ranking_features import FEATURES, rank_candidates
from recommender.encoders.ranker import Example, Ranker, RankerSettings, fit_ranker, start_of

RNG = np.random.default_rng(0)


def world(column: str, visitors: int = 40) -> list[Example]:
    """Each visitor takes the candidate with the largest value in `column`; habits say nothing unless they are it."""
    place = FEATURES.index(column)
    features = [RNG.random((30, len(FEATURES))).astype(np.float32) for _ in range(visitors)]
    for x in features:
        x[:, FEATURES.index("habit")] *= column == "habit"
    right = [np.arange(30) == x[:, place].argmax() for x in features]
    return [Example(x, y, y) for x, y in zip(features, right, strict=True)]


def test_it_finds_the_feature_that_decides() -> None:
    examples = world("taken_30", visitors=150)
    ranker = fit_ranker(examples)
    found = [example.first[rank_candidates(example.features, ranker).argmax()] for example in examples]
    assert np.mean(found) > 0.8  # chance is .03, and the start knows nothing of popularity


def test_what_never_varied_in_training_says_nothing_later() -> None:
    examples = world("taken_30", visitors=60)
    place = FEATURES.index("interest_2")
    for example in examples:
        example.features[:, place] = 0.0
    ranker = fit_ranker(examples)
    asked = examples[0].features.copy()
    before = rank_candidates(asked, ranker)
    asked[:, place] = 3.0
    assert np.allclose(rank_candidates(asked, ranker), before, atol=1e-4)


def test_its_start_ranks_by_own_purchases_whatever_was_learned() -> None:
    examples = world("taken_30", visitors=150)
    start = start_of(fit_ranker(examples))
    asked = examples[0].features.copy()
    own = FEATURES.index("own_120")
    asked[:, own] = RNG.permutation(30) / 5.0
    assert rank_candidates(asked, start).argmax() == asked[:, own].argmax()
    assert start_of(start) == start
    assert start_of({}) == {}


def test_where_habits_tell_more_than_own_purchases_they_are_the_start() -> None:
    start = start_of(fit_ranker(world("habit", visitors=60)))
    weights = dict(zip(FEATURES, start["linear"], strict=True))
    assert weights["habit"] > 1
    assert weights["own_120"] == 0


def test_numpy_and_torch_score_alike() -> None:
    torch.manual_seed(0)
    model = Ranker(torch.randn(len(FEATURES)), torch.rand(len(FEATURES)) + 0.5, RankerSettings()).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x = RNG.random((20, len(FEATURES))).astype(np.float32)
    assert np.allclose(rank_candidates(x, model.as_json()), model(torch.from_numpy(x)).detach().numpy(), atol=1e-4)


def test_too_few_visitors_leave_the_order_to_similarity() -> None:
    assert fit_ranker(world("own_120", visitors=9)) == {}
