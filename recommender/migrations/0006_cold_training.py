from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0005_item_links"),
    ]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="is_cold",
            field=models.BooleanField(default=False, verbose_name="from scratch"),
        ),
    ]
