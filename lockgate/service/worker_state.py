"""What changes while a worker runs."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.service.scoring.predictor import Predictor


@dataclass
class WorkerState:
    """`predictor` serves the model of now: who answers asks for it then, and keeps neither it nor its digest.

    `draining`: SIGTERM has come, /ready says 503, and requests are still answered.
    """

    predictor: Predictor
    draining: bool = False
