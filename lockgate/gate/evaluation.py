"""A bundle on test rows: predictions, metrics, curves, and which floors are missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from lockgate.config.files import sha256_bytes
from lockgate.config.params import Params
from lockgate.data.tables import Table, as_table, table_bytes
from lockgate.documents.curves_json import CalibrationPoint, Curves, PrecisionRecallPoint, RocPoint, ScoreBin
from lockgate.documents.gate_check import Check
from lockgate.gate.checks.registry import run_checks
from lockgate.gate.checks.threshold import ceiling_checks, floor_checks
from lockgate.gate.evidence import Evidence, Policy, measured_intervals
from lockgate.metrics.curves import calibration_points, precision_recall_points, roc_points, score_distribution
from lockgate.metrics.metrics import all_metrics
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions, make_predictions
from lockgate.model.scoring import score_bundle


@dataclass(frozen=True)
class Evaluation:
    """What a bundle did on test rows: a score a row, metrics by name, curves, and the floors that it missed."""

    predictions: Predictions
    metrics: dict[str, float]
    curves: Curves
    missed: list[Check]

    @property
    def summary(self) -> str:
        """One line for people."""
        found = self.metrics
        return (
            f"evaluated {str(self.predictions.model)[:12]} on {found['n']:,} rows: ROC-AUC {found['roc_auc']:.4f}, PR-AUC "
            f"{found['pr_auc']:.4f}, Brier {found['brier']:.4f}, KS {found['ks']:.4f}, ECE {found['ece']:.4f}"
        )


def evaluate(bundle: Bundle, test_rows: Table | pd.DataFrame, params: Params) -> Evaluation:
    """Score the test rows of a `Dataset` and measure how well.

    The scores are those of the form that is served.
    Raises InputError where the rows lack a column of the bundle's schema.
    """
    table = as_table(test_rows, "the test rows")
    schema = bundle.schema
    scores = score_bundle(bundle, table.rows)
    data = table.sha256 or sha256_bytes(table_bytes(table.rows))
    predictions = make_predictions(table.rows, scores, schema, params.evaluate, bundle.digest, data)
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    curves = measured_curves(predictions, params.evaluate.confidence)
    policy = Policy(params.evaluate, params.gate)
    intervals = measured_intervals(predictions, params.evaluate) if params.gate.decide_on == "bound" else {}
    checks = run_checks(Evidence(predictions, metrics, intervals), policy, (floor_checks, ceiling_checks))
    return Evaluation(predictions, metrics, curves, [check for check in checks if check.status == "block"])


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
