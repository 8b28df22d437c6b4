"""How fast are the lists? Requests a second and latency of the recommendations, beside views that do less, in one run.

    python -m benchmarks.serving                 # the demo's small shop, made and trained where it is missing
    python -m benchmarks.serving --size full     # the whole year of shopping
    DATABASE_URL=... python -m benchmarks.serving
    python -m benchmarks.serving --faults        # and then with something broken, six times for 30 seconds

The server is granian as the demo starts it, with `--workers`; the load comes from this process over keep-alive
connections, so on a small machine the server shares its cores with it. Every request asks for another visitor's list,
through an API key; the plain list begins at another primary key each time. Read the ratios, not the milliseconds.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks import serving_faults, serving_start
from benchmarks.load import Load, measure
from demo.broker import EmbeddedBroker
from demo.postgres import EmbeddedPostgres
from demo.processes import ProcessFailed, free_port, start, stop, tail

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = Path(__file__).parent / "results" / "serving.json"
HOST: Final = "127.0.0.1"
VISITORS: Final = 200
ROUNDS: Final = 3
START_SECONDS: Final = 180.0  # of the web server, on a machine with other work
EMPTY: Final = "empty view"
PLAIN: Final = "plain DRF list of 12"
FOR_YOU: Final = "recommended for you"
WIDGET: Final = "cached widget"
# Of a full answer: a machine that is too busy gives simpler lists instead, and quickly.
WANTED: Final = {FOR_YOU: b'"rung":"personal"', WIDGET: b"rec-card"}
POPULAR_PATH: Final = "/recommender/recommendations/?n=12"
SECRET: Final = "only-for-the-benchmark-" + "x" * 40
REFUSED_STATUS: Final = 3  # of recommender_train


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the demo's shop (default small)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--connections", type=int, default=4, help="that ask at the same time (default 4)")
    parser.add_argument("--workers", type=int, default=1, help="of granian (default 1)")
    parser.add_argument("--faults", type=float, nargs="?", const=30.0, default=0.0, help="seconds of each (default 30)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SECRET_KEY", SECRET)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.serving_settings"
    with database(options.size) as postgres:
        if options.faults and postgres is None:
            parser.error("--faults breaks the database: it needs one of its own, so unset DATABASE_URL")
        prepare(options.size)
        with api_key() as key:
            headers = {"Authorization": f"Api-Key {key}", "Accept": "application/json"}
            with serve(options.workers) as port:
                loads = run(port, headers, options.seconds, options.connections)
            show(loads)
            firsts = serving_start.first_lists(partial(serve, options.workers), personal_paths(), headers)
            show_firsts(firsts)
            outcomes: dict[str, serving_faults.Outcome] = {}
            if postgres is not None and options.faults:
                outcomes = break_things(postgres, headers, options)
                show_faults(outcomes)
    RESULTS.parent.mkdir(exist_ok=True)
    written = {"views": loads, "first lists": firsts, "faults": outcomes}
    plain = {part: {name: asdict(each) for name, each in found.items()} for part, found in written.items()}  # type: ignore[attr-defined]
    RESULTS.write_text(json.dumps(plain, indent=2) + "\n")
    return 0


@contextmanager
def database(size: str) -> Iterator[EmbeddedPostgres | None]:
    """DATABASE_URL as given, else the demo's embedded Postgres of this size."""
    if os.environ.get("DATABASE_URL"):
        yield None
        return
    with EmbeddedPostgres(ROOT / ".demo" / size / "postgres", port=free_port()) as postgres:
        os.environ["DATABASE_URL"] = postgres.url
        yield postgres


def prepare(size: str) -> None:
    """Tables, data and a live version; what is there already is kept."""
    manage("migrate", "--noinput", "--verbosity=0")
    manage("shop_load", *(["--small"] if size == "small" else []))
    import django

    django.setup()
    from recommender.index.publish import live_version, publish
    from recommender.models import ModelVersion

    if live_version() is None and manage("recommender_train", may_fail=REFUSED_STATUS) == REFUSED_STATUS:
        publish(ModelVersion.objects.latest("pk"))  # its speed is the same


def manage(*words: str, may_fail: int = 0) -> int:
    """Run a command of the shop; its exit status."""
    status = subprocess.run([sys.executable, str(ROOT / "manage.py"), *words], check=False).returncode
    if status not in (0, may_fail):
        raise ProcessFailed(f"manage.py {' '.join(words)} failed.")
    return status


