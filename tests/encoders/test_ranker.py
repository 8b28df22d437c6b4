import numpy as np
import torch

from recommender.dataset.ranking_features import FEATURES, contributions, rank_candidates
from recommender.encoders.listwise import Example, NetworkSettings, Ranker, averaged, learned
from recommender.encoders.ranker import fit_ranker, start_of

RNG = np.random.default_rng(0)
MEAN = torch.from_numpy(RNG.standard_normal(len(FEATURES)).astype(np.float32))
SCALE = torch.from_numpy(RNG.random(len(FEATURES)).astype(np.float32) + 0.5)
HABIT, IS_KNOWN, IS_REPEAT, TAKEN = (FEATURES.index(name) for name in ("habit", "is_known", "is_repeat", "taken"))


def world(column: str, visitors: int = 40) -> list[Example]:
    """Each visitor takes the candidate with the largest value in `column`; habits say nothing unless they are it."""
    place = FEATURES.index(column)
    features = [RNG.random((30, len(FEATURES))).astype(np.float32) for _ in range(visitors)]
    for x in features:
        x[:, HABIT] *= column == "habit"
        x[:, IS_REPEAT] = 0.0
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
    start = start_of(fit_ranker(world("own_120", visitors=60)))
    asked = world("own_120", visitors=1)[0].features
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


def launches(taken_by: int, visitors: int = 160) -> list[Example]:
    """Each visitor takes the most popular candidate; those from number `taken_by` on one that nobody had taken, too."""
    examples, rng = [], np.random.default_rng(0)
    for number in range(visitors):
        x = rng.random((30, len(FEATURES))).astype(np.float32)
        x[:, [HABIT, IS_REPEAT, IS_KNOWN]] = 0.0
        x[:, TAKEN] = np.where(np.arange(30) < 10, 0.0, 1.0 + x[:, TAKEN])
        x[:10, FEATURES.index("taken_30")] = 0.0
        first = np.arange(30) == x[:, FEATURES.index("taken_30")].argmax()
        cold = (np.arange(30) == number % 10) & (number >= taken_by)
        examples.append(Example(x, first, first | cold))
    return examples


def test_what_nobody_has_taken_is_lifted_as_far_as_it_may_cost() -> None:
    examples = launches(taken_by=130)
    without, lifted = (fit_ranker(examples, cold_item_cost=cost) for cost in (0.0, 0.2))
    for example in examples:
        gain = rank_candidates(example.features, lifted) - rank_candidates(example.features, without)
        assert (gain[:10] > 0.1).all()
        assert np.allclose(gain[:10], gain[0], atol=1e-4)
        assert np.allclose(gain[10:], 0.0, atol=1e-4)  # one taking ends it
        shares, rest = contributions(example.features, lifted)
        assert np.allclose(shares.sum(axis=1) + rest, rank_candidates(example.features, lifted), atol=1e-4)


def test_where_nobody_takes_such_items_they_are_not_lifted() -> None:
    examples = launches(taken_by=1000)
    without, lifted = (fit_ranker(examples, cold_item_cost=cost) for cost in (0.0, 0.2))
    assert lifted == without


def kitchen(visitors: int = 160) -> list[Example]:
    """Each visitor takes the strongest habit first, and later what is most popular of the rest."""
    examples = []
    for each in world("habit", visitors):
        x = each.features
        x[:, IS_KNOWN] = x[:, IS_REPEAT] = np.arange(30) < 10
        x[10:, HABIT] = 0.0
        first = np.arange(30) == x[:, HABIT].argmax()
        later = first | (np.arange(30) == 10 + x[10:, FEATURES.index("taken_30")].argmax())
        examples.append(Example(x, first, later))
    return examples


def test_where_habits_are_known_they_order_what_was_bought_and_the_rest_is_learned() -> None:
    examples = kitchen()
    ranker = fit_ranker(examples)
    found_first, found_later = [], []
    for example in examples:
        scores = rank_candidates(example.features, ranker)
        found_first.append(scores.argmax() < 10)
        found_later.append(example.later[10 + scores[10:].argmax()])
    assert np.mean(found_first) > 0.95  # whatever was learned of the rest, habits come first
    assert np.mean(found_later) > 0.7  # chance is .05
    changed = examples[0].features.copy()
    changed[:10, FEATURES.index("taken_30")] += 3.0
    before = rank_candidates(examples[0].features, ranker)
    assert np.array_equal(rank_candidates(changed, ranker)[:10], before[:10])


def test_shares_of_a_score_add_up_to_it_for_habits_and_for_the_rest() -> None:
    examples = kitchen()
    ranker = fit_ranker(examples)
    assert "again" in ranker
    shares, rest = contributions(examples[0].features, ranker)
    assert np.allclose(shares.sum(axis=1) + rest, rank_candidates(examples[0].features, ranker), atol=1e-3)


def random_network(hidden: int = 8) -> Ranker:
    model = Ranker(MEAN, SCALE, hidden).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def test_an_average_of_networks_scores_the_average() -> None:
    torch.manual_seed(0)
    networks = [random_network(), random_network(), random_network(4)]
    x = RNG.random((20, len(FEATURES))).astype(np.float32)
    mean = np.mean([network.scores(x) for network in networks], axis=0)
    assert np.allclose(averaged(networks).scores(x), mean, atol=1e-4)


def test_numpy_and_torch_score_alike() -> None:
    torch.manual_seed(0)
    model = random_network(32)
    x = RNG.random((20, len(FEATURES))).astype(np.float32)
    assert np.allclose(rank_candidates(x, model.as_json()), model(torch.from_numpy(x)).detach().numpy(), atol=1e-4)


def test_weights_decay_to_the_start_and_not_to_nothing() -> None:
    """Few visitors correct the start; they do not replace it."""
    visitors = world("taken_30", visitors=4)
    settings = NetworkSettings(hidden=2, steps=100, batch=4, dropout=0.0, weight_decay=30.0)
    network = Ranker.of(visitors, settings)
    network.linear.weight.data.fill_(3.0)
    kept = learned(network, visitors, settings, 0, lambda model, _visitors: 0.0 * model.linear.weight.sum())
    assert torch.allclose(kept.linear.weight, torch.tensor(3.0))


def test_too_few_visitors_leave_the_order_to_similarity() -> None:
    assert fit_ranker(world("own_120", visitors=9)) == {}
