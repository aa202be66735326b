"""One billing run of a kind at a time, which workers join; lines are written before the invoice that they belong to."""

from django.db import migrations, models

ENGINE = "tollbook_engine"
# A check per line would cost the billing run a sixth of its speed, and have it draw numbers first; `tollbook audit` proves
# instead that every line belongs to an invoice.
WITHOUT_KEY = """
DO $$
DECLARE named text;
BEGIN
    FOR named IN SELECT conname FROM pg_constraint
                 WHERE conrelid = 'invoice_line'::regclass AND contype = 'f' AND confrelid = 'invoice'::regclass LOOP
        EXECUTE format('ALTER TABLE invoice_line DROP CONSTRAINT %I', named);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    """Nothing is rewritten."""

    dependencies = [("tollbook", "0025_alert_choices")]
    operations = [
        migrations.AddConstraint(
            model_name="billingrun",
            constraint=models.UniqueConstraint(
                fields=["is_review", "until_on"],
                condition=models.Q(finished_at__isnull=True),
                nulls_distinct=False,
                name="one_run_under_way",
            ),
        ),
        migrations.RunSQL(WITHOUT_KEY, migrations.RunSQL.noop),
        migrations.RunSQL(f"GRANT DELETE ON billing_run, billing_part TO {ENGINE}", migrations.RunSQL.noop),
    ]
