"""The settings of the service: the options of `lockgate serve`, read once and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

UnseenCategories = Literal["refuse", "missing"]

MAX_BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Settings:
    """Every option of the command, with its default. Times are in seconds."""

    bundle: Path = Path("models")
    verdict: Path | None = None  # None: gate.json in the bundle, else reports/gate.json
    allow_ungated: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    unseen_categories: UnseenCategories = "refuse"
    drift: str | None = None  # a path or an http(s) URL
    drift_seconds: float = 60.0
    decision_log: Path | None = None
    log_rows: int = 20_000
    log_seconds: float = 60.0
    max_in_flight: int = 40
    max_body_bytes: int | None = None  # None: what 1,000 rows of this schema can need
    request_seconds: float = 8.0
    keep_alive_seconds: float = 65.0
    drain_seconds: float = 5.0
    grace_seconds: float = 20.0
