"""Charts are right, readable without sight, and need nothing that a strict content security policy forbids."""

import re
from xml.etree import ElementTree

import pytest

from recommender.admin.charts import bar, column_chart, line_chart, number, share_text
from recommender.admin.metrics import metric_charts

SVG = "{http://www.w3.org/2000/svg}"


def points(svg: str) -> list[tuple[float, float]]:
    found = re.search(r'points="([^"]*)"', svg)
    assert found
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found[1].split())]


def test_a_falling_loss_is_drawn_as_a_falling_curve() -> None:
    drawn = points(line_chart("graph", [3.0, 2.0, 1.0]))
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    heights = [y for _, y in drawn]
    assert heights == sorted(heights), "y grows downwards in SVG"
    assert heights[1] == pytest.approx((heights[0] + heights[2]) / 2, abs=0.1)


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0], [0.0, 0.0], [-1.0, 5.0], [1e-9, 2e-9], [1e9] * 2])
def test_any_numbers_stay_inside_the_drawing(values: list[float]) -> None:
    svg = line_chart("graph", values)
    root = ElementTree.fromstring(svg)  # noqa: S314  our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points(svg))


def test_a_hundredth_up_is_no_mountain() -> None:
    """Of a training that goes on from the live version: its loss hardly moves."""
    (_, first), (_, last) = points(line_chart("sequence", [7.524, 7.534]))
    assert 0 < first - last < 10
    (_, first), (_, last) = points(line_chart("sequence", [8.0, 7.0]))
    assert last - first > 100


def test_no_values_no_chart() -> None:
    assert line_chart("graph", []) == ""


def test_the_curve_is_told_to_who_cannot_see_it() -> None:
    assert 'aria-label="graph: from 3.000 in epoch 1 to 1.000 in epoch 2"' in line_chart("graph", [3.0, 1.0])


def test_names_are_escaped_and_nothing_is_styled_or_scripted_inline() -> None:
    svg = line_chart("<script>alert(1)</script>", [1.0, 2.0]) + bar(0.5)
    assert "<script" not in svg and "style=" not in svg and "http" not in svg


@pytest.mark.parametrize(("share", "width"), [(0.25, 25.0), (-1, 0.0), (7, 100.0)])
def test_a_bar_is_as_long_as_its_share(share: float, width: float) -> None:
    found = re.search(r'class="share" width="([\d.]+)"', bar(share))
    assert found and float(found[1]) == width


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.041734, "0.04173"), (1.23456, "1.235"), (123.4, "123.4"), (4321.0, "4321")]
)
def test_numbers_have_four_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_methods_stand_best_first_and_ours_is_marked() -> None:
    metrics = {"popularity": {"ndcg@10": 0.05}, "ours": {"ndcg@10": 0.2}, "mine_too": {"odd@3": 1.0}}
    first, odd = metric_charts({"metrics": metrics})
    assert [(row.name, row.is_ours) for row in first.rows] == [("This version", True), ("What is popular", False)]
    assert (odd.name, odd.rows[0].name) == ("odd@3", "mine_too")


@pytest.mark.parametrize("verdict", [{}, {"metrics": {}}, {"metrics": None}, {"metrics": {"ours": {}}}])
def test_a_version_that_was_not_judged_has_no_charts(verdict: dict[str, object]) -> None:
    assert metric_charts(verdict) == []


@pytest.mark.parametrize(("most", "texts"), [(1, "3 2 1 0"), (897, "897 598 299 0"), (2999, "3,000 2,000 1,000 0")])
def test_counts_are_measured_by_whole_numbers(most: int, texts: str) -> None:
    svg = column_chart("views", ["Monday", "Tuesday"], [0, most])
    assert re.findall(r'text-anchor="end">([\d.,]+)<', svg) == texts.split()[::-1]


@pytest.mark.parametrize(("share", "decimals", "text"), [(0.16666, 1, "16.7 %"), (0.329, 0, "33 %"), (1, 1, "100.0 %")])
def test_shares_are_rounded_not_cut_off(share: float, decimals: int, text: str) -> None:
    assert share_text(share, decimals) == text
