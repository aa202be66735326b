"""Payments that come to an end: asked about in time, given up, settled by a person; tries of cards count from sending."""

from django.db import migrations, models

WAITS = "sent_at, next_ask_at, confirm_by, given_up_at, given_up_by, needs_person_at, question"
_NOOP = migrations.RunSQL.noop


class Migration(migrations.Migration):
    """Small tables; what was sent before was sent when it was charged first, and tries without a failure succeeded."""

    dependencies = [("tollbook", "0027_subscription_changes")]
    operations = [
        migrations.AddField("paymentintent", "sent_at", models.DateTimeField(null=True)),
        migrations.AddField("paymentintent", "next_ask_at", models.DateTimeField(null=True)),
        migrations.AddField("paymentintent", "confirm_by", models.DateTimeField(null=True)),
        migrations.AddField("paymentintent", "given_up_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "paymentintent", "given_up_by", models.CharField(max_length=254, blank=True, db_default="")
        ),
        migrations.AddField("paymentintent", "needs_person_at", models.DateTimeField(null=True)),
        migrations.AddField("paymentintent", "question", models.CharField(max_length=300, blank=True, db_default="")),
        migrations.AddIndex(
            "paymentintent",
            models.Index(
                fields=["needs_person_at"],
                condition=models.Q(needs_person_at__isnull=False),
                name="payment_intent_needs_person",
            ),
        ),
        migrations.AddField("cardattempt", "counts", models.BooleanField(db_default=True)),
        migrations.AddField("paymentmethod", "renewed_at", models.DateTimeField(null=True)),
        migrations.RunSQL("UPDATE payment_intent SET sent_at = charging_at WHERE charging_at IS NOT NULL", _NOOP),
        migrations.RunSQL("UPDATE card_attempt SET counts = false WHERE failed_at IS NULL", _NOOP),
        migrations.RunSQL(f"GRANT UPDATE ({WAITS}) ON payment_intent TO tollbook_engine", _NOOP),
        migrations.RunSQL("GRANT UPDATE (counts) ON card_attempt TO tollbook_engine", _NOOP),
        migrations.RunSQL("GRANT UPDATE (renewed_at) ON payment_method TO tollbook_engine", _NOOP),
    ]
