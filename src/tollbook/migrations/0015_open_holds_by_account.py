"""Open holds by account: who records events asks whether their accounts have any. All of them are few, to expire them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One small index for another: at once."""

    dependencies = [("tollbook", "0014_lean_holds")]
    operations = [
        migrations.AddIndex(
            "hold",
            models.Index(fields=["account_id", "expires_at"], condition=models.Q(state="open"), name="hold_that_is_open"),
        ),
        migrations.RemoveIndex("hold", "hold_to_expire"),
    ]
