import numpy as np

from recommender.dataset.habits import HabitExample
from recommender.dataset.ranking_features import HABIT_INPUTS, habit
from recommender.encoders.habits import fit_habits

RNG = np.random.default_rng(0)
BOUGHT, OVERDUE = HABIT_INPUTS.index("is_repeat"), HABIT_INPUTS.index("overdue")


def visitor() -> HabitExample:
    """Twenty items that were bought before; the one that is long overdue is bought next."""
    inputs = RNG.random((20, len(HABIT_INPUTS))).astype(np.float32)
    inputs[RNG.integers(20), OVERDUE] = 2.0
    inputs[:, BOUGHT] = 1.0
    return HabitExample(inputs, np.arange(20) == inputs[:, OVERDUE].argmax())


def test_it_learns_what_makes_people_buy_again() -> None:
    habits = fit_habits([visitor() for _ in range(300)], steps=400)
    asked = [visitor() for _ in range(100)]
    found = [example.again[habit(example.inputs, habits).argmax()] for example in asked]
    assert np.mean(found) > 0.9  # chance is .05


def test_what_was_never_bought_is_no_habit_and_what_was_is_hardly_less() -> None:
    habits = fit_habits([visitor() for _ in range(300)], steps=50)
    inputs = visitor().inputs
    inputs[:10, BOUGHT] = 0.0
    found = habit(inputs, habits)
    assert (found[:10] == 0).all()
    assert (found >= 0).all()
    assert (found[10:] > 0).mean() > 0.6


def test_the_same_seed_gives_the_same_habits() -> None:
    examples = [visitor() for _ in range(220)]
    assert fit_habits(examples, seed=1, steps=20) == fit_habits(examples, seed=1, steps=20)


def test_few_who_rebuy_teach_nothing() -> None:
    assert fit_habits([visitor() for _ in range(199)]) == {}
    assert (habit(visitor().inputs, {}) == 0).all()
