"""What does the plugin cost a web worker in memory? The shop's server with it and without it, one after the other.

    python -m benchmarks.memory                # the demo's small shop, made and trained where it is missing
    python -m benchmarks.memory --size full

Without: the same settings less the plugin, after plain REST lists of 12 products. With: after as many personal lists,
each for another visitor. Both are granian with one worker, as in benchmarks/serving.py. PSS counts a page that n
processes share as 1/n. Written: benchmarks/results/web_memory.json.
"""

import argparse
import json
import os
import sys
import urllib.request
from collections import Counter
from collections.abc import Sequence
from typing import Final

from benchmarks.process_memory import children, held_mb, resident_mb
from benchmarks.results_store import RESULTS
from benchmarks.serving import HOST, SECRET, VISITORS, api_key, database, personal_paths, prepare, serve

BAR_MB: Final = 80.0
WITH, WITHOUT = "benchmarks.memory_settings", "benchmarks.plain_settings"


def worker_memory(settings: str, paths: Sequence[str], key: str) -> tuple[dict[str, float], Counter[str]]:
    """(Of the worker of a fresh server, started and after these requests; how many answers came from which rung)."""
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    before, rungs = set(children(os.getpid())), Counter[str]()
    with serve(1) as port:
        (server,) = set(children(os.getpid())) - before
        worker = max(children(server), key=resident_mb)
        started = held_mb(worker)
        for path in paths:
            request = urllib.request.Request(f"http://{HOST}:{port}{path}", headers={"Authorization": f"Api-Key {key}"})  # noqa: S310  our own
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                found = json.load(answer)
            rungs[found["rung"] if isinstance(found, dict) else "no list of the plugin"] += 1
        return {"started_pss_mb": started, "pss_mb": held_mb(worker), "rss_mb": resident_mb(worker)}, rungs


def run(size: str) -> dict[str, object]:
    with database(size):
        prepare(size)
        from shop.models import Category

        categories = list(Category.objects.filter(products__is_active=True).distinct().values_list("pk", flat=True))
        plain = [f"/plain/{categories[number % len(categories)]}/" for number in range(VISITORS)]
        with api_key() as key:
            without, _ = worker_memory(WITHOUT, plain, key)
            personal, rungs = worker_memory(WITH, personal_paths(), key)
    more = {name: personal[name] - without[name] for name in without}
    return {"lists": dict(rungs), "without": without, "with": personal, "more": more, "bar_mb": BAR_MB}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the demo's shop (default small)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SECRET_KEY", SECRET)
    os.environ["DJANGO_SETTINGS_MODULE"] = WITH
    found = run(options.size)
    RESULTS.joinpath("web_memory.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
