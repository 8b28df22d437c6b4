"""`python -m tests.shop_that_grew` with DATABASE_URL: migrate forth and back; prints the types of linking columns."""

import django

django.setup()

from django.core.management import call_command  # noqa: E402  models are there after setup
from django.db import connection  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command("migrate", "recommender", "zero", verbosity=0)
    call_command("migrate", "recommender", "0009", verbosity=0)
    call_command("migrate", verbosity=0)
    call_command("migrate", check_unapplied=True, verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT data_type FROM information_schema.columns"
            " WHERE table_name LIKE 'recommender_%' AND column_name = 'item_id'"
        )
        print(*(name for (name,) in cursor.fetchall()))


main()
