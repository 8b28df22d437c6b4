"""The compression benchmark compares like with like."""

import numpy as np
import pytest

from benchmarks.compression import by_turns, markdown, overlap, stored


def test_half_of_the_bytes_keep_the_nearest() -> None:
    random = np.random.default_rng(0)
    items = random.normal(size=(400, 64)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    found = stored(items, items[:20])
    plain, half = found["vector"], found["halfvec"]
    assert 0.4 < half["table_bytes"] / plain["table_bytes"] < 0.7
    assert plain["exact_overlap@10"] == 1.0
    assert half["exact_overlap@10"] > 0.95
    assert half["index_overlap@10"] > 0.9


def test_ways_are_timed_on_the_same_questions() -> None:
    asked: dict[str, list[int]] = {"a": [], "b": []}
    took = by_turns({name: asked[name].append for name in asked}, 3)
    assert asked["a"] == asked["b"] == [0, 0, 0, 0, 0, 0, 1, 2]
    assert set(took) == {"a", "b"}


def test_overlap_is_the_share_of_ten() -> None:
    first = np.arange(20).reshape(2, 10)
    assert overlap(first, first[:, ::-1]) == 1.0
    assert overlap(first, first + 5) == pytest.approx(0.5)


def test_the_table_has_a_line_a_compression() -> None:
    size = {"table_bytes": 10, "index_bytes": 20, "exact_ms": 1.0, "index_ms": 2.0}
    kept = {"exact_overlap@10": 1.0, "index_overlap@10": 0.9}
    ways = ("plain", "halfvec", "halfvec and int8")
    found = {
        "vectors": {name: size | kept for name in ("vector", "halfvec")},
        "encoder": {name: {"bytes": 4, "ms": 1.0, "overlap@10": 1.0} for name in ("float32", "int8")},
        "ndcg@10": {name: {"next": 0.2} for name in ways},
        "overlap@10": {name: {"next": 1.0} for name in ways},
    }
    lines = markdown(found).splitlines()
    assert len(lines) == 5
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
