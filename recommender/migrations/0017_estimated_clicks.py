from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0016_interleaving"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="estimated_clicks",
            field=models.JSONField(editable=False, null=True, verbose_name="estimated clicks"),
        ),
    ]
