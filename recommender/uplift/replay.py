"""Recorded shoppers live their held-out weeks again, through the shop's real endpoints.

On each day on which a shopper really bought, its twin in each arm opens the shop, sees "recommended for you", clicks
whatever of it the shopper bought within the week that begins there, and orders the day's real basket.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Final

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from recommender import audit
from recommender.api_keys import create_key
from recommender.capture.tables import DAY_SECONDS
from recommender.exceptions import ReplayRefused
from recommender.experiments.lift import Lift, paired_lift, per_visitor
from recommender.models import ApiKey, Arm, AuditEntry, Experiment, Visitor
from recommender.serving.arms import CACHE_SECONDS
from recommender.tokens import read_impressions
from recommender.uplift.attribution import Outcomes, outcomes
from recommender.uplift.browser import Browser, SeenList
from recommender.uplift.lifecycle import start
from recommender.uplift.report import HEADLINE, METRICS, Columns, Reading, compare, values_of
from recommender.uplift.truth import Basket
from recommender.uplift.twins import Twin, make_twin

CLICKS_WITHIN: Final = timedelta(days=7)  # bought so soon after the list was seen
LOOKS: Final = 5  # at one list, while the server is too busy to make it
LOOK_SECONDS: Final = 1.0  # between two of them
DISCOVERIES: Final = "new"  # clicks on what the shopper had not bought before, of the seen slots
LIMITS: Final = (
    "It shows which lists held more of what people went on to buy, in weeks that no list was made from.",
    "It cannot show that a list makes anybody buy: everything in it was bought without it.",
    "It cannot show clicks on what people would have liked but did not buy, nor what a place in the list is worth: "
    "every slot counts as seen.",
    "Every shopper lives once in each arm, so arms differ by nothing but their lists, and pairs are compared.",
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it.

    Attributes:
        reading: as of any experiment; its control is the best of the classic arms.
        pairs: classic arm → metric, or DISCOVERIES → lift of the first arm over it, shopper by shopper.
        discoveries: arm → clicks on what the shopper had not bought before, of all seen slots.
        rungs: arm → rung → lists that it answered.
    """

    experiment: Experiment
    reading: Reading
    pairs: dict[int, dict[str, Lift | None]]
    discoveries: dict[int, float]
    rungs: dict[int, dict[str, int]]


def replay(
    truth: dict[str, list[Basket]],
    strategies: Sequence[str],
    url: str,
    *,
    n: int = 12,
    threads: int = 4,
    tell: Callable[[int, int], None] = lambda done, all_: None,
) -> Replayed:
    """The shoppers of `truth` in one arm a strategy, the first of which is compared with the others.

    Args:
        n: items a list. tell: (twins that are done, all twins), after each.
    Raises:
        ReplayRefused: the server does not do what is asked, or serves another database.
        ExperimentRefused: another experiment runs.
    """
    shoppers = {str(visitor.key): visitor for visitor in Visitor.objects.filter(key__in=list(truth))}
    experiment, arms = _experiment(strategies)
    key, plaintext = create_key(str(experiment), (ApiKey.Scope.EVENTS,))
    try:
        time.sleep(CACHE_SECONDS + 1)  # until then the server may not know of the experiment
        lives = [(name, place) for name in shoppers for place in range(len(arms))]
        done: SimpleQueue[Twin] = SimpleQueue()

        def live(name: str, place: int) -> None:
            browser = Browser(url, plaintext)
            try:
                twin = make_twin(shoppers[name], experiment, arms, place, truth[name][0].at)
                _live(twin, truth[name], browser, n)
                done.put(twin)
                tell(done.qsize(), len(lives))
            finally:
                browser.close()
                connection.close()

        with ThreadPoolExecutor(threads) as pool:
            try:
                for finished in [pool.submit(live, *life) for life in lives]:
                    finished.result()
            finally:
                pool.shutdown(cancel_futures=True)  # where one life fails, the others do not begin
    finally:
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        _stop(experiment)
    return _read(experiment, arms, [done.get() for _ in range(done.qsize())], _days(truth))


def _experiment(strategies: Sequence[str]) -> tuple[Experiment, list[Arm]]:
    labels = {str(value): str(label) for value, label in Arm.Strategy.choices}
    if len(set(strategies)) < 2 or not set(strategies) <= set(labels):
        raise ReplayRefused(f"Name two different strategies at least, of: {', '.join(labels)}.")
    experiment = Experiment.objects.create(name=f"Replay {datetime.now(UTC):%Y-%m-%d %H:%M}", min_days=1)
    arms = [
        Arm.objects.create(experiment=experiment, name=labels[strategy], strategy=strategy, is_control=place == 1)
        for place, strategy in enumerate(strategies)
    ]
    try:
        return start(experiment, audit.COMMAND_LINE), arms
    except Exception:
        # Whatever kept it from starting is told to the caller; no draft of a replay stays behind.
        experiment.delete()
        raise


