"""`lockgate compare`: two models on the rows that both were scored on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, succeed

from lockgate.gate.comparison import compare
from lockgate.metrics.delong import paired_difference
from lockgate.metrics.metrics import roc_auc
from lockgate.model.predictions import predictions_of_frame


@pytest.fixture
def table(project: Path) -> pd.DataFrame:
    """The predictions of the project's model."""
    return pd.read_parquet(project / "reports/predictions.parquet")[["row_key", "y_true", "y_score"]]


def worse(table: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(1).normal(0.0, 0.15, len(table))
    return table.assign(y_score=np.clip(table["y_score"] + noise, 0.0, 1.0))


def test_shared_rows_in_any_order_give_the_paired_interval(table: pd.DataFrame) -> None:
    first, second = table.iloc[:900], worse(table).iloc[100:].sample(frac=1.0, random_state=3)
    found = compare(predictions_of_frame(first, "a"), predictions_of_frame(second, "b"))
    both, other = table.iloc[100:900], worse(table).iloc[100:900]
    assert (found.rows, found.positives) == (800, both["y_true"].sum())
    auc = found.metrics[0]
    assert auc.first == pytest.approx(roc_auc(both["y_true"], both["y_score"]))
    assert auc.second == pytest.approx(roc_auc(both["y_true"], other["y_score"]))
    expected = paired_difference(both["y_true"], other["y_score"], both["y_score"]).difference
    assert auc.difference is not None
    assert (auc.difference.low, auc.difference.high) == pytest.approx((expected.low, expected.high))
    assert auc.better == "first"
    by_name = {metric.name: metric for metric in found.metrics}
    assert by_name["brier"].better == "first"
    assert by_name["ks"].difference is None


def test_which_is_better_is_seen_from_both_sides(table: pd.DataFrame) -> None:
    a, b = predictions_of_frame(worse(table), "a"), predictions_of_frame(table, "b")
    assert {metric.better for metric in compare(a, b).metrics[:3]} == {"second"}
    assert {metric.better for metric in compare(a, a).metrics} == {None}


def test_bundles_score_the_test_rows_and_tables_are_joined_to_them(
    project: Path, run: Run, table: pd.DataFrame
) -> None:
    shutil.copytree(project / "models", project / "base")
    worse(table).tail(500).to_csv(project / "b.csv", index=False)
    same = succeed(run("compare", "base", "models")).stdout
    assert "0.0000]  equal" in same
    assert f"{len(table):,} rows in both" in same
    apart = succeed(run("compare", "models", "b.csv", "--confidence", "0.9")).stdout
    assert "500 rows in both" in apart
    assert "90 % interval" in apart
    assert "A is better" in apart


def test_what_cannot_be_compared_is_said(project: Path, run: Run, table: pd.DataFrame) -> None:
    table.to_csv(project / "a.csv", index=False)
    table.assign(row_key="x" + table["row_key"]).to_csv(project / "others.csv", index=False)
    table.assign(y_true=1 - table["y_true"]).to_csv(project / "labels.csv", index=False)
    table.drop(columns="row_key").to_csv(project / "keyless.csv", index=False)
    assert_refused(run("compare", "a.csv", "others.csv"), "a.csv and others.csv: no row key is in both")
    assert_refused(run("compare", "a.csv", "labels.csv"), f"{len(table):,} of the {len(table):,} rows", "another label")
    assert_refused(run("compare", "keyless.csv", "a.csv"), "the first table has no column `row_key`")
    assert run("compare", "a.csv", "nowhere.csv").exit_code == 2
