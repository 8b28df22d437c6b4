import math

import pytest
import torch

from recommender.encoders.augmentation import VIEWS, View, contrast, crop, mask, reorder
from recommender.encoders.sequence import VisitorTransformer

LENGTHS = (10, 5, 1)


def histories() -> View:
    """Three histories, right-padded: event p of any of them has vector (p + 1, 1), kind p % 4 + 1 and age 90 - p."""
    place = torch.arange(10).expand(3, 10)
    present = place < torch.tensor(LENGTHS)[:, None]
    vectors = torch.stack([place + 1.0, torch.ones(3, 10)], dim=-1)
    return View(vectors, (place % 4 + 1) * present, (90.0 - place) * present)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_is_one_piece_of_each_history(seed: int) -> None:
    before, after = histories(), crop(histories(), generator(seed))
    for row, kept in enumerate((6, 3, 1)):
        left = torch.nonzero(after.kinds[row]).ravel()
        assert len(left) == kept and (left.diff() == 1).all()
        assert torch.equal(after.kinds[row, left], before.kinds[row, left])
        assert torch.equal(after.ages_seconds[row] > 0, after.kinds[row] > 0)


def test_crops_begin_anywhere_in_the_history() -> None:
    begins = {int(crop(histories(), generator(seed)).kinds[0].nonzero()[0]) for seed in range(60)}
    assert begins == set(range(5))


def test_a_mask_hides_items_and_keeps_that_something_happened() -> None:
    before, after = histories(), mask(histories(), generator())
    hidden = (after.vectors == 0).all(dim=-1)
    assert 0 < hidden.sum() < hidden.numel() / 2
    assert torch.equal(after.vectors[~hidden], before.vectors[~hidden])
    assert torch.equal(after.kinds, before.kinds) and torch.equal(after.ages_seconds, before.ages_seconds)


@pytest.mark.parametrize("seed", range(5))
def test_a_reordering_shuffles_one_piece_and_leaves_the_times(seed: int) -> None:
    before, after = histories(), reorder(histories(), generator(seed))
    assert torch.equal(after.ages_seconds, before.ages_seconds)
    places = after.vectors[..., 0].long() - 1  # where each event stood
    assert torch.equal(places.sort(dim=1).values, torch.arange(10).expand(3, 10))
    for row, most in enumerate((6, 3, 1)):
        moved = torch.nonzero(places[row] != torch.arange(10)).ravel()
        assert len(moved) == 0 or int(moved.max() - moved.min()) < most
        assert (places[row, LENGTHS[row] :] == torch.arange(10)[LENGTHS[row] :]).all()
        assert torch.equal(after.kinds[row], before.kinds[row, places[row]])
    assert not torch.equal(places[0], torch.arange(10))


@pytest.mark.parametrize("names", [[name] for name in VIEWS] + [list(VIEWS)])
def test_the_contrast_falls_where_histories_differ_and_views_of_one_agree(names: list[str]) -> None:
    torch.manual_seed(0)
    encoder = VisitorTransformer(dim=8, dropout=0.0)
    kinds, ages = torch.ones(6, 12, dtype=torch.int64), torch.arange(12, 0, -1.0).expand(6, 12)
    own = torch.nn.functional.normalize(torch.randn(6, 1, 8), dim=-1).expand(6, 12, 8)
    alike = contrast(encoder, View(own, kinds, ages), names, generator())
    same = contrast(encoder, View(own[:1].expand(6, 12, 8), kinds, ages), names, generator())
    assert alike < 0.5 < same
    assert same.item() == pytest.approx(math.log(6), abs=0.3)


def test_a_single_history_has_nothing_to_differ_from() -> None:
    encoder = VisitorTransformer(dim=2, heads=1)
    one = View(*(tensor[:1] for tensor in histories()))
    assert contrast(encoder, one, ["crop"], generator()) == 0
