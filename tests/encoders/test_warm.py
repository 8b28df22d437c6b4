"""A training that goes on from another one: rows by key, content turned back, and nothing learned that judges it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.capture.tables import ItemTable
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders import warm
from recommender.encoders.sequence import SequenceSettings
from recommender.encoders.stack import Stack, StackSettings, train_stack
from recommender.encoders.tables import Cold
from recommender.encoders.training import silent
from tests.event_logs import DAY, START, camps, catalogue

SETTINGS = StackSettings(content_dim=16, effort=0.05, sequence=SequenceSettings(length=16, batch=32))
SEEN_UNTIL = START + 20 * DAY


def without(items: ItemTable, *gone: int) -> ItemTable:
    keep = [place for place, key in enumerate(items.item.tolist()) if key not in gone]
    return ItemTable(
        items.item[keep],
        [items.title[place] for place in keep],
        [items.text[place] for place in keep],
        {name: [values[place] for place in keep] for name, values in items.attributes.items()},
        items.price_cents[keep] if items.price_cents is not None else None,
    )


@pytest.fixture(scope="module")
def stack() -> Stack:
    return train_stack(camps(), catalogue(40), SETTINGS, lambda _: silent)


@pytest.fixture(scope="module")
def left(stack: Stack) -> warm.Left:
    return warm.read(warm.leave(stack, catalogue(40), SEEN_UNTIL, START))


def begin(left: warm.Left | Cold, items: ItemTable, **changes: object) -> warm.Beginning:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return warm.begin(left, items, settings, SEEN_UNTIL + DAY, 365.0, lambda _: silent)


def test_what_is_left_comes_back_in_half_precision(stack: Stack, left: warm.Left) -> None:
    assert (left.seen_until, left.began, left.items.keys.tolist()) == (SEEN_UNTIL, START, list(range(1, 41)))
    assert np.allclose(left.content, stack.vectors["content"], atol=2e-3)
    for encoder, state in stack.states.items():
        assert left.states[encoder].keys() == state.keys()
        assert all(torch.allclose(left.states[encoder][name], value, atol=1e-2) for name, value in state.items())


def test_the_same_stack_leaves_the_same_bytes(stack: Stack) -> None:
    items = catalogue(40)
    assert warm.leave(stack, items, 1, 0) == warm.leave(stack, items, 1, 0)


def test_text_keys_come_back_as_text(stack: Stack) -> None:
    keys = np.array([f"sku-{number:02}" for number in range(40)])
    named = replace(stack, items=Vocabulary(keys))
    assert warm.read(warm.leave(named, catalogue(40), 1, 0)).items.keys.tolist() == keys.tolist()


def test_rows_follow_their_items_and_a_new_item_starts_from_its_content(left: warm.Left) -> None:
    items = without(catalogue(43), 1, 7)  # 1 and 7 are gone, 41 to 43 are new
    start = begin(left, items).start
    assert start is not None
    table = start.states["sequence"]["own.weight"]
    rows = Vocabulary(items.item).rows(np.array([2, 40, 41, 43]))
    assert torch.equal(table[rows[:2]], left.states["sequence"]["own.weight"][[2, 40]])
    assert not table[rows[2:]].any()
    assert len(start.content) == len(table) == len(items) + 1


def test_content_is_turned_back_onto_what_the_encoders_know(left: warm.Left) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0].astype(np.float32)
    rows = np.r_[0, np.arange(40, 0, -1)]
    turned = left.content[rows] @ turn
    assert np.allclose(turned @ warm.alignment(turned, left.content, rows), left.content[rows], atol=1e-4)


def test_an_unchanged_catalogue_keeps_its_content(left: warm.Left) -> None:
    start = begin(left, catalogue(40)).start
    assert start is not None and (start.content == left.content).all()


def test_a_changed_attribute_makes_new_content(left: warm.Left) -> None:
    items = catalogue(40)
    items.attributes["camp"] = ["odd", *items.attributes["camp"][1:-1], "odd"]
    start = begin(left, items).start
    assert start is not None and not np.allclose(start.content, left.content, atol=1e-3)


@pytest.mark.parametrize(
    ("validation_start", "full_training_days", "expected"),
    [
        (SEEN_UNTIL, 365.0, None),
        (SEEN_UNTIL - 1, 365.0, Cold.EARLIER),
        (START + 27 * DAY, 27.1, None),
        (START + 27 * DAY, 27.0, Cold.DUE),
        (SEEN_UNTIL, 0.0, Cold.DUE),
    ],
)
def test_only_what_is_recent_and_has_not_seen_the_validation_is_gone_on_from(
    left: warm.Left, validation_start: int, full_training_days: float, expected: Cold | None
) -> None:
    items = catalogue(40)
    beginning = warm.begin(left, items, SETTINGS, validation_start, full_training_days, lambda _: silent)
    assert beginning.cold == expected
    assert beginning.began == (START if expected is None else validation_start)


def test_other_settings_begin_anew(left: warm.Left) -> None:
    assert begin(left, catalogue(40), content_dim=24).cold == Cold.SETTINGS
    assert begin(left, catalogue(40), sequence=SequenceSettings(blocks=1)).cold == Cold.SETTINGS
    assert begin(left, catalogue(40), text_encoder="bert-base-chinese").cold == Cold.SETTINGS


def test_encoders_whose_parameters_other_code_named_begin_anew(left: warm.Left) -> None:
    renamed = {"graph": left.states["graph"], "sequence": {"own.weight": left.states["sequence"]["own.weight"]}}
    assert begin(replace(left, states=renamed), catalogue(40)).cold == Cold.SETTINGS


def test_a_new_catalogue_begins_anew(left: warm.Left) -> None:
    assert begin(replace(left, items=Vocabulary(np.arange(1_000, 1_040))), catalogue(40)).cold == Cold.CATALOGUE


def test_a_reason_to_begin_anew_is_kept() -> None:
    assert begin(Cold.ASKED, catalogue(40)) == warm.Beginning(None, Cold.ASKED, SEEN_UNTIL + DAY)
