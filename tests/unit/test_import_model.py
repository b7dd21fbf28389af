"""An imported model's scores against those that it gave where it was trained, and a model that cannot run."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from exported_models import exported_pipeline, fitted_pipeline, loans
from onnx_models import content, node
from sklearn.linear_model import LogisticRegression

import lockgate
from lockgate.data.source_table import source_of_frame
from lockgate.model.expected_scores import ExpectedScores, require_expected
from lockgate.model.features import model_frame, text_frame
from lockgate.model.import_model import Imported

PARAMS = lockgate.Params.model_validate(
    {"prepare": {"source": "loans", "target": "defaulted", "id_columns": ["id"]}, "train": {"model": "own"}}
)


@cache
def dataset() -> lockgate.Dataset:
    return lockgate.prepare(loans(), PARAMS.prepare)


@cache
def imported() -> tuple[Imported, np.ndarray]:
    """A pipeline that takes months as whole numbers, and its own scores of the training rows."""
    rows = as_trained_on()
    fitted = fitted_pipeline(LogisticRegression(), rows, dataset().train["defaulted"].to_numpy())
    content = exported_pipeline(fitted, rows, zipmap=True)
    return lockgate.import_model(content, dataset().train, dataset().schema, PARAMS), fitted.predict_proba(rows)[:, 1]


def as_trained_on() -> pd.DataFrame:
    return text_frame(model_frame(dataset().train, dataset().schema)).astype({"months": "int64"})


def expected(rows: pd.DataFrame, scores: np.ndarray) -> ExpectedScores:
    return ExpectedScores(rows, scores, "`pd` of loans", source_of_frame(rows, "loans"))


def test_what_it_gave_is_what_the_bundle_gives() -> None:
    made, scores = imported()
    words = require_expected(made.trained.bundle, expected(dataset().train, scores))
    assert words.startswith(f"the model gives `pd` of loans: {len(scores):,} rows, largest difference ")
    assert made.summary.startswith(
        f"imported {made.trained.report.model[:12]}, whose probability is `output_probability`, column 1:"
    )
    assert made.trained.report.rounds == 0
    assert made.trained.bundle.native is None


def test_a_row_with_a_category_of_later_is_left_out() -> None:
    made, scores = imported()
    rows = dataset().train.copy()
    rows.loc[[3, 8], "purpose"] = "boat"
    changed = scores.copy()
    changed[[3, 8]] = 0.0
    words = require_expected(made.trained.bundle, expected(rows, changed))
    assert f": {len(scores) - 2:,} rows (2 more have a category that no training row had)" in words


@pytest.mark.parametrize(("row", "months"), [(0, np.nan), (5, 71.0)])
def test_another_score_or_none_is_refused(row: int, months: float) -> None:
    made, scores = imported()
    rows = dataset().train.astype({"months": "float64"})
    rows.loc[row, "months"] = months
    with pytest.raises(
        lockgate.InputError, match=rf"1 of {len(rows):,} rows differ by more than 1e-05.*in row {row + 1}: "
    ):
        require_expected(made.trained.bundle, expected(rows, scores))


def test_what_the_runtime_cannot_run_says_that_double_may_be_why() -> None:
    rows = as_trained_on().astype({"income": "float64"})
    fitted = fitted_pipeline(LogisticRegression(), rows, dataset().train["defaulted"].to_numpy())
    with pytest.raises(lockgate.InputError, match=r"cannot load .* export yours with float in the place of double"):
        lockgate.import_model(exported_pipeline(fitted, rows, zipmap=True), dataset().train, dataset().schema, PARAMS)


def test_a_score_that_is_no_probability_is_refused() -> None:
    class LogOdds:
        def score(self, features: pd.DataFrame) -> np.ndarray:
            raise AssertionError("refused before")

        def onnx(self, _names: list[str]) -> bytes:
            return content(node("Neg", "features"), features=1)

        def files(self) -> dict[str, bytes]:
            return {}

    found = lockgate.prepare(loans()[["id", "months", "defaulted"]], PARAMS.prepare)
    with pytest.raises(lockgate.InputError, match="in row 1 of the training rows, which is no probability"):
        lockgate.train(found.train, found.schema, PARAMS, trainer=lambda *_: LogOdds())
