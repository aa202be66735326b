"""Tollbook: customer billing view and real-time prepaid billing engine."""
