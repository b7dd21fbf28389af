"""A model of one's own through the `Model` protocol: trained by the project, bundled, judged and watched by the kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import lockgate
from lockgate.documents.schema_json import Schema
from lockgate.model.protocol import Sample


class OwnModel:
    """Logistic regression on one column, written as ONNX by hand."""

    def __init__(self, training: Sample, shift: float = 0.0) -> None:
        fitted = LogisticRegression().fit(self._column(training.features), training.labels)
        self._slope, self._intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        self._shift = shift

    @staticmethod
    def _column(features: pd.DataFrame) -> NDArray[np.float64]:
        return features[["income"]].to_numpy(dtype=np.float64, na_value=0.0)

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        return expit(self._intercept + self._shift + self._slope * self._column(features)[:, 0])

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        from onnx import TensorProto, helper

        place = list(feature_names).index("income")
        constants = {"place": [place], "zero": [0.0], "slope": [self._slope], "intercept": [self._intercept]}
        nodes = [
            helper.make_node("Gather", ["features", "place"], ["income"], axis=1),
            helper.make_node("IsNaN", ["income"], ["is_missing"]),
            helper.make_node("Where", ["is_missing", "zero", "income"], ["filled"]),
            helper.make_node("Mul", ["filled", "slope"], ["product"]),
            helper.make_node("Add", ["product", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
        ]
        graph = helper.make_graph(
            nodes,
            "own",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(feature_names)])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
            [
                helper.make_tensor(name, TensorProto.INT64 if name == "place" else TensorProto.FLOAT, [1], value)
                for name, value in constants.items()
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def files(self) -> Mapping[str, bytes]:
        return {}


PARAMS = lockgate.Params.model_validate(
    {"prepare": {"source": "loans", "target": "late", "id_columns": ["id"]}, "train": {"model": "own", "my_key": 3}}
)


@pytest.fixture(scope="module")
def dataset() -> lockgate.Dataset:
    random = np.random.default_rng(5)
    income = random.normal(0, 1, 4000)
    late = random.random(4000) < 1 / (1 + np.exp(1.2 - 1.6 * income))
    frame = pd.DataFrame({"income": income, "region": random.choice(["n", "s"], 4000), "late": late.astype(int)})
    # Without it the rows that lack an income would be copies of a few, which all stay on one side of the split.
    frame["id"] = range(4000)
    frame.loc[::50, "income"] = np.nan
    frame["id"] = range(len(frame))  # without it, the equal rows that lack an income would all go to one side
    return lockgate.prepare(frame, PARAMS.prepare)


def test_it_is_bundled_evaluated_judged_and_watched(dataset: lockgate.Dataset) -> None:
    seen: list[tuple[int, int, list[str]]] = []

    def trainer(training: Sample, validation: Sample, schema: Schema) -> lockgate.Model:
        seen.append((len(training.labels), len(validation.labels), schema.feature_names))
        return OwnModel(training)

    trained = lockgate.train(dataset.train, dataset.schema, PARAMS, trainer=trainer)
    assert sum(seen[0][:2]) == len(dataset.train)
    assert seen[0][1] > 0
    assert seen[0][2] == ["income", "region"]
    assert trained.bundle.manifest.params["train"]["my_key"] == 3
    evaluation = lockgate.evaluate(trained.bundle, dataset.test, PARAMS)
    verdict = lockgate.judge(evaluation.predictions)
    assert verdict.verdict == "pass", verdict.blocking_reasons()
    assert lockgate.measure_drift(trained.bundle, dataset.current).status == "stable"
    report = lockgate.write_report(lockgate.ReportFacts(gate=verdict, train=trained.report)).markdown
    assert "validation rows" in report
    assert "at round" not in report


def test_an_onnx_form_that_scores_otherwise_is_refused(dataset: lockgate.Dataset) -> None:
    with pytest.raises(lockgate.InputError, match=r"model\.onnx does not score as"):
        lockgate.train(
            dataset.train, dataset.schema, PARAMS, trainer=lambda training, *_: OwnModel(training, shift=0.01)
        )


def test_without_a_trainer_the_kit_says_whose_part_training_is(dataset: lockgate.Dataset) -> None:
    with pytest.raises(lockgate.InputError, match="this project trains its own model"):
        lockgate.train(dataset.train, dataset.schema, PARAMS)


class Explained(OwnModel):
    """A model of one's own that calls a file as the kit's XGBoost calls its own."""

    def files(self) -> Mapping[str, bytes]:
        return {"model.json": b'{"learner": {}}', "notes.txt": b"ours"}


def test_a_file_with_the_name_of_the_kits_own_form_has_to_be_that_form(dataset: lockgate.Dataset) -> None:
    with pytest.raises(lockgate.InputError, match=r"model\.json is not XGBoost's JSON"):
        lockgate.train(dataset.train, dataset.schema, PARAMS, trainer=lambda training, *_: Explained(training))
