"""A bundle on test rows: predictions, metrics, curves, and which floors are missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pandas as pd

from lockgate.config.params import Params
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table, as_table
from lockgate.documents.curves_json import CalibrationPoint, Curves, PrecisionRecallPoint, RocPoint, ScoreBin
from lockgate.documents.gate_check import Check
from lockgate.engine.engine import Engine
from lockgate.gate.checks.registry import run_checks
from lockgate.gate.checks.threshold import ceiling_checks, floor_checks
from lockgate.gate.evidence import Evidence, Policy, measured_intervals
from lockgate.metrics.curves import calibration_points, precision_recall_points, roc_points, score_distribution
from lockgate.metrics.metrics import all_metrics
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions
from lockgate.model.scored_rows import predict, predicted_frames


@dataclass(frozen=True)
class Evaluation:
    """What a bundle did on test rows: a score a row, metrics by name, curves, and the floors that it missed.

    `rows` makes the rows of `predictions.parquet`, some thousands at a time where the test rows are read so.
    """

    predictions: Predictions
    metrics: dict[str, float]
    curves: Curves
    missed: list[Check]
    rows: Callable[[], Iterator[pd.DataFrame]]

    @property
    def summary(self) -> str:
        """One line for people."""
        found = self.metrics
        return (
            f"evaluated {str(self.predictions.model)[:12]} on {found['n']:,} rows: ROC-AUC {found['roc_auc']:.4f}, PR-AUC "
            f"{found['pr_auc']:.4f}, Brier {found['brier']:.4f}, KS {found['ks']:.4f}, ECE {found['ece']:.4f}"
        )


def evaluate(
    bundle: Bundle, test_rows: Table | pd.DataFrame | StageRows, params: Params, engine: Engine | None = None
) -> Evaluation:
    """Score the test rows of a `Dataset`, or those in a file, and measure how well.

    The scores are those of the form that is served. Rows in a file are scored part by part on the engine.
    Raises InputError where the rows lack a column of the bundle's schema.
    """
    schema = bundle.schema
    table = test_rows if isinstance(test_rows, StageRows) else as_table(test_rows, "the test rows")
    predictions = predict(bundle, table, params.evaluate, engine=engine)
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    curves = measured_curves(predictions, params.evaluate.confidence)
    policy = Policy(params.evaluate, params.gate)
    intervals = measured_intervals(predictions, params.evaluate) if params.gate.decide_on == "bound" else {}
    checks = run_checks(Evidence(predictions, metrics, intervals), policy, (floor_checks, ceiling_checks))
    missed = [check for check in checks if check.status == "block"]
    rows = partial(predicted_frames, predictions, table, schema, params.evaluate)
    return Evaluation(predictions, metrics, curves, missed, rows)


def measured_curves(predictions: Predictions, confidence: float) -> Curves:
    """The curves of the report: ROC, precision and recall, calibration with intervals, scores by class."""
    sample = predictions.y_true, predictions.y_score, predictions.weight
    roc, precision_recall = roc_points(*sample), precision_recall_points(*sample)
    calibration, scores = calibration_points(*sample, confidence=confidence), score_distribution(*sample)
    labels: tuple[Literal["negative", "positive"], ...] = ("negative", "positive")
    return Curves(
        roc=tuple(map(RocPoint, roc["fpr"], roc["tpr"])),
        precision_recall=tuple(map(PrecisionRecallPoint, precision_recall["recall"], precision_recall["precision"])),
        calibration=tuple(map(CalibrationPoint, *(calibration[name] for name in CalibrationPoint.__struct_fields__))),
        scores=tuple(
            ScoreBin((low + high) / 2, label, share)
            for label in labels
            for low, high, share in zip(scores["low"], scores["high"], scores[label], strict=True)
        ),
    )
