"""Fixtures of the market."""

from tests.market import market, secret, web

__all__ = ["market", "secret", "web"]
