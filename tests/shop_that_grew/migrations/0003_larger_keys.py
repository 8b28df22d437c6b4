from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop_that_grew", "0002_article")]

    operations = [
        migrations.AlterField(
            model_name="article",
            name="id",
            field=models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
        ),
    ]
