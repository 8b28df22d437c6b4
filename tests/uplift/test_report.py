"""A result may be read when it is ready, and is withheld where the split is broken."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from recommender.capture.tables import CLICK
from recommender.exceptions import ExperimentRefused
from recommender.models import Arm, Event, Experiment, Visitor
from recommender.serving.arms import arm_of, forget_running
from recommender.uplift.attribution import COLUMNS, Outcomes
from recommender.uplift.lifecycle import start, stop
from recommender.uplift.report import Reading, compare, read, read_preferences
from tests.experiment_worlds import run_experiment, visitor_in
from tests.worlds import make_products, write_tiny_version

ARMS = [Arm(pk=1, name="Classic", weight=1, is_control=True), Arm(pk=2, name="Ours", weight=1)]


def people(seed: int, lift: float, visitors: tuple[int, int] = (3_000, 3_000), **changes: Any) -> Outcomes:
    """Visitors of arms 1 and 2, the second of which clicks more by `lift`; taste comes from the past."""
    random = np.random.default_rng(seed)
    n = sum(visitors)
    arm = np.repeat([1.0, 2.0], visitors)
    taste = random.gamma(2.0, 1.0, n)
    slots = 12.0 * random.integers(1, 6, n)
    rate = np.minimum(0.02 * taste * np.where(arm == 2, 1 + lift, 1.0), 0.5)
    clicks = random.binomial(slots.astype(int), rate).astype(float)
    zeros = np.zeros(n)
    table = {name: zeros for name in COLUMNS} | {"arm": arm, "slots": slots, "clicks": clicks}
    table |= {"orders": np.minimum(clicks, 1), "purchases": clicks, "revenue_cents": 100 * clicks}
    return Outcomes(table | {"purchases_before": random.poisson(20 * taste).astype(float)} | changes)


def reading(found: Outcomes, days: float = 14, min_days: int = 14) -> Reading:
    return compare(ARMS, found, days, min_days, wanted_lift=0.05)


def test_a_real_lift_is_found_in_every_metric() -> None:
    ours = reading(people(1, 0.3)).arms[1]
    for metric in ("ctr", "orders", "revenue", "conversion"):
        lift = ours.lifts[metric]
        assert lift is not None and lift.low > 0, metric
    assert ours.lifts["ctr"].estimate == pytest.approx(0.3, abs=0.1)


def test_means_are_the_sums_divided() -> None:
    found = people(1, 0.3)
    arm, columns = reading(found).arms[0], found.counted(1)
    assert arm.means["ctr"] == pytest.approx(columns["clicks"].sum() / columns["slots"].sum())
    assert arm.means["conversion"] == pytest.approx((columns["orders"] > 0).mean())
    assert arm.means["revenue"] == pytest.approx(columns["revenue_cents"].sum() / 3_000)
    assert arm.counts["visitors"] == 3_000


def test_history_narrows_the_interval() -> None:
    ours = reading(people(1, 0.3)).arms[1]
    plain, narrowed = ours.lifts["ctr"], ours.narrowed["ctr"]
    assert plain is not None and narrowed is not None
    assert narrowed.high - narrowed.low < 0.9 * (plain.high - plain.low)


def test_without_history_the_narrowed_lift_is_the_plain_one() -> None:
    ours = reading(people(1, 0.3, purchases_before=np.zeros(6_000))).arms[1]
    assert ours.narrowed == ours.lifts


def test_a_broken_split_is_told() -> None:
    found = reading(people(1, 0.3, visitors=(3_000, 3_400)))
    assert found.is_mismatched
    assert not reading(people(1, 0.3)).is_mismatched


def test_a_young_experiment_waits() -> None:
    wait = reading(people(1, 0.3), days=3).wait
    assert wait is not None
    assert wait.days == 11


def test_more_arms_need_more_certainty() -> None:
    three = [*ARMS, Arm(pk=3, name="Third", weight=1)]
    two_lift = reading(people(1, 0.3)).arms[1].lifts["ctr"]
    three_lift = compare(three, people(1, 0.3), 14, 14, 0.05).arms[1].lifts["ctr"]
    assert two_lift is not None and three_lift is not None
    assert three_lift.low < two_lift.low


def test_nobody_yet_is_no_result() -> None:
    empty = Outcomes({name: np.zeros(0) for name in COLUMNS})
    found = reading(empty)
    assert found.arms[1].lifts["ctr"] is None
    assert found.wait is not None


def test_a_reading_survives_being_stored() -> None:
    import json

    found = reading(people(1, 0.3))
    assert Reading.from_json(json.loads(json.dumps(found.as_json()))) == found


# --- start and stop


def draft(*strategies: str, control: int | None = 0, weight: int = 1) -> Experiment:
    experiment = Experiment.objects.create(name="Draft")
    for place, strategy in enumerate(strategies):
        Arm.objects.create(
            experiment=experiment, name=strategy, strategy=strategy, is_control=place == control, weight=weight
        )
    return experiment


@pytest.mark.django_db
def test_an_experiment_starts_and_stops_with_its_result() -> None:
    experiment = start(draft("popular", "live"))
    assert experiment.status == "running"
    forget_running()
    assert arm_of(visitor_in(0)) is not None
    stopped = stop(experiment)
    assert stopped.result is not None
    assert read(stopped) == Reading.from_json(stopped.result)
    with pytest.raises(ExperimentRefused, match="does not run"):
        stop(stopped)
    with pytest.raises(ExperimentRefused, match="Only a draft"):
        start(stopped)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (lambda: draft("live"), "two arms"),
        (lambda: draft("live", "popular", control=None), "compared with"),
        (lambda: draft("live", "popular", weight=0), "weight above 0"),
    ],
)
def test_what_cannot_be_compared_does_not_start(experiment: Any, message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        start(experiment())


@pytest.mark.django_db
def test_one_runs_at_a_time() -> None:
    run_experiment("live", "popular")
    with pytest.raises(ExperimentRefused, match="stop it first"):
        start(draft("live", "popular"))


@pytest.mark.django_db
def test_a_version_without_vectors_cannot_be_an_arm() -> None:
    version = write_tiny_version(make_products(4))
    experiment = draft("live")
    Arm.objects.create(experiment=experiment, name="old", strategy="version", version=version)
    version.has_vectors = False
    version.save()
    with pytest.raises(ExperimentRefused, match="no vectors"):
        start(experiment)


@pytest.mark.django_db
def test_days_count_from_the_start() -> None:
    arms = run_experiment("live", "popular", started_at=timezone.now() - timedelta(days=3))
    assert read(arms[0].experiment).days == pytest.approx(3, abs=0.01)


@pytest.mark.django_db
def test_visitors_prefer_the_version_whose_picks_they_click() -> None:
    products = make_products(4)
    arms = run_experiment("interleaved", version=write_tiny_version(products), started_at=timezone.now() - timedelta(1))
    for number in range(12):
        visitor = Visitor.objects.create()
        for pick in [1, 1, 0] if number < 11 else [0]:
            place = {"arm": arms[0].pk, "pick": pick}
            Event.objects.create(
                visitor=visitor, item=products[0], kind=CLICK, at=timezone.now(), source=1, impression=place
            )
    found = read_preferences(arms[0].experiment)[arms[0].pk]
    assert (found.first, found.second) == (1, 11)
    assert found.p == pytest.approx(0.0063, abs=1e-4)


@pytest.mark.django_db
def test_one_interleaved_arm_is_an_experiment() -> None:
    experiment = Experiment.objects.create(name="Two in one")
    version = write_tiny_version(make_products(4))
    Arm.objects.create(experiment=experiment, name="both", strategy="interleaved", version=version, is_control=True)
    assert start(experiment).status == "running"
