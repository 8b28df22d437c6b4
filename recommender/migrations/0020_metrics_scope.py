import django.contrib.postgres.fields
from django.db import migrations, models

SCOPES = [
    ("lists", "read any visitor's lists"),
    ("events", "record events of any visitor"),
    ("export", "read all that is stored of a visitor"),
    ("erase", "erase a visitor"),
    ("search", "search for items"),
    ("metrics", "read health and metrics"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0019_segment_source"),
    ]

    operations = [
        migrations.AlterField(
            "apikey",
            "scopes",
            django.contrib.postgres.fields.ArrayField(
                models.CharField(choices=SCOPES, max_length=16), default=list, size=None, verbose_name="may"
            ),
        ),
    ]
