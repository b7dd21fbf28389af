"""Errors that the user can fix, apart from the kit's own faults."""

from __future__ import annotations


class InputError(Exception):
    """Bad input or configuration: one line with what is wrong, where, and how to fix it (exit code 2; see exit_codes.py)."""


class GateBlockedError(Exception):
    """The gate did not let the model pass (exit code 3)."""