@contextmanager
def serve(workers: int) -> Iterator[int]:
    """Granian on a free port of this machine, stopped at the end."""
    port, log = free_port(), ROOT / ".demo" / "serving-benchmark.log"
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--no-ws"]
    argv += ["--workers", str(workers), "--blocking-threads", "4", "shop.wsgi:application"]
    server = start(argv, log, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"http://{HOST}:{port}/empty/"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailed(f"The web server did not start:\n{tail(log)}")
            time.sleep(0.1)
        yield port
    finally:
        stop(server)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own http:// address
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@contextmanager
def api_key() -> Iterator[str]:
    """The plain text of a key that is revoked at the end."""
    from django.db import connection

    from recommender.api_keys import create_key

    key, plaintext = create_key("benchmarks/serving.py")
    try:
        yield plaintext
    finally:
        connection.close()  # a fault may have ended it
        key.delete()


def run(port: int, headers: Mapping[str, str], seconds: float, connections: int) -> dict[str, Load]:
    """Measure one view after the other, in ROUNDS, and take the round in the middle: other work comes and goes."""
    from shop.models import Product

    keys = Product.objects.order_by("pk").values_list("pk", flat=True)
    views = {
        EMPTY: ["/empty/"],
        "text of the widget's length": ["/text/"],
        "{% cache %} around that text": ["/cached-text/"],
        WIDGET: ["/cached/"],
        PLAIN: [f"/twelve/{key}/" for key in keys[: 20 * VISITORS : 20]],
        "popular (nobody named)": [POPULAR_PATH],
        FOR_YOU: personal_paths(),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    ask = partial(measure, HOST, port, headers=lines, connections=connections, seconds=seconds / ROUNDS)
    rounds = [{name: ask(paths, wanted=WANTED.get(name, b"")) for name, paths in views.items()} for _ in range(ROUNDS)]
    return {name: sorted((each[name] for each in rounds), key=lambda load: load.p50_ms)[ROUNDS // 2] for name in views}


def break_things(
    postgres: EmbeddedPostgres, headers: Mapping[str, str], options: argparse.Namespace
) -> dict[str, serving_faults.Outcome]:
    """Each fault on a server whose cache is a process of its own."""
    paths = [*personal_paths(), POPULAR_PATH]
    with EmbeddedBroker(ROOT / ".demo" / "benchmark-cache", port=free_port()) as cache:
        os.environ["BENCHMARK_CACHE_URL"] = cache.url
        with serve(options.workers) as port:
            return serving_faults.run(port, postgres, cache, paths, headers, options.connections, options.faults)


def personal_paths() -> list[str]:
    """One list for each of VISITORS."""
    from recommender.models import Event, Visitor

    keys = Visitor.objects.filter(pk__in=Event.objects.values("visitor")).order_by("pk").values_list("key", flat=True)
    return [f"/recommender/recommendations/?n=12&visitor={key}" for key in keys[:VISITORS]]


def show(result: dict[str, Load]) -> None:
    columns = ("view", "requests/s", "p50 ms", "p99 ms", "of the plain list", "its p50 ×", "empty view's p50 ×", "full")
    table = Table(*columns, title="Serving")
    plain, empty = result[PLAIN], result[EMPTY]
    for name, load in result.items():
        numbers = (f"{load.requests_per_second:,.0f}", f"{load.p50_ms:.2f}", f"{load.p99_ms:.1f}")
        share = f"{load.requests_per_second / plain.requests_per_second:.2f}"
        ratios = (f"{load.p50_ms / plain.p50_ms:.2f}", f"{load.p50_ms / empty.p50_ms:.2f}")
        table.add_row(name, *numbers, share, *ratios, f"{load.wanted_share:.0%}")
    Console(width=140).print(table)


def show_firsts(firsts: dict[str, serving_start.First]) -> None:
    columns = ("first list", "asked at once: slowest ms", "rung", "personal after s", "some seconds later: ms", "rung")
    table = Table(*columns, title="Cold")
    for name, each in firsts.items():
        at_once = (str(each.at_once_ms), each.at_once_rung, str(each.personal_after_seconds))
        table.add_row(name, *at_once, str(each.later_ms), each.later_rung)
    Console(width=140).print(table)


def show_faults(outcomes: dict[str, serving_faults.Outcome]) -> None:
    columns = ("fault", "answers", "not 200", "calm p99 ms", "p50", "p99", "p99.9", "slowest", "healed s", "rungs")
    table = Table(*columns, title="While something is broken")
    for name, each in outcomes.items():
        times = (each.calm_p99_ms, each.p50_ms, each.p99_ms, each.p999_ms, each.slowest_ms)
        rungs = ", ".join(f"{rung or 'none'} {count}" for rung, count in each.rungs.items())
        table.add_row(name, str(each.answers), str(each.failed), *map(str, times), str(each.healed_seconds), rungs)
    Console(width=140).print(table)


if __name__ == "__main__":
    sys.exit(main())
