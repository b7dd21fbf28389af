"""What changes while a worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class State:
    """`draining`: it was told to end and says so to whoever asks. `psi_chance`: a feature each, NaN until computed."""

    psi_chance: Sequence[float]
    draining: bool = False
