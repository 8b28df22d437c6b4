"""How fast are the lists? Requests a second and latency of the recommendations, beside views that do less, in one run.

    python -m benchmarks.serving                 # the demo's small shop, made and trained where it is missing
    python -m benchmarks.serving --size full     # the whole year of shopping
    DATABASE_URL=... python -m benchmarks.serving

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
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SECRET_KEY", SECRET)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.serving_settings"
    with database(options.size):
        prepare(options.size)
        with serve(options.workers) as port:
            result = run(port, options.seconds, options.connections)
    show(result)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({name: asdict(load) for name, load in result.items()}, indent=2) + "\n")
    return 0


@contextmanager
def database(size: str) -> Iterator[None]:
    """DATABASE_URL as given, else the demo's embedded Postgres of this size."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    with EmbeddedPostgres(ROOT / ".demo" / size / "postgres") as postgres:
        os.environ["DATABASE_URL"] = postgres.url
        yield


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


def run(port: int, seconds: float, connections: int) -> dict[str, Load]:
    """Measure one view after the other."""
    from recommender.api_keys import create_key
    from recommender.models import Event, Visitor
    from shop.models import Category

    key, plaintext = create_key("benchmarks/serving.py")
    keys = Visitor.objects.filter(pk__in=Event.objects.values("visitor")).order_by("pk").values_list("key", flat=True)
    visitors = [str(visitor) for visitor in keys[:VISITORS]]
    categories = list(Category.objects.order_by("pk").values_list("pk", flat=True)[:VISITORS])
    views = {
        "empty view": ["/empty/"],
        "plain DRF list of 12": [f"/plain/{category}/" for category in categories],
        "popular (nobody named)": ["/recommender/recommendations/?n=12"],
        "recommended for you": [f"/recommender/recommendations/?n=12&visitor={visitor}" for visitor in visitors],
    }
    headers = f"Authorization: Api-Key {plaintext}\r\nAccept: application/json\r\n"
    try:
        return {
            name: measure(HOST, port, paths, headers=headers, connections=connections, seconds=seconds)
            for name, paths in views.items()
        }
    finally:
        key.delete()


def show(result: dict[str, Load]) -> None:
    table = Table("view", "requests/s", "p50 ms", "p99 ms", "of the plain list", title="Serving")
    plain = result["plain DRF list of 12"].requests_per_second
    for name, load in result.items():
        numbers = (f"{load.requests_per_second:,.0f}", f"{load.p50_ms:.1f}", f"{load.p99_ms:.1f}")
        table.add_row(name, *numbers, f"{load.requests_per_second / plain:.2f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
