"""How fast are the lists? Requests a second and latency of the recommendations, beside views that do less, in one run.

    python -m benchmarks.serving                 # the demo's small shop, made and trained where it is missing
    python -m benchmarks.serving --size full     # the whole year of shopping
    DATABASE_URL=... python -m benchmarks.serving
    python -m benchmarks.serving --faults 30     # and then with the database taken away, for 30 seconds each time

The server is granian as the demo starts it, with `--workers`; the load comes from this process over keep-alive
connections, so on a small machine the server shares its cores with it. Every request asks for another visitor's list,
through an API key; the plain list takes another category each time. Read the ratios, not the milliseconds.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks import serving_faults
from benchmarks.load import Load, measure
from demo.postgres import EmbeddedPostgres
from demo.processes import ProcessFailed, free_port, start, stop, tail

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = Path(__file__).parent / "results" / "serving.json"
HOST: Final = "127.0.0.1"
VISITORS: Final = 200
SECRET: Final = "only-for-the-benchmark-" + "x" * 40
REFUSED_STATUS: Final = 3  # of recommender_train


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the demo's shop (default small)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--connections", type=int, default=4, help="that ask at the same time (default 4)")
    parser.add_argument("--workers", type=int, default=1, help="of granian (default 1)")
    parser.add_argument("--faults", type=float, default=0.0, help="seconds of each fault (default: no faults)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SECRET_KEY", SECRET)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.serving_settings"
    with database(options.size) as postgres:
        if options.faults and postgres is None:
            parser.error("--faults breaks the database: it needs one of its own, so unset DATABASE_URL")
        prepare(options.size)
        with serve(options.workers) as port, api_key() as key:
            loads = run(port, key, options.seconds, options.connections)
            show(loads)
            outcomes: dict[str, serving_faults.Outcome] = {}
            if postgres is not None and options.faults:
                paths = [*personal_paths(), "/recommender/recommendations/?n=12"]
                headers = {"Authorization": f"Api-Key {key}"}
                outcomes = serving_faults.run(port, postgres, paths, headers, options.connections, options.faults)
                show_faults(outcomes)
    RESULTS.parent.mkdir(exist_ok=True)
    written = {"views": loads, "faults": outcomes}
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
        deadline = time.monotonic() + 60
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


def run(port: int, key: str, seconds: float, connections: int) -> dict[str, Load]:
    """Measure one view after the other."""
    from shop.models import Category

    categories = list(Category.objects.order_by("pk").values_list("pk", flat=True)[:VISITORS])
    views = {
        "empty view": ["/empty/"],
        "cached widget": ["/cached/"],
        "plain DRF list of 12": [f"/plain/{category}/" for category in categories],
        "popular (nobody named)": ["/recommender/recommendations/?n=12"],
        "recommended for you": personal_paths(),
    }
    headers = f"Authorization: Api-Key {key}\r\nAccept: application/json\r\n"
    return {
        name: measure(HOST, port, paths, headers=headers, connections=connections, seconds=seconds)
        for name, paths in views.items()
    }


def personal_paths() -> list[str]:
    """One list for each of VISITORS."""
    from recommender.models import Event, Visitor

    keys = Visitor.objects.filter(pk__in=Event.objects.values("visitor")).order_by("pk").values_list("key", flat=True)
    return [f"/recommender/recommendations/?n=12&visitor={key}" for key in keys[:VISITORS]]


def show(result: dict[str, Load]) -> None:
    table = Table("view", "requests/s", "p50 ms", "p99 ms", "of the plain list", title="Serving")
    plain = result["plain DRF list of 12"].requests_per_second
    for name, load in result.items():
        numbers = (f"{load.requests_per_second:,.0f}", f"{load.p50_ms:.1f}", f"{load.p99_ms:.1f}")
        table.add_row(name, *numbers, f"{load.requests_per_second / plain:.2f}")
    Console().print(table)


def show_faults(outcomes: dict[str, serving_faults.Outcome]) -> None:
    columns = ("fault", "answers", "not 200", "calm p99 ms", "p50", "p99", "p99.9", "slowest", "healed s", "rungs")
    table = Table(*columns, title="While the database is away")
    for name, each in outcomes.items():
        times = (each.calm_p99_ms, each.p50_ms, each.p99_ms, each.p999_ms, each.slowest_ms)
        rungs = ", ".join(f"{rung or 'none'} {count}" for rung, count in each.rungs.items())
        table.add_row(name, str(each.answers), str(each.failed), *map(str, times), str(each.healed_seconds), rungs)
    Console(width=140).print(table)


if __name__ == "__main__":
    sys.exit(main())
