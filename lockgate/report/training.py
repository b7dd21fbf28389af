"""`train.json` as the report shows it: how the model came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.config.metric_names import metric_title
from lockgate.documents.text import NO_NAME, clean_text, fraction, number, records, whole, within
from lockgate.report.metrics import Metric

_MOST_ROWS = 60


@dataclass(frozen=True)
class Training:
    """`train.json`: how the model came about. `history` is (round, training, validation log-loss)."""

    rows_train: int | None
    rows_validation: int | None
    features: int
    best_iteration: int | None
    rounds: int | None
    validation: tuple[Metric, ...]
    history: tuple[tuple[float, float | None, float | None], ...]
    importance: tuple[tuple[str, float], ...]
    dropped: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str], ...]


def read_training(train: Mapping[str, Any] | None) -> Training | None:
    """The parsed `train.json`; None where there is none."""
    if train is None:
        return None
    rows, features = _mapping(train.get("rows")), train.get("features")
    importance = [
        (clean_text(row.get("feature")) or NO_NAME, fraction(row.get("gain_share")))
        for row in records(train.get("importance"))
    ]
    history = [
        (
            within(row.get("round"), 0, 1e6),
            _log_loss(row.get("train_log_loss")),
            _log_loss(row.get("validation_log_loss")),
        )
        for row in records(train.get("history"))
    ]
    dropped = [
        (clean_text(row.get("name")) or NO_NAME, clean_text(row.get("reason"), 120))
        for row in records(train.get("dropped"))
    ]
    return Training(
        rows_train=whole(rows.get("train")),
        rows_validation=whole(rows.get("validation")),
        features=len(features) if isinstance(features, list | tuple) else 0,
        best_iteration=whole(train.get("best_iteration")),
        rounds=whole(train.get("rounds")),
        validation=tuple(
            Metric(clean_text(metric_title(str(key))) or NO_NAME, number(value))
            for key, value in list(_mapping(train.get("validation")).items())[:_MOST_ROWS]
        ),
        history=tuple((at, fitted, held_out) for at, fitted, held_out in history if at is not None),
        importance=tuple(sorted(((n, s) for n, s in importance if s is not None), key=lambda row: (-row[1], row[0]))),
        dropped=tuple(dropped[:_MOST_ROWS]),
        params=tuple(
            (clean_text(key) or NO_NAME, clean_text(value, 80))
            for key, value in sorted(_mapping(train.get("params")).items(), key=lambda item: str(item[0]))[:_MOST_ROWS]
        ),
    )


def _log_loss(value: object) -> float | None:
    return within(value, 0.0, 1000.0)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
