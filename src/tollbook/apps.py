"""Tollbook as one Django application: one label, one migration chain."""

from django.apps import AppConfig


class TollbookConfig(AppConfig):
    """Models live in the domain packages' `tables.py`; `tollbook.models` gathers them."""

    name = "tollbook"
    label = "tollbook"
    verbose_name = "Tollbook"
    default_auto_field = "django.db.models.BigAutoField"
