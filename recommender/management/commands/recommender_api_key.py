"""`manage.py recommender_api_key NAME`: a key for another app, shown once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from recommender.api_keys import create_key


class Command(BaseCommand):
    help = (
        "Create an API key with which another app may ask for any visitor's lists, and print it. It is printed this "
        "once; only a hash is stored. Revoke it in admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help='what the key is for, e.g. "newsletter"')

    def handle(self, *args: Any, **options: Any) -> None:
        key, plaintext = create_key(options["name"])
        self.stderr.write(f"API key “{key.name}”. Send it as `Authorization: Api-Key <key>`; it is shown only now:")
        self.stdout.write(plaintext)
