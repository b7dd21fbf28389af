"""The scorecard: points that are exact, the same on any number of threads, and the same in ONNX."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.config.params import ScorecardTrain
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.native_form import read_form
from lockgate.model.flavours.scorecard import NATIVE, ScorecardModel
from lockgate.model.flavours.scorecard_points import Scorecard, ScorecardForm
from lockgate.model.protocol import Sample
from lockgate.model.scoring import onnx_scores

SCHEMA = Schema(
    target="late",
    classes=TargetClasses(("1",), ("0",)),
    features=(
        Feature("income", "numeric", False, True, (), None, None, "income"),
        Feature("grade", "categorical", False, True, ("A", "B", "C"), None, None, "grade"),
        Feature("flat", "numeric", True, False, (), None, None, "flat"),
    ),
    audit=(),
    id_columns=(),
    time_column=None,
    weight_column=None,
    columns=(),
)


def sample(rows: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    income = np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(10, 1, rows))
    grade = rng.choice(np.array(["A", "B", "C", None], dtype=object), rows)
    risk = np.where(np.isnan(income), 0.5, income < 15_000) + (grade == "C")
    labels = (rng.random(rows) < 0.1 + 0.3 * risk).astype("int8")
    frame = pd.DataFrame({"income": income, "grade": grade, "flat": np.ones(rows)})
    return Sample(model_frame(frame, SCHEMA), labels, rng.choice([1.0, 2.0], rows))


@pytest.fixture(scope="module")
def model() -> ScorecardModel:
    fitted = ScorecardModel.fit(sample(3_000, 1), sample(500, 2), ScorecardTrain(), SCHEMA, lambda *_: None)
    assert isinstance(fitted.model, ScorecardModel)
    return fitted.model


def points_by_hand(card: Scorecard, income: float, grade: str | None, flat: float) -> float:
    found = card.intercept
    for value, one in ((income, card.features[0]), (flat, card.features[2])):
        found += (
            one.missing
            if np.isnan(value)
            else sum(step for edge, step in zip(one.edges, one.steps, strict=True) if value > edge)
        )
    points = card.features[1]
    return found + (points.missing if grade is None else points.categories["ABC".index(grade)])


@given(
    st.floats(allow_nan=True, allow_infinity=False, width=32),
    st.sampled_from(["A", "B", "C", None]),
    st.floats(-10, 10, width=32),
)
def test_a_score_is_the_sum_of_its_points_in_every_form(
    model: ScorecardModel, income: float, grade: str | None, flat: float
) -> None:
    card = Scorecard.read(model.files()[NATIVE], NATIVE)
    expected = 1 / (1 + np.exp(-points_by_hand(card, income, grade, flat)))
    rows = model_frame(pd.DataFrame({"income": [income], "grade": [grade], "flat": [flat]}), SCHEMA)
    assert model.score(rows)[0] == pytest.approx(expected, abs=1e-12)
    assert onnx_scores(model.onnx(SCHEMA.feature_names), rows)[0] == pytest.approx(expected, abs=1e-7)
    form = read_form(ScorecardForm, model.files()[NATIVE], SCHEMA.features, NATIVE)
    explained = form.explainer()(code_matrix(rows))[0]
    assert 1 / (1 + np.exp(-explained.sum())) == pytest.approx(expected, abs=1e-12)


def test_it_learns_what_drives_the_outcome_and_gives_a_constant_nothing(model: ScorecardModel) -> None:
    test = sample(4_000, 3)
    scores = model.score(test.features)
    assert np.average(scores[test.labels == 1]) > np.average(scores[test.labels == 0]) + 0.05
    gains = model.gains(SCHEMA.feature_names)
    assert set(gains) == {"income", "grade"}
    assert np.average(scores, weights=test.weights) == pytest.approx(
        np.average(test.labels, weights=test.weights), abs=0.03
    )


def test_the_bytes_do_not_depend_on_the_number_of_threads(model: ScorecardModel) -> None:
    from threadpoolctl import threadpool_limits

    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads):
            again = ScorecardModel.fit(sample(3_000, 1), sample(500, 2), ScorecardTrain(), SCHEMA, lambda *_: None)
        assert dict(again.model.files()) == model.files()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema": 1}', b'{"schema": 2, "intercept": 0.0, "features": []}'])
def test_what_is_no_scorecard_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"scorecard\.json"):
        read_form(ScorecardForm, content, SCHEMA.features, NATIVE)
