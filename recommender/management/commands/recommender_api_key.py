"""`manage.py recommender_api_key NAME --scope lists --scope events`: a key for another app, shown once."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from recommender.api_keys import create_key
from recommender.models import ApiKey


class Command(BaseCommand):
    help = (
        "Create an API key with which another app may ask about any visitor, as far as its scopes go, and print it. It "
        "is printed this once; only a hash is stored. Revoke it in admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", type=_name, help='what the key is for, e.g. "newsletter"')
        parser.add_argument(
            "--scope",
            action="append",
            choices=ApiKey.Scope.values,
            help="what the key may do; repeat it for more than one (default: lists)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key, plaintext = create_key(options["name"], options["scope"] or [ApiKey.Scope.LISTS])
        self.stderr.write("Send it as `Authorization: Api-Key <key>`.")
        scopes = ", ".join(key.scopes)
        self.stderr.write(f"API key “{key.name}” ({scopes}). It is shown only now:")
        self.stdout.write(plaintext)


def _name(text: str) -> str:
    try:
        return str(ApiKey._meta.get_field("name").clean(text.strip(), None))
    except ValidationError as error:
        raise ArgumentTypeError(" ".join(error.messages)) from error
