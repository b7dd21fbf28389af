"""Errors that the user can fix, apart from the kit's own faults, and the exit codes of both (0 done, 1 the kit's fault)."""

from __future__ import annotations

EXIT_BAD_INPUT = 2
EXIT_BLOCKED = 3
EXIT_DRIFT = 4


class InputError(Exception):
    """Bad input or configuration: one line with what is wrong, where, and how to fix it (exit code 2)."""


class GateBlockedError(Exception):
    """The gate did not let the model pass (exit code 3)."""
