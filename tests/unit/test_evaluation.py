"""What a bundle did on test rows: metrics, curves, and the floors that it missed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from decisions import CHALLENGER, DATA, SCHEMA, TARGET, TEST, spread

from lockgate.config.files import sha256_bytes
from lockgate.config.params import Params
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.curves_json import CalibrationPoint, PrecisionRecallPoint, RocPoint, ScoreBin
from lockgate.gate.evaluation import evaluate, measured_curves
from lockgate.metrics.curves import calibration_points, precision_recall_points, roc_points, score_distribution
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions

BUNDLE: Any = SimpleNamespace(schema=SCHEMA, digest="c1" * 32)
PARAMS = Params.model_validate(
    {"evaluate": {"floors": {"roc_auc": 0.9, "ks": 0.1}, "ceilings": {"brier": 0.1}, "slices": ["region"]}}
)


@pytest.fixture(autouse=True)
def _scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle gives the scores of CHALLENGER."""
    monkeypatch.setattr("lockgate.model.scored_rows.score_bundle", lambda _bundle, rows: scores_of(len(rows)))


def scores_of(rows: int) -> np.ndarray:
    return CHALLENGER.y_score[:rows]


def test_predictions_have_the_identities_of_model_and_rows_and_what_the_policy_asks_for() -> None:
    found = evaluate(BUNDLE, Table(TEST, "data/test.parquet", DATA), PARAMS)
    assert (found.predictions.model, found.predictions.data) == ("c1" * 32, DATA)
    assert found.predictions.y_score.tolist() == CHALLENGER.y_score.tolist()
    assert found.predictions.y_true.tolist() == TEST[TARGET].tolist()
    assert found.predictions.table["region"].equals(TEST["region"])
    assert found.metrics == all_metrics(CHALLENGER.y_true, CHALLENGER.y_score)
    assert evaluate(BUNDLE, TEST, PARAMS).predictions.data == sha256_bytes(table_bytes(TEST))


def test_the_floors_and_ceilings_that_are_missed_are_named() -> None:
    found = evaluate(BUNDLE, Table(TEST, "data/test.parquet", DATA), PARAMS)
    assert [check.name for check in found.missed] == ["roc_auc floor", "brier ceiling"]
    assert {check.low for check in found.missed} == {None}  # the estimate decides, and nothing is resampled
    by_bound = PARAMS.model_copy(update={"gate": PARAMS.gate.model_copy(update={"decide_on": "bound"})})
    (floor, ceiling) = evaluate(BUNDLE, Table(TEST, "data/test.parquet", DATA), by_bound).missed
    assert floor.high is not None
    assert floor.high < 0.9
    assert ceiling.low is not None
    assert ceiling.low > 0.1


def test_one_line_says_what_came_out() -> None:
    found = evaluate(BUNDLE, Table(TEST, "data/test.parquet", DATA), PARAMS)
    shown = {name: f"{found.metrics[name]:.4f}" for name in ("roc_auc", "pr_auc", "brier", "ks", "ece")}
    assert found.summary == (
        f"evaluated c1c1c1c1c1c1 on 700 rows: ROC-AUC {shown['roc_auc']}, PR-AUC {shown['pr_auc']}, Brier {shown['brier']}, "
        f"KS {shown['ks']}, ECE {shown['ece']}"
    )


@pytest.mark.parametrize("weight", [None, "weight"])
def test_the_curves_are_those_of_the_sample_with_its_weights(weight: str | None) -> None:
    table = pd.DataFrame({"y_true": TEST[TARGET], "y_score": CHALLENGER.y_score, "weight": 0.5 + spread(0.3)})
    predictions = Predictions(table, "m", "d", weight)
    sample = predictions.y_true, predictions.y_score, predictions.weight
    found = measured_curves(predictions, 0.9)
    roc, both = roc_points(*sample), precision_recall_points(*sample)
    assert found.roc == tuple(map(RocPoint, roc["fpr"], roc["tpr"]))
    assert found.precision_recall == tuple(map(PrecisionRecallPoint, both["recall"], both["precision"]))
    calibration = calibration_points(*sample, confidence=0.9)
    names = ("mean_score", "observed", "low", "high", "count")
    assert found.calibration == tuple(map(CalibrationPoint, *(calibration[name] for name in names)))
    scores = score_distribution(*sample)
    middles = [(low + high) / 2 for low, high in zip(scores["low"], scores["high"], strict=True)]
    assert found.scores == tuple(
        ScoreBin(middle, label, share)
        for label in ("negative", "positive")
        for middle, share in zip(middles, scores[label], strict=True)
    )
