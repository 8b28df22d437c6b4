"""The gate's numbers as bars: this version beside the methods that it had to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from recommender.admin.charts import bar
from recommender.admin.labels import METRICS, RANKERS, label


@dataclass(frozen=True, slots=True)
class Row:
    """One method under one metric; `is_ours` marks the version itself."""

    name: str
    value: str
    bar: SafeString
    is_ours: bool


@dataclass(frozen=True, slots=True)
class MetricChart:
    """One metric: its name and meaning in words, and a row a method, the best first."""

    name: str
    meaning: str
    rows: list[Row]


def metric_charts(verdict: Mapping[str, Any]) -> list[MetricChart]:
    """One chart a metric that the verdict has, in the order of METRICS; empty for a version that was not judged."""
    measured: Mapping[str, Mapping[str, float]] = verdict.get("metrics") or {}
    names = list(dict.fromkeys([*METRICS, *(name for values in measured.values() for name in values)]))
    charts = (_chart(name, {who: values[name] for who, values in measured.items() if name in values}) for name in names)
    return [chart for chart in charts if chart.rows]


def _chart(metric: str, values: Mapping[str, float]) -> MetricChart:
    name, meaning = METRICS.get(metric, (metric, ""))
    best = max(values.values(), default=0.0) or 1.0
    ordered = sorted(values.items(), key=lambda pair: -pair[1])
    rows = [
        Row(label(RANKERS, who), f"{value:.4f}", bar(value / best, "ours" if who == "ours" else "other"), who == "ours")
        for who, value in ordered
    ]
    return MetricChart(str(name), str(meaning), rows)
