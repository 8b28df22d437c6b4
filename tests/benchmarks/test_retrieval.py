"""The retrieval benchmark counts its truth right, and what processes hold."""

import json
import os
import subprocess

import numpy as np

from benchmarks.process_memory import PeakMemory, children, cpu_ms, held_mb, high_water_mb, resident_mb
from benchmarks.results_store import RESULTS
from benchmarks.retrieval import K, exact, markdown
from benchmarks.retrieval_shop import DIM, asked_for, kept, made_up_vectors


def test_the_truth_is_the_nearest_of_what_is_kept() -> None:
    vectors = made_up_vectors(3_000)
    query, allowed = asked_for(vectors, 1)[0], kept(3_000, 20)
    order = np.argsort(-(vectors @ query))
    expected = [row + 1 for row in order if allowed[row]][:K]
    assert set(exact(vectors, query, allowed)) == set(expected)


def test_a_filter_keeps_its_share() -> None:
    assert kept(10_000, 1).sum() == 100 and kept(10_000, 20).sum() == 2_000


def test_made_up_vectors_are_clustered_and_asked_for_where_they_are() -> None:
    vectors = made_up_vectors(4_000)
    assert vectors.shape == (4_000, DIM) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    best = np.sort(vectors[:200] @ vectors.T, axis=1)[:, -10]
    assert np.median(best) > 3 * np.abs(vectors[:200] @ vectors.T).mean()
    assert (asked_for(vectors, 5) @ vectors.T).max(axis=1).min() > 0.7


def test_memory_and_processor_time_of_a_process_are_seen() -> None:
    pid, before = os.getpid(), cpu_ms(os.getpid())
    with PeakMemory(pid) as peak:
        held = np.ones(60_000_000)  # 480 MB
        for _ in range(20):
            held += 1.0
    assert peak.mb > held_mb(pid) - 100 and peak.mb > 480
    assert high_water_mb(pid) >= resident_mb(pid) > 480
    assert cpu_ms(pid) > before
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in children(pid)
        child.kill()
    assert child.pid not in children(pid)


def test_the_report_says_which_bars_are_met() -> None:
    found = json.loads((RESULTS / "retrieval.json").read_text())["100000"]
    found["plain"]["ours_over_plain"] = 1.2
    assert "missed" not in markdown(found)
    found["situations"]["filter of 1 %"]["full_lists"] = 0.99
    found["plain"]["ours_over_plain"] = 1.4
    assert "full lists: missed" in markdown(found) and "by hand: missed" in markdown(found)
