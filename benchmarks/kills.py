"""`python -m benchmarks.kills`: a training process is killed (SIGKILL) at random moments of training and publishing.

    same version     what comes out in the end has the hash of an uninterrupted run: vectors, files, verdict
    two live         no look at the database ever finds two live versions
    mixed lists      every list that a page gets meanwhile is the one list of one version

Two seeds take turns, so that the version that is live and the one that is written differ. A short form runs in `make
test` (tests/test_kills.py). Written: benchmarks/results/kills.json.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from recommender.models import TrainingRun

RESULTS: Final = Path(__file__).parent / "results" / "kills.json"
SEEDS: Final = (0, 1)
PUBLISHING_EVERY: Final = 4  # every fourth kill falls into the publication
LOOK_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 300.0
_VERSION_TABLES: Final = {
    "itemembedding": "item_id, vector, popularity, is_cold, row, statistics, links",
    "itempair": "item_id, other_id, score, support",
    "visitorembedding": "visitor_id, vector",
    "modelartifact": "name, sha256",
}


@dataclass
class Kill:
    """One kill and what came of it. `stage`: the last that the run had reported; `met`: the process still ran."""

    stage: str
    after_seconds: float
    is_same: bool
    resumed_from: list[str]
    met: bool = True


@dataclass
class Found:
    """`two_live` and `mixed_lists` must be 0, and every kill `is_same`."""

    kills: list[Kill] = field(default_factory=list)
    uninterrupted_seconds: float = 0.0
    looks: int = 0
    lists: int = 0
    two_live: int = 0
    mixed_lists: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.two_live and not self.mixed_lists and all(kill.is_same for kill in self.kills)


class Watch(threading.Thread):
    """Looks all the time at what is live, and asks for a list as a page does."""

    def __init__(self, found: Found, item_id: Any) -> None:
        super().__init__(daemon=True)
        self.found, self.item_id, self.is_over = found, item_id, threading.Event()
        self.lists: dict[int, set[tuple[Any, ...]]] = defaultdict(set)

    def run(self) -> None:
        from django.db import connection

        while not self.is_over.wait(LOOK_SECONDS):
            self._look()
        connection.close()

    def _look(self) -> None:
        from recommender.index.nearest import item_vectors, likeness, nearest
        from recommender.index.publish import live_version
        from recommender.models import ModelVersion

        self.found.looks += 1
        self.found.two_live += ModelVersion.objects.filter(is_live=True).count() > 1
        version = live_version()
        if version is None:
            return
        self.found.lists += 1
        for vector in likeness(version, item_vectors(version, [self.item_id])):
            found = nearest(version, vector, 10, exclude=[self.item_id])
            self.lists[version.pk].add(tuple((item, round(cosine, 5)) for item, cosine in found))

    def stop(self) -> None:
        self.is_over.set()
        self.join()
        self.found.mixed_lists = sum(len(lists) - 1 for lists in self.lists.values())


def measure(points: int, folder: Path, environment: dict[str, str], until: datetime, item_id: Any, seed: int) -> Found:
    """Kill `points` trainings of the shop in Django's database, which has no live version yet.

    Args:
        folder: for checkpoints. environment: of the training processes. until: events of the trainings.
        item_id: whose list is watched.
    """
    found, dice = Found(), random.Random(seed)  # noqa: S311  moments, no secrets
    expected = {}
    for each in SEEDS:
        run = _request(each, until)
        found.uninterrupted_seconds = _train(run, environment)
        expected[each] = version_hash(run)
    kept = environment | {"CHECKPOINT_FOLDER": str(folder)}
    watch = Watch(found, item_id)
    watch.start()
    try:
        point = 0
        while sum(kill.met for kill in found.kills) < points:
            run = _request(SEEDS[point % len(SEEDS)], until)
            kill = _kill(run, kept, found.uninterrupted_seconds, dice, is_late=point % PUBLISHING_EVERY == 1)
            kill.resumed_from = sorted(path.stem for path in folder.glob("*/*.json"))
            _train(run, kept)
            kill.is_same = version_hash(run) == expected[run.seed] and _is_live(run)
            found.kills.append(kill)
            point += 1
            print(kill, file=sys.stderr)  # noqa: T201  a report
    finally:
        watch.stop()
    return found


def _request(seed: int, until: datetime) -> "TrainingRun":
    from recommender.models import TrainingRun
    from recommender.runs import Options, request_run

    options = Options(seed=seed, is_cold=True, events_until=until)
    return request_run(TrainingRun.Trigger.COMMAND, options=options, to_broker=False)


@contextmanager
def _process(run: "TrainingRun", environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A training process of this run, as a worker starts it."""
    from recommender.leases import claim

    lease = claim(run.pk)
    argv = [sys.executable, "-m", "recommender.training_process", str(run.pk), str(lease.token), str(os.getpid())]
    process = subprocess.Popen(argv, env=environment)  # noqa: S603  our own interpreter, no shell
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _train(run: "TrainingRun", environment: dict[str, str]) -> float:
    """To the end; returns seconds since the first report."""
    if not run.is_active:  # it had published before it was killed
        return 0.0
    with _process(run, environment) as process:
        _wait_for_stage(run, process, "")
        began = time.monotonic()
        process.wait(PATIENCE_SECONDS)
    run.refresh_from_db()
    assert run.status == "published", (run.status, run.error, run.log)
    return time.monotonic() - began


