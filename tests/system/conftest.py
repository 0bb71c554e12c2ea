"""Fixtures of the system tests."""

from tests.system.simulator import exchange, okx

__all__ = ["exchange", "okx"]
