"""The worker's heartbeat, for /readyz."""

from django.db import models


class Beat(models.Model):
    """When each job of the timetable last ran to its end, and what it said."""

    job = models.CharField(primary_key=True, max_length=40)
    at = models.DateTimeField()
    took_ms = models.IntegerField()
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "worker_beat"