def _kill(
    run: "TrainingRun", environment: dict[str, str], seconds: float, dice: random.Random, *, is_late: bool
) -> Kill:
    """Start, kill at a random moment, and let the lease lapse: the run waits in the queue, or is found published."""
    from django.utils import timezone

    from recommender.models import TrainingRun
    from recommender.runs import settle_lapsed

    with _process(run, environment) as process:
        _wait_for_stage(run, process, "publish" if is_late else "")
        delay = dice.uniform(0, 0.3 if is_late else seconds)
        time.sleep(delay)
        met = process.poll() is None
        process.kill()
    run.refresh_from_db()
    if run.status == "running":
        TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
        settle_lapsed()
    run.refresh_from_db()
    return Kill(run.stage, round(delay, 3), False, [], met)


def _wait_for_stage(run: "TrainingRun", process: "subprocess.Popen[bytes]", stage: str) -> None:
    """Until it has reported this stage, or any."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        run.refresh_from_db()
        if run.stage and stage in ("", run.stage):
            return
        time.sleep(LOOK_SECONDS)


def _is_live(run: "TrainingRun") -> bool:
    from recommender.models import ModelVersion

    return list(ModelVersion.objects.filter(is_live=True).values_list("run_id", flat=True)) == [run.pk]


def version_hash(run: "TrainingRun") -> str:
    """sha256 of all that the run's version holds, without its own number and times."""
    from django.db import connection

    from recommender.models import ModelVersion

    version = ModelVersion.objects.get(run=run)
    found = hashlib.sha256(json.dumps([version.parts, version.ranker, version.verdict], sort_keys=True).encode())
    with connection.cursor() as cursor:
        for table, columns in _VERSION_TABLES.items():
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(own::text, ';' ORDER BY own::text), '')) FROM"  # noqa: S608  our names
                f" (SELECT {columns} FROM recommender_{table} WHERE version_id = %s) AS own",
                [version.pk],
            )
            found.update(cursor.fetchone()[0].encode())
    return found.hexdigest()


def _alone(points: int, seed: int) -> Found:
    """On a Postgres of its own, with a shop that is trained in seconds."""
    from demo.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="recommender-kills-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = EmbeddedPostgres(folder / "postgres")
        os.environ["DATABASE_URL"] = postgres.start()
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.kills_settings"
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        try:
            import django

            django.setup()
            from django.core.management import call_command
            from django.utils import timezone

            from tests.training_worlds import make_trainable_shop

            call_command("migrate", verbosity=0)
            shelf = make_trainable_shop()
            return measure(points, folder / "checkpoints", dict(os.environ), timezone.now(), shelf[0].pk, seed)
        finally:
            postgres.destroy()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    found = _alone(options.points, options.seed)
    RESULTS.write_text(json.dumps(asdict(found), indent=2) + "\n")
    same = sum(kill.is_same for kill in found.kills)
    print(  # noqa: T201  a report
        f"{same} of {len(found.kills)} ended in the same version; {found.two_live} of {found.looks} looks found two"
        f" live versions; {found.mixed_lists} of {found.lists} lists were mixed"
    )
    return 0 if found.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
