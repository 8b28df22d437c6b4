"""`manage.py recommender_doctor`: is everything there that the plugin needs, and what to do where it is not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.operations.doctor import examine
from recommender.operations.findings import ERROR, OK


class Command(BaseCommand):
    help = (
        "Look at database, pgvector, migrations, live version, artifacts, partitions, broker, workers, beat, cache and "
        "spill folder, each with the fix. Exit status: 0 nothing is broken, 1 something is."
    )
    requires_system_checks = ()  # they may need what is broken

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for found in examine():
            style = {OK: self.style.SUCCESS, ERROR: self.style.ERROR}.get(found.state, self.style.WARNING)
            self.stdout.write(f"{style(f'{found.state:<8}')}{found.name:<12}{found.message}")
            if found.fix:
                self.stdout.write(f"{'':<20}→ {found.fix}")
            broken += found.state == ERROR
        if broken:
            raise CommandError(f"Broken: {broken}. The arrows say what to do.")
