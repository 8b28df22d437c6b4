"""`manage.py recommender_publish`: choose by hand which version is served."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.audit import COMMAND_LINE
from recommender.exceptions import RecommenderError
from recommender.index.publish import publish, roll_back
from recommender.models import ModelVersion


class Command(BaseCommand):
    help = (
        "Serve another model version: the one with the given number, or with --roll-back the one that was live before. "
        "Without either, list the versions. It takes effect within two seconds, nothing is trained."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("version", nargs="?", type=int, help="number of the version to publish")
        choice.add_argument("--roll-back", action="store_true", help="go back to the version that was live before")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["version"] is None and not options["roll_back"]:
            self._list()
            return
        try:
            if options["roll_back"]:
                version = roll_back(COMMAND_LINE)
            else:
                version = publish(self._find(options["version"]), COMMAND_LINE)
        except RecommenderError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"{version} is live."))

    def _find(self, version_id: int) -> ModelVersion:
        version = ModelVersion.objects.filter(pk=version_id).first()
        if version is None:
            raise CommandError(f"There is no version {version_id}: `manage.py recommender_publish` lists them.")
        return version

    def _list(self) -> None:
        versions = ModelVersion.objects.filter(has_vectors=True).defer("verdict", "parts").order_by("-pk")
        for version in versions:
            mark = "live" if version.is_live else ""
            self.stdout.write(
                f"{version.pk:>6}  {version.created_at:%Y-%m-%d %H:%M}  {version.item_count} items  {mark}"
            )
        if not versions:
            self.stdout.write("No version has been trained yet: run `manage.py recommender_train`.")
