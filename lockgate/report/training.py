"""`train.json` as the report shows it: how the model came about."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.documents.text import NO_NAME, clean_text
from lockgate.documents.train_json import Round, TrainingReport
from lockgate.report.metrics import ShownMetric, metric_label

_MAX_ROWS = 60


@dataclass(frozen=True)
class ShownTraining:
    """How the model came about, its texts made harmless; `importance` is (feature, share), the largest first."""

    rows_train: int
    rows_validation: int
    features: int
    best_iteration: int
    rounds: int
    validation: tuple[ShownMetric, ...]
    history: tuple[Round, ...]
    importance: tuple[tuple[str, float], ...]
    dropped: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str], ...]
    ended_too_early: bool


def show_training(train: TrainingReport | None) -> ShownTraining | None:
    """What is shown of train.json; None where there is none."""
    if train is None:
        return None
    importance = [(clean_text(row.feature) or NO_NAME, row.gain_share) for row in train.importance]
    return ShownTraining(
        rows_train=train.rows.train,
        rows_validation=train.rows.validation,
        features=len(train.features),
        best_iteration=train.best_iteration,
        rounds=train.rounds,
        validation=tuple(
            ShownMetric(metric_label(name), value) for name, value in list(train.validation.items())[:_MAX_ROWS]
        ),
        history=train.history,
        importance=tuple(sorted(importance, key=lambda row: (-row[1], row[0]))),
        dropped=tuple(
            (clean_text(column.name) or NO_NAME, clean_text(column.reason, 120)) for column in train.dropped[:_MAX_ROWS]
        ),
        params=tuple(
            (clean_text(name) or NO_NAME, clean_text(value, 80))
            for name, value in sorted(train.params.items())[:_MAX_ROWS]
        ),
        ended_too_early=train.ended_too_early,
    )
