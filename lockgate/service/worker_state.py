"""What changes while a worker runs."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.service.api.bearer_token import BearerTokens
from lockgate.service.scoring.predictor import Predictor


@dataclass
class WorkerState:
    """`predictor` serves the model of now: who answers asks for it then, and keeps neither it nor its digest.

    `tokens` are those of which requests have to bring one; None asks for none.
    `draining`: SIGTERM has come, /ready says 503, and requests are still answered.
    """

    predictor: Predictor
    tokens: BearerTokens | None = None
    draining: bool = False
