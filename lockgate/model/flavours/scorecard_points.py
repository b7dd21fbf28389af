"""A scorecard as a table of points: read and checked, written as ONNX, and its own explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.document import Document, Part
from lockgate.documents.schema_json import Feature
from lockgate.model import onnx_writer
from lockgate.model.flavours.native_form import DamagedError, require
from lockgate.model.onnx_runtime import INPUT, OUTPUT
from lockgate.model.protocol import Explain


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


@dataclass(frozen=True)
class ScorecardForm:
    """A table of points that fits its features."""

    card: Scorecard

    @classmethod
    def read(cls, content: bytes, features: Sequence[Feature]) -> ScorecardForm:
        """The content of scorecard.json; raises DamagedError where it is none for these features."""
        try:
            card = Scorecard.read(content, "", "")
        except InputError as error:
            raise DamagedError(str(error).strip(" ;")) from None
        found = [(len(one.edges), len(one.categories)) for one in card.features]
        fits = [
            (len(one.steps), len(feature.categories)) for one, feature in zip(card.features, features, strict=False)
        ]
        require(
            len(features) == len(found) and found == fits, "does not have the points of the features of schema.json"
        )
        return cls(card)

    def score(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `code_matrix`."""
        return np.asarray(1 / (1 + np.exp(-(self.card.intercept + self._points(values).sum(axis=1)))))

    def explainer(self) -> Explain:
        """Shapley values of an additive model: each feature's points less their mean in training, the base last."""
        means = np.array([one.mean for one in self.card.features])
        base = self.card.intercept + means.sum()
        return lambda values: np.hstack([self._points(values) - means, np.full((len(values), 1), base)])

    def onnx(self) -> bytes:
        """Comparisons with cuts and codes, and one sum, in float64."""
        above, equal, missing = _flat(self.card)
        points = [one[2] for one in (*above, *equal, *missing)]
        nodes = [onnx_writer.node("Cast", [INPUT], ["values"], [_to(onnx_writer.DOUBLE)])]
        limits = []
        places = []
        parts = []
        for name, operator, found in (
            ("above", "Greater", above),
            ("equal", "Equal", equal),
            ("missing", "IsNaN", missing),
        ):
            if not found:
                continue
            places.append(onnx_writer.indices(f"{name}_features", [one[0] for one in found]))
            axis = onnx_writer.integer("axis", 1)
            nodes.append(onnx_writer.node("Gather", ["values", f"{name}_features"], [f"{name}_values"], [axis]))
            inputs = [f"{name}_values"]
            if operator != "IsNaN":
                limits.append(onnx_writer.doubles(f"{name}_limits", [len(found)], [one[1] for one in found]))
                inputs.append(f"{name}_limits")
            nodes += [
                onnx_writer.node(operator, inputs, [f"is_{name}"]),
                onnx_writer.node("Cast", [f"is_{name}"], [f"{name}_indicators"], [_to(onnx_writer.DOUBLE)]),
            ]
            parts.append(f"{name}_indicators")
        nodes += [
            onnx_writer.node("Concat", parts, ["indicators"], [onnx_writer.integer("axis", 1)]),
            onnx_writer.node("MatMul", ["indicators", "points"], ["sum"]),
            onnx_writer.node("Add", ["sum", "intercept"], ["log_odds"]),
            onnx_writer.node("Sigmoid", ["log_odds"], ["double_probability"]),
            onnx_writer.node("Cast", ["double_probability"], [OUTPUT], [_to(onnx_writer.FLOAT)]),
        ]
        constants = [
            onnx_writer.doubles("intercept", [1], [self.card.intercept]),
            onnx_writer.doubles("points", [len(points), 1], points),
        ]
        return onnx_writer.model(nodes, len(self.card.features), [*constants, *limits, *places])

    def _points(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Each feature's points, shape (rows, features)."""
        found = np.empty(values.shape, dtype=np.float64)
        for place, one in enumerate(self.card.features):
            codes = np.arange(len(one.categories))
            block = indicators(values[:, place], np.asarray(one.edges), codes)
            found[:, place] = np.einsum("rc,c->r", block, np.array([*one.steps, *one.categories, one.missing]))
        return found


def indicators(column: NDArray[np.float32], edges: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Above each edge, equal to each code, missing: 1 or 0, shape (rows, edges + codes + 1)."""
    values = column.astype(np.float64)[:, None]
    return np.hstack([values > edges, values == codes, np.isnan(values)]).astype(np.float64)


def _to(kind: int) -> bytes:
    return onnx_writer.integer("to", kind)


def _flat(card: Scorecard) -> tuple[list[tuple[int, float, float]], ...]:
    """What the graph compares: feature, limit and points; above an edge, equal to a code, missing."""
    above, equal, missing = [], [], []
    for place, one in enumerate(card.features):
        above += [(place, edge, step) for edge, step in zip(one.edges, one.steps, strict=True)]
        equal += [(place, float(code), points) for code, points in enumerate(one.categories)]
        missing.append((place, 0.0, one.missing))
    return above, equal, missing
