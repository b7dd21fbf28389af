"""Promises that a script checks: one line each with what was measured, and exit code 1 when one is broken."""

from __future__ import annotations

import sys


class Promises:
    """What was promised, and whether it was kept."""

    def __init__(self) -> None:
        self._broken = 0
        self._all = 0

    def check(self, kept: bool, promise: str, measured: str) -> None:
        """Print one promise with what was measured."""
        self._all += 1
        self._broken += not kept
        print(f"{'kept  ' if kept else 'BROKEN'}  {promise}: {measured}", flush=True)

    def finish(self) -> int:
        """Print the count; the exit code."""
        print(f"{self._all - self._broken} of {self._all} promises kept", flush=True)
        return 1 if self._broken else 0


def fail(message: str) -> None:
    """End the script with one line on stderr and exit code 2: nothing could be measured."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)