def _stop(experiment: Experiment) -> None:
    """Without the result of `lifecycle.stop`: a replay keeps its own."""
    with transaction.atomic():
        Experiment.objects.filter(pk=experiment.pk).update(status=Experiment.Status.STOPPED, stopped_at=timezone.now())
        audit.record(AuditEntry.Act.STOP, audit.COMMAND_LINE, experiment=experiment)


def _live(twin: Twin, baskets: Sequence[Basket], browser: Browser, n: int) -> None:
    for place, basket in enumerate(baskets):
        twin.wake_at(basket.at)
        seen = _look(twin, browser, n)
        soon = [later for later in baskets[place:] if later.at < basket.at + CLICKS_WITHIN]
        wanted = set[str]().union(*(later.items for later in soon))
        clicked = [item for item in seen.items if item in wanted]
        browser.report(twin.visitor, seen, clicked)
        browser.order(twin.visitor, basket.lines)
        twin.slots += len(seen.items)
        twin.discoveries += sum(item not in twin.owned for item in clicked)
        twin.owned |= basket.items


def _look(twin: Twin, browser: Browser, n: int) -> SeenList:
    """The list of the twin's arm; asked for again where the busy server gave a kept one, or none: that is no arm's.

    Raises:
        ReplayRefused: the server gives lists of another arm, or of none only.
    """
    for _ in range(LOOKS):
        seen = browser.see_list(twin.visitor, n)
        twin.rungs[seen.rung] = twin.rungs.get(seen.rung, 0) + 1
        arm = (read_impressions(seen.token) or {}).get("a")
        if arm == twin.arm:
            return seen
        if arm is not None:
            break
        time.sleep(LOOK_SECONDS)
    raise ReplayRefused(
        f"The server put a visitor of arm {twin.arm} into {arm}: it must run on this database, with these settings and "
        "time to answer, and nothing else may start experiments."
    )


def _read(experiment: Experiment, arms: list[Arm], twins: list[Twin], days: float) -> Replayed:
    """Compare, and keep the result with the experiment."""
    found = outcomes([arm.pk for arm in arms])
    shoppers = {twin.visitor.pk: twin.shopper for twin in twins}
    by_arm = {arm.pk: _in_order(found, arm.pk, shoppers) for arm in arms}
    new = {arm.pk: _discoveries(twins, arm.pk) for arm in arms}
    _compare_with_the_best(experiment, arms, by_arm)
    reading = compare(arms, found, days, experiment.min_days, experiment.wanted_lift)
    experiment.refresh_from_db()
    experiment.result = reading.as_json()
    experiment.save(update_fields=["result"])
    ours, pairs = arms[0].pk, dict[int, dict[str, Lift | None]]()
    for arm in arms[1:]:
        values = {name: (values_of(by_arm[arm.pk], name), values_of(by_arm[ours], name)) for name in METRICS}
        values[DISCOVERIES] = (new[arm.pk], new[ours])
        pairs[arm.pk] = {name: paired_lift(*both) for name, both in values.items()}
    shares = {arm: float(values.mean()) for arm, values in new.items()}
    return Replayed(experiment, reading, pairs, shares, _rungs(twins))


def _compare_with_the_best(experiment: Experiment, arms: list[Arm], by_arm: dict[int, Columns]) -> None:
    """The control is the classic arm with the most clicks a slot."""
    best = max(arms[1:], key=lambda arm: float(values_of(by_arm[arm.pk], HEADLINE).mean()))
    for arm in arms:
        arm.is_control = arm.pk == best.pk
    experiment.arms.update(is_control=False)
    experiment.arms.filter(pk=best.pk).update(is_control=True)


def _rungs(twins: list[Twin]) -> dict[int, dict[str, int]]:
    rungs: dict[int, Counter[str]] = {}
    for twin in twins:
        rungs.setdefault(twin.arm, Counter()).update(twin.rungs)
    return {arm: dict(counts) for arm, counts in sorted(rungs.items())}


def _discoveries(twins: list[Twin], arm: int) -> NDArray[np.float64]:
    """[shoppers] of an arm, in the order of the shoppers, whose mean is the share of slots that were discoveries."""
    own = sorted((twin for twin in twins if twin.arm == arm), key=lambda twin: twin.shopper)
    return per_visitor(
        np.array([twin.discoveries for twin in own], float), np.array([twin.slots for twin in own], float)
    )


def _in_order(found: Outcomes, arm: int, shoppers: dict[int, str]) -> Columns:
    """The columns of an arm, row i of every arm the same shopper."""
    columns = found.counted(arm)
    order = np.argsort([shoppers[int(visitor)] for visitor in columns["visitor"]])
    return {name: values[order] for name, values in columns.items()}


def _days(truth: dict[str, list[Basket]]) -> float:
    times = [basket.at for baskets in truth.values() for basket in baskets]
    return (max(times) - min(times)).total_seconds() / DAY_SECONDS if times else 0.0
