from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0004_trust"),
    ]

    operations = [
        migrations.AddField(
            model_name="itemembedding",
            name="links",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="itemembedding",
            name="row",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="itemembedding",
            name="statistics",
            field=models.BinaryField(null=True),
        ),
        migrations.AddIndex(
            model_name="itemembedding",
            index=models.Index(fields=["version", "row"], name="recommender_item_row"),
        ),
    ]
