"""What changes while a worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.service.scoring.explainer import Explainer


@dataclass
class WorkerState:
    """`draining`: SIGTERM has come, /ready says 503, and requests are still answered.

    Until they are loaded, `explainer` is None and `psi_chance`, a number a feature, is NaN.
    """

    psi_chance: Sequence[float]
    draining: bool = False
    explainer: Explainer | None = None
