"""Refills: whom to ask when, requests answered once, the breaker's memory, and decisions that were withdrawn."""

from django.db import migrations, models

STATES = [
    ("decided", "Decided"),
    ("charging", "Charging"),
    ("succeeded", "Succeeded"),
    ("declined", "Declined"),
    ("unknown", "Waiting for the gateway's answer"),
    ("action_required", "Needs your action"),
    ("withdrawn", "Not charged"),
]
OPEN = models.Q(("state__in", ["decided", "charging", "unknown", "action_required"]))


class Migration(migrations.Migration):
    """Small tables; nothing is rewritten."""

    dependencies = [("tollbook", "0007_owed")]
    operations = [
        migrations.RemoveIndex(model_name="refill", name="refill_unfinished"),
        migrations.AddField(model_name="refill", name="asked_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="refill", name="request_key", field=models.CharField(max_length=200, null=True)
        ),
        migrations.AddField(model_name="refillrule", name="released_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="refillrule", name="tripped_at", field=models.DateTimeField(null=True)),
        migrations.AlterField(
            model_name="refill",
            name="state",
            field=models.CharField(choices=STATES, default="decided", max_length=16),
        ),
        migrations.AddIndex(
            model_name="refill",
            index=models.Index(condition=OPEN, fields=["state", "decided_at"], name="refill_unfinished"),
        ),
        migrations.AddConstraint(
            model_name="refill",
            constraint=models.UniqueConstraint(fields=("account_id", "request_key"), name="one_refill_per_request"),
        ),
        migrations.RunSQL("GRANT UPDATE (asked_at) ON refill TO tollbook_engine", migrations.RunSQL.noop),
    ]
