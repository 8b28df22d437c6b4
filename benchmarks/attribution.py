"""How long does the result of an experiment take? A million lists that were seen, in a database of its own.

    python -m benchmarks.attribution [--lists 1000000]

Five lists a visitor of twelve items each; every tenth list is clicked, half of the clicks are bought, and as many
purchases have nothing to do with a list.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from demo.postgres import EmbeddedPostgres

ITEMS: Final = 20_000
LISTS_OF_A_VISITOR: Final = 5
ITEMS_OF_A_LIST: Final = 12

VISITORS = "INSERT INTO recommender_visitor (key) SELECT gen_random_uuid() FROM generate_series(1, {visitors})"
LISTS = """
INSERT INTO recommender_impression (list_id, visitor_id, placement, rung, arm_id, items, slots, doubt, seen_at)
SELECT gen_random_uuid(), 1 + n % {visitors}, 'for_you', 'personal', 1 + n % {visitors} % 2,
    (SELECT array_agg((1 + (n * 31 + slot * 977) % {items})::text ORDER BY slot) FROM generate_series(1, 12) AS slot),
    ARRAY[1,2,3,4,5,6,7,8,9,10,11,12], 0, now() - interval '14 days' + n * interval '14 days' / {lists}
FROM generate_series(0, {lists} - 1) AS n
"""
EVENTS = """
INSERT INTO recommender_event (id, visitor_id, item_id, kind, at, quantity, value_cents, source, doubt)
SELECT (substr(hex, 1, 12) || '7' || substr(random, 1, 3) || '8' || substr(random, 4, 15))::uuid,
    visitor_id, item, kind, at, 1, 250, 1, 0
FROM (
    SELECT visitor_id, kind, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS hex,
        md5(random()::text) AS random,
        CASE WHEN kind = 4 AND number % 4 = 1 THEN 1 + number % {items} ELSE items[3]::bigint END AS item
    FROM (SELECT *, row_number() OVER () AS number FROM recommender_impression) AS seen
    CROSS JOIN LATERAL (VALUES (2, seen_at + interval '10 s'), (4, seen_at + interval '1 hour')) AS act (kind, at)
    WHERE number % 10 = 0 AND kind = 2 OR number % 20 = 0 AND kind = 4 OR number % 20 = 1 AND kind = 4
) AS made
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=1_000_000, help="that were seen (default 1000000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # as root, Postgres runs as another account
        server = EmbeddedPostgres(Path(folder), durable=False)
        os.environ["DATABASE_URL"] = server.start()
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        try:
            measure(options.lists)
        finally:
            server.destroy()
    return 0


def measure(lists: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from recommender.models import Arm
    from recommender.uplift.attribution import outcomes
    from recommender.uplift.report import compare

    call_command("migrate", verbosity=0)
    numbers = {"lists": lists, "visitors": lists // LISTS_OF_A_VISITOR, "items": ITEMS}
    with connection.cursor() as cursor:
        for statement in (VISITORS, LISTS, EVENTS):
            cursor.execute(statement.format(**numbers))
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM recommender_event")
        (events,) = cursor.fetchone()
    began = time.perf_counter()
    found = outcomes([1, 2])
    asked = time.perf_counter()
    arms = [Arm(pk=1, name="A", weight=1, is_control=True), Arm(pk=2, name="B", weight=1)]
    reading = compare(arms, found, 14, 14, 0.05)
    compared = time.perf_counter()
    print(f"{lists:,} lists, {events:,} events, {len(found.table['arm']):,} visitors")
    print(f"statement {asked - began:.1f} s, comparison {compared - asked:.1f} s")
    print([arm.counts for arm in reading.arms])


if __name__ == "__main__":
    sys.exit(main())
