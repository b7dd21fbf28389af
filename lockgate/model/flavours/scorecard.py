"""A lender's scorecard: logistic regression on binned features, by scikit-learn, kept as a table of points.

A number is cut at the quantiles of the training rows, and passing a cut adds its points; a category, and a missing value,
has points of its own. So every reason is exact, and nothing that a decision rests on is hidden from the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from lockgate.config.extras import extras_named
from lockgate.documents.document import Document, Part
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import Round
from lockgate.drift.bins import bin_edges
from lockgate.metrics.metrics import log_loss
from lockgate.model.features import code_matrix
from lockgate.model.onnx_runtime import INPUT, OUTPUT
from lockgate.model.onnx_trees import IR_VERSION, OPSET
from lockgate.model.protocol import Fitted, Progress, Sample

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import ScorecardTrain

NATIVE = "scorecard.json"
NO_SPREAD = 1e-12  # of points that are all alike, but for the last digit


class FeaturePoints(Part, frozen=True):
    """Points of one feature, in log-odds.

    steps: added for each of `edges` that a number is above. categories: by the category's code. mean, spread: of the
    feature's points in the training rows.
    """

    edges: tuple[float, ...]
    steps: tuple[float, ...]
    categories: tuple[float, ...]
    missing: float
    mean: float
    spread: float


class Scorecard(Document, frozen=True, kw_only=True):
    """The content of scorecard.json: the log-odds of a row are the intercept and its features' points."""

    HOW_TO_FIX: ClassVar[str] = "run `lockgate train` again"

    schema: Literal[1] = 1
    intercept: float
    features: tuple[FeaturePoints, ...]


