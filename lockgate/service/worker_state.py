"""What changes while a worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockgate.service.scoring.explainer import Explainer


@dataclass
class WorkerState:
    """`draining`: it was told to end and says so to whoever asks.

    `psi_chance`, a number a feature, is NaN, and `explainer` None, until they are loaded.
    """

    psi_chance: Sequence[float]
    draining: bool = False
    explainer: Explainer | None = None
