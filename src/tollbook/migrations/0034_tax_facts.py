"""What decides about tax of a buyer is what staff confirmed; what the buyer says of itself is printed."""

from django.db import migrations, models

FILL = "UPDATE account SET tax_country = country, tax_region = region, checked_tax_id = tax_id"


class Migration(migrations.Migration):
    """Three columns with constant defaults; until now staff wrote these facts, so what stands counts as confirmed."""

    dependencies = [("tollbook", "0033_included_as_agreed")]
    operations = [
        migrations.AddField("account", "tax_country", models.CharField(max_length=2, blank=True, default="", db_default="")),
        migrations.AddField("account", "tax_region", models.CharField(max_length=40, blank=True, default="", db_default="")),
        migrations.AddField(
            "account", "checked_tax_id", models.CharField(max_length=40, blank=True, default="", db_default="")
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
