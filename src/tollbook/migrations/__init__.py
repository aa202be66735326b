"""The one migration chain."""
