"""Questions to a person stand beside each other until they are answered, so they have room."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns become text, which rewrites nothing."""

    dependencies = [("tollbook", "0035_billed_before")]
    operations = [
        migrations.AlterField(name, "question", models.TextField(blank=True, db_default=""))
        for name in ("paymentintent", "refill")
    ]
