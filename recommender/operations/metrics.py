"""The text that Prometheus reads: what this process counted, and what the database knows of events and trainings."""

import os
from collections.abc import Iterator
from typing import Any

from django.db import Error
from django.db.models import Count
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from recommender import telemetry
from recommender.capture.ledger import OUTCOMES, lines
from recommender.conf import conf
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import TrainingRun

OURS = (
    telemetry.LIST_SECONDS,
    telemetry.EMPTY_LISTS,
    telemetry.CANDIDATES,
    telemetry.RUNG_FAILURES,
    telemetry.OPEN_BREAKERS,
)


def metrics_text() -> bytes:
    """In Prometheus' text format; without the database's part while that does not answer."""
    stored = CollectorRegistry()  # asks the database when the text is read, not before
    stored.register(_Stored())
    return generate_latest(counted()) + generate_latest(stored)


def counted() -> CollectorRegistry:
    """What this process counted; with PROMETHEUS_MULTIPROC_DIR what all of them did."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
    for metric in OURS:
        registry.register(metric)
    return registry


class _Stored(Collector):
    """Totals from the database: the same whichever process is asked."""

    def collect(self) -> Iterator[Any]:
        try:
            with reading(conf.BUDGET_MS):
                families = [_events(), _runs(), _version()]
        except Error:
            families = []
        up = GaugeMetricFamily("recommender_database_up", "Whether the database answered this question.")
        up.add_metric([], float(bool(families)))
        yield from [up, *families]


def _events() -> CounterMetricFamily:
    family = CounterMetricFamily(
        "recommender_events", "Rows that were received, by outcome.", labels=["source", "outcome"]
    )
    totals: dict[tuple[str, str], int] = {}
    for line in lines():
        for outcome in OUTCOMES:
            key = (line.source_name, outcome)
            totals[key] = totals.get(key, 0) + getattr(line, outcome)
    for labels, total in totals.items():
        family.add_metric(list(labels), total)
    return family


def _runs() -> GaugeMetricFamily:
    family = GaugeMetricFamily("recommender_runs", "Trainings by status.", labels=["status"])
    for status, count in TrainingRun.objects.order_by().values_list("status").annotate(Count("pk")):
        family.add_metric([status], count)
    return family


def _version() -> GaugeMetricFamily:
    family = GaugeMetricFamily("recommender_live_version", "Number of the version that is served; 0 for none.")
    live = live_version()
    family.add_metric([], live.pk if live else 0)
    return family
