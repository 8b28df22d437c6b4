import json
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from recommender.experiments.assignment import arm_of, position
from recommender.experiments.guards import sample_ratio_p

KEYS = [str(UUID(int=number * 2**64 + 12_345)) for number in range(30_000)]
SCRIPT = Path(__file__).parents[2] / "recommender/static/recommender/assignment.js"
NODE = shutil.which("node")


def arms(share: float = 1.0, weights: tuple[int, ...] = (1, 1), salt: str = "a") -> list[int | None]:
    return [arm_of(salt, key, share, weights) for key in KEYS]


def test_visitors_are_spread_by_weight() -> None:
    found = arms(weights=(3, 1, 1))
    assert sample_ratio_p([found.count(place) for place in range(3)], [3, 1, 1]) > 0.001


def test_ramping_moves_nobody() -> None:
    before = arms(0.1)
    for share in (0.3, 0.31, 1.0):
        after = arms(share)
        assert all(old == new for old, new in zip(before, after, strict=True) if old is not None)
        assert after.count(None) == pytest.approx(len(KEYS) * (1 - share), abs=0.02 * len(KEYS))
        before = after


def test_arms_of_two_experiments_have_nothing_to_do_with_each_other() -> None:
    one, other = (np.array(arms(salt=salt)) for salt in ("a", "b"))
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(0.0, abs=0.02)


def test_who_takes_part_says_nothing_about_the_arm() -> None:
    taking = [place for place in arms(0.2) if place is not None]
    assert np.mean(taking) == pytest.approx(0.5, abs=0.03)


def test_nobody_takes_part_in_nothing() -> None:
    assert set(arms(0.0)) == {None}


def test_arms_without_weight_are_an_error() -> None:
    with pytest.raises(ValueError, match="give one arm a weight"):
        arm_of("a", KEYS[0], 1.0, (0, 0))


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_javascript_computes_the_same() -> None:
    keys, cases = [*KEYS[:400], "", "ключ", "鍵"], [(1.0, (1, 1)), (0.3, (3, 1, 1)), (0.5, (1, 0, 2))]
    program = f"""
        import {{ armOf, position }} from {json.dumps(SCRIPT.as_uri())};
        const keys = {json.dumps(keys)}, cases = {json.dumps(cases)}, found = {{ positions: [], arms: [] }};
        for (const key of keys) found.positions.push(await position("salt", key));
        for (const [share, weights] of cases)
          for (const key of keys) found.arms.push(await armOf("salt", key, share, weights));
        console.log(JSON.stringify(found));
    """
    argv = [str(NODE), "--input-type=module", "--eval", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["positions"] == [position("salt", key) for key in keys]
    assert found["arms"] == [arm_of("salt", key, share, weights) for share, weights in cases for key in keys]
