import numpy as np
import pytest

from recommender.capture.tables import ItemTable
from recommender.dataset.words import WordWeights, words_of

TEXTS = ["fresh banana", "dried banana", "garden hose", "garden rake", "garden hose long", "全脂牛奶", "脱脂牛奶"]


@pytest.fixture
def words() -> WordWeights:
    return WordWeights.of(ItemTable(np.arange(len(TEXTS)), TEXTS, TEXTS, {"shelf": ["a", "a", *"bbb", *"cc"]}))


@pytest.mark.parametrize(
    ("typed", "meant", "all_known"),
    [
        ("banana", "banana", True),
        ("bananna", "banana", True),
        ("Gardn HOSE", "garden hose", True),
        ("qwerty hose", "hose", False),
        ("zzz", "", False),
        ("牛奶", "牛奶", True),
        ("", "", False),
    ],
)
def test_an_unknown_word_is_read_as_the_most_similar_one(
    words: WordWeights, typed: str, meant: str, all_known: bool
) -> None:
    assert words.spelled(typed) == (meant, all_known)


def test_common_words_count_less_and_lone_ones_only_as_length(words: WordWeights) -> None:
    strengths = words.strengths(["garden", "hose"], [["garden", "hose"], ["garden", "rake"], ["lone"]])
    assert strengths[0] > strengths[1] > strengths[2] == 0.0


def test_one_of_several_values_is_the_same_word_wherever_it_stands() -> None:
    items = ItemTable(np.arange(2), ["", ""], ["", ""], {"tag": ["Red, Blue", "blue ;red"]})
    first, second = words_of(items)
    assert set(first) == set(second) == {"tag=red", "tag=blue"}
