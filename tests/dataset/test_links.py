import numpy as np
import pytest
import scipy.sparse as sp

from recommender.capture.tables import VIEW, ItemTable
from recommender.dataset import links as link_module
from recommender.dataset.ease_links import pack_ease, unpack_ease
from recommender.dataset.link_packing import follow, newest_different, pack_links, strongest, unpack_links
from recommender.dataset.links import alike, ease, follows, link_items, packed
from recommender.dataset.ranking_features import LINKS, RELATIONS
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.vocabulary import Vocabulary
from tests.event_logs import DAY, START, log_of

ITEMS = Vocabulary(np.arange(4))


def table(*texts: str) -> ItemTable:
    return ItemTable(np.arange(len(texts)), texts, texts, {"brand": ["x"] * len(texts)})


def grouped(*visits: list[int]) -> Histories:
    """Each visitor takes one item a day."""
    rows = [(v, item, VIEW, START + day * DAY) for v, items in enumerate(visits) for day, item in enumerate(items)]
    return histories(log_of(sorted(rows, key=lambda row: row[3])), ITEMS)


def test_what_follows_is_not_what_went_before() -> None:
    found = follows(grouped([0, 1], [0, 1], [0, 1]), 5)
    assert found[1, 2] > 0
    assert found[2, 1] == 0


def test_a_longer_way_weighs_less_and_a_basket_goes_both_ways() -> None:
    found = follows(grouped([0, 1, 2], [0, 1, 2]), 5)
    assert found[1, 2] > found[1, 3] > 0
    together = histories(log_of([(1, 0, VIEW, START), (1, 1, VIEW, START)]), ITEMS)
    basket = follows(together, 5)
    assert basket[1, 2] == basket[2, 1] > 0


def test_repeating_a_pair_within_a_day_does_not_push_it() -> None:
    once = log_of([(1, 0, VIEW, START), (1, 1, VIEW, START + 60)])
    often = log_of([(1, minute % 2, VIEW, START + 60 * minute) for minute in range(40)])
    pushed, honest = (follows(histories(log, ITEMS), 5)[1, 2] for log in (often, once))
    assert pushed == honest


def test_ease_leads_to_what_the_same_visitors_took() -> None:
    found = ease(grouped(*[[0, 1]] * 30, *[[2, 3]] * 30), 5).toarray()
    assert found[1].argmax() == 2
    assert found[3].argmax() == 4
    assert np.all(np.diag(found) == 0)


def test_content_links_an_item_that_nobody_took() -> None:
    found = alike(table("red shampoo", "blue shampoo", "dog food", "dog toy")).toarray()
    assert found[1].argmax() == 2
    assert found[3].argmax() == 4


def test_words_without_spaces_between_them_are_told_apart() -> None:
    found = alike(table("洗发水红色", "洗发水蓝色", "狗粮小包", "狗粮大包")).toarray()
    assert found[1, 2] > found[1, 3]
    assert found[3, 4] > found[3, 2]


def test_items_without_a_word_or_a_visitor_have_no_link() -> None:
    empty = ItemTable(np.arange(3), [""] * 3, [""] * 3)
    links = link_items(histories(log_of([]), Vocabulary(np.arange(3))), empty)
    assert sum(matrix.nnz for matrix in links.values()) == 0
    assert packed(links) == [b""] * 4


def test_bytes_and_matrices_lead_to_the_same_items() -> None:
    log = grouped([0, 1, 2], [0, 1, 3], [1, 2])
    links = link_items(log, table("a b", "a c", "b c", "d"))
    rows, strengths = unpack_links(packed(links)[1])
    for relation, column in zip(RELATIONS, strengths.T, strict=True):
        dense = links[relation].toarray()[1]
        assert np.allclose(dense[rows], column)
        assert np.isclose(dense.sum(), column.sum())


def test_a_few_rows_at_a_time_pack_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = link_items(grouped([0, 1, 2], [0, 1, 3], [1, 2]), table("a b", "a c", "b c", "d"))
    whole = packed(made)
    monkeypatch.setattr(link_module, "ENTRIES", 3)
    assert packed(made) == whole


def test_links_of_the_newest_items_weigh_most() -> None:
    places, weights = newest_different(["a", "b", "a", "c"], np.array([0, 1, 2, 3]))
    assert places == [1, 2, 3]  # the newest event of each
    assert (np.diff(weights, axis=0) > 0).all()


def test_links_of_several_items_add_up_and_the_strongest_are_candidates() -> None:
    one = pack_links(np.array([7, 9]), np.array([[0.5, 0, 0], [0.25, 0, 0]], np.float32))
    two = pack_links(np.array([9]), np.array([[0.5, 0, 1.0]], np.float32))
    followed = follow([one, two], np.array([[1.0, 1.0], [0.5, 1.0]], np.float32))
    assert (followed.owner.tolist(), followed.rows.tolist()) == ([0, 0, 1], [7, 9, 9])
    rows, sums = followed.added_up()
    assert rows.tolist() == [7, 9]
    assert sums[1, LINKS.index("follow_now")] == 0.5
    assert sums[1, LINKS.index("follow_lately")] == 0.75
    assert sums[1, LINKS.index("content_now")] == 0.5
    assert strongest(rows, sums, 1).tolist() == [7, 9]  # the best of one relation, and of another
    assert strongest(rows, sums[:, :1] * 0, 1).tolist() == []


def test_a_visitor_without_links_leads_nowhere() -> None:
    rows, sums = follow([], np.zeros((0, 2), np.float32)).added_up()
    assert (rows.shape, sums.shape) == ((0,), (0, len(LINKS)))


def test_all_that_a_visitor_ever_took_leads_on_by_ease() -> None:
    matrix = sp.csr_matrix(
        (np.array([0.5, 0.25, 1.0], np.float32), ([2, 2, 4], [4, 5, 5])), shape=(6, 6)
    )  # row 2 leads to 4 and 5, row 4 to 5
    keys = np.array(["a", "b", "c", "d", "e"])
    content = pack_ease(keys, matrix.indptr, matrix.indices, matrix.data)
    links = unpack_ease(content, lambda found: [str(key).upper() for key in found])
    rows, strengths = links.added_up(["B", "D", "X"])
    assert (rows.tolist(), strengths.tolist()) == ([4, 5], [0.5, 1.25])
    assert [len(part) for part in links.added_up(["A", "E"])] == [0, 0]
