"""What the user can mend, told apart from what is our fault, and the exit codes that say so (0 done, 1 our fault)."""

from __future__ import annotations

EXIT_BAD_INPUT = 2
EXIT_BLOCKED = 3
EXIT_DRIFT = 4


class InputError(Exception):
    """Bad input or configuration: one line that says what is wrong, where, and how to mend it (exit code 2)."""


class GateBlockedError(Exception):
    """The gate did not let the model pass (exit code 3)."""
