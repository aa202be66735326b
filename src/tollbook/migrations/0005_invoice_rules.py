"""What must hold of every invoice, as constraints; the index that finds what a payment was used for."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """No rows or privileges change."""

    dependencies = [("tollbook", "0004_wallet_history")]
    operations = [
        migrations.AddIndex(
            "settlement", models.Index(fields=["account_id", "payment_id"], name="settlement_of_payment")
        ),
        migrations.AddConstraint(
            "invoice",
            models.CheckConstraint(
                condition=Q(due_on__gte=F("issued_on"), grace_until_on__gte=F("due_on")), name="invoice_days_in_order"
            ),
        ),
        migrations.AddConstraint(
            "invoice", models.CheckConstraint(condition=Q(total=F("subtotal") + F("tax")), name="invoice_adds_up")
        ),
    ]
