"""This installation's name at gateways. Several installations may share an account there: this keeps their money apart."""

from tollbook.payments.tables import Installation


def install_id() -> str:
    """The same for ever, in the database, so that it comes back with a backup. Reads one row."""
    return str(Installation.objects.values_list("id", flat=True).get())
