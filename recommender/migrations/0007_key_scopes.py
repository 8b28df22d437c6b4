from collections.abc import Callable

import django.contrib.postgres.fields
from django.db import migrations, models

SCOPES = [
    ("lists", "read any visitor's lists"),
    ("events", "record events of any visitor"),
    ("export", "read all that is stored of a visitor"),
    ("erase", "erase a visitor"),
    ("search", "search for items"),
]


def field(default: Callable[[], list[str]]) -> "django.contrib.postgres.fields.ArrayField[list[str], list[str]]":
    base = models.CharField(choices=SCOPES, max_length=16)
    return django.contrib.postgres.fields.ArrayField(base, default=default, size=None, verbose_name="may")


def of_keys_so_far() -> list[str]:
    """What every key could do before there were scopes."""
    return ["lists", "events", "export", "erase"]


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0006_cold_training"),
    ]

    operations = [
        migrations.AddField("apikey", "scopes", field(of_keys_so_far)),
        migrations.AlterField("apikey", "scopes", field(list)),
    ]