class ScorecardModel:
    """A table of points, and the bytes that it is read from."""

    SCORES_BATCHES_FASTER = False

    def __init__(self, content: bytes) -> None:
        """`content` is that of scorecard.json; raises InputError where it is none."""
        self._content = content
        self._card = Scorecard.read(content, NATIVE)

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: ScorecardTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Fit the points on the training rows; the validation rows only measure."""
        values = code_matrix(training.features)
        blocks = [
            _indicators(values[:, place], *_cuts(values[:, place], feature.kind, len(feature.categories), train.bins))
            for place, feature in enumerate(schema.features)
        ]
        # One thread, so that no sum depends on how many there are.
        with threadpool_limits(limits=1):
            fitted = LogisticRegression(C=train.C, max_iter=train.max_iter, solver="newton-cholesky").fit(
                np.hstack(blocks), training.labels, sample_weight=training.weights
            )
        points = np.split(fitted.coef_[0], np.cumsum([block.shape[1] for block in blocks])[:-1])
        features = []
        for place, (feature, block, found) in enumerate(zip(schema.features, blocks, points, strict=True)):
            edges, codes = _cuts(values[:, place], feature.kind, len(feature.categories), train.bins)
            given = np.einsum("rc,c->r", block, found)
            mean = float(np.average(given, weights=training.weights))
            spread = float(np.sqrt(np.average((given - mean) ** 2, weights=training.weights)))
            steps, categories = found[: len(edges)], found[len(edges) : len(edges) + len(codes)]
            features.append(
                FeaturePoints(
                    tuple(edges.tolist()),
                    tuple(steps.tolist()),
                    tuple(categories.tolist()),
                    float(found[-1]),
                    mean,
                    spread,
                )
            )
        card = Scorecard(intercept=float(fitted.intercept_[0]), features=tuple(features))
        model = cls(card.to_bytes())
        losses = [log_loss(one.labels, model.score(one.features), one.weights) for one in (training, validation)]
        progress(1, losses[1])
        return Fitted(model, (Round(1, round(losses[0], 6), round(losses[1], 6)),), 0, 1.0)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], threads: int | None = None) -> ScorecardModel:
        """The model in a bundle's files; it needs no threads."""
        return cls(files[NATIVE])

    def files(self) -> dict[str, bytes]:
        """The table, by the name that it has in a bundle."""
        return {NATIVE: self._content}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        return self.score_codes(code_matrix(features))

    def score_codes(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `code_matrix`."""
        return np.asarray(1 / (1 + np.exp(-(self._card.intercept + self._points(values).sum(axis=1)))))

    def explain(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shapley values of an additive model: each feature's points less their mean in training, the base last.

        Log-odds, shape (rows, features + 1).
        """
        means = np.array([one.mean for one in self._card.features])
        base = np.full((len(values), 1), self._card.intercept + means.sum())
        return np.hstack([self._points(values) - means, base])

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """How far the points of each feature spread in the training rows."""
        spreads = zip(feature_names, self._card.features, strict=True)
        return {name: one.spread for name, one in spreads if one.spread > NO_SPREAD}

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """Comparisons with cuts and codes, and one sum, in float64."""
        with extras_named():
            from onnx import TensorProto, checker, helper
        above, equal, missing = _flat(self._card)
        constants = {
            "intercept": ([1], [self._card.intercept]),
            "points": ([len(above) + len(equal) + len(missing), 1], [one[2] for one in (*above, *equal, *missing)]),
        }
        indices = {}
        nodes = [helper.make_node("Cast", [INPUT], ["values"], to=TensorProto.DOUBLE)]
        parts = []
        for name, operator, found in (
            ("above", "Greater", above),
            ("equal", "Equal", equal),
            ("missing", "IsNaN", missing),
        ):
            if not found:
                continue
            indices[f"{name}_features"] = [one[0] for one in found]
            nodes.append(helper.make_node("Gather", ["values", f"{name}_features"], [f"{name}_values"], axis=1))
            inputs = [f"{name}_values"]
            if operator != "IsNaN":
                constants[f"{name}_limits"] = ([len(found)], [one[1] for one in found])
                inputs.append(f"{name}_limits")
            nodes += [
                helper.make_node(operator, inputs, [f"is_{name}"]),
                helper.make_node("Cast", [f"is_{name}"], [f"{name}_indicators"], to=TensorProto.DOUBLE),
            ]
            parts.append(f"{name}_indicators")
        nodes += [
            helper.make_node("Concat", parts, ["indicators"], axis=1),
            helper.make_node("MatMul", ["indicators", "points"], ["sum"]),
            helper.make_node("Add", ["sum", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], ["double_probability"]),
            helper.make_node("Cast", ["double_probability"], [OUTPUT], to=TensorProto.FLOAT),
        ]
        graph = helper.make_graph(
            nodes,
            "lockgate",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", len(feature_names)])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", 1])],
            [
                *(helper.make_tensor(name, TensorProto.DOUBLE, *one) for name, one in constants.items()),
                *(helper.make_tensor(name, TensorProto.INT64, [len(one)], one) for name, one in indices.items()),
            ],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="lockgate"
        )
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _points(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Each feature's points, shape (rows, features)."""
        found = np.empty(values.shape, dtype=np.float64)
        for place, one in enumerate(self._card.features):
            codes = np.arange(len(one.categories))
            block = _indicators(values[:, place], np.asarray(one.edges), codes)
            found[:, place] = np.einsum("rc,c->r", block, np.array([*one.steps, *one.categories, one.missing]))
        return found


def _cuts(
    column: NDArray[np.float32], kind: str, categories: int, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The edges of a number and no codes, or no edges and the codes of a category."""
    if kind == "categorical":
        return np.empty(0), np.arange(categories)
    return bin_edges(column.astype(np.float64), bins), np.arange(0)


def _indicators(
    column: NDArray[np.float32], edges: NDArray[np.float64], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Above each edge, equal to each code, missing: 1 or 0, shape (rows, edges + codes + 1)."""
    values = column.astype(np.float64)[:, None]
    return np.hstack([values > edges, values == codes, np.isnan(values)]).astype(np.float64)


def _flat(card: Scorecard) -> tuple[list[tuple[int, float, float]], ...]:
    """What the graph compares: feature, limit and points; above an edge, equal to a code, missing."""
    above, equal, missing = [], [], []
    for place, one in enumerate(card.features):
        above += [(place, edge, step) for edge, step in zip(one.edges, one.steps, strict=True)]
        equal += [(place, float(code), points) for code, points in enumerate(one.categories)]
        missing.append((place, 0.0, one.missing))
    return above, equal, missing
