"""What changes while a worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class WorkerState:
    """`draining`: SIGTERM has come, /ready says 503, and requests are still answered.

    `psi_chance`, a number a feature, is NaN until it is computed.
    """

    psi_chance: Sequence[float]
    draining: bool = False
