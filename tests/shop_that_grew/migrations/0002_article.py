import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop_that_grew", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Article",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=100)),
                (
                    "shelf",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="shop_that_grew.shelf"),
                ),
            ],
        ),
    ]
