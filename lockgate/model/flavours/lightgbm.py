"""LightGBM: trained to the same bytes on any number of threads, and written as ONNX from its own text.

The library sees `code_matrix`, so its features are numbered and not named: its text cannot hold every column's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Schema
from lockgate.model.boosting import LossHistory, monotone_directions, odds_factor, shift_to_prevalence
from lockgate.model.features import code_matrix
from lockgate.model.onnx_trees import TreeEnsemble
from lockgate.model.protocol import Fitted, Progress, Sample

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import LightGBMTrain

Parameters = dict[str, str | float | bool | list[int]]

NATIVE = "model.txt"
# Keys of the section that are ours, or that `fit` hands over in another form.
NOT_BOOSTER_PARAMETERS = {
    "model",
    "validation_size",
    "num_boost_round",
    "early_stopping_rounds",
    "monotone",
    "monotone_constraints_method",
    "scale_pos_weight",
    "num_threads",
}
# What a node's `decision_type` is made of (include/LightGBM/tree.h).
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_SHIFT, MISSING_IS_ZERO, MISSING_IS_NAN = 2, 1, 2
# Values this near to 0 are 0 to LightGBM (`kZeroThreshold`, a float32).
ZERO = float(np.float32(1e-35))
WORD = 32  # bits of a set of categories in one number


class LightGBMModel:
    """A booster, and the text that it is read from."""

    SCORES_BATCHES_FASTER = False

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        """`content` is LightGBM's text; a damaged one can crash the process, so it must have been verified before."""
        self._content = content
        self._booster = lightgbm.Booster(model_str=content.decode())
        self._threads = threads or 0  # 0: as many as there are

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: LightGBMTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Boost until the validation log-loss has not improved for `early_stopping_rounds`, and keep the best round."""
        factor = odds_factor(train.scale_pos_weight, training)
        directions = monotone_directions(train.monotone, schema)
        parameters: Parameters = {
            **train.model_dump(exclude=NOT_BOOSTER_PARAMETERS),
            "objective": "binary",
            "metric": "None",
            "scale_pos_weight": factor,
            "bagging_freq": int(train.bagging_fraction < 1),
            # Each histogram is summed by one thread, so that no sum depends on how many there are.
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": train.num_threads or 0,
            "verbosity": -1,
        }
        if any(directions):  # without a constraint, the method `advanced` ends the process
            parameters["monotone_constraints"] = directions
            parameters["monotone_constraints_method"] = train.monotone_constraints_method
        matrices = [code_matrix(sample.features) for sample in (training, validation)]
        datasets = _datasets(matrices, (training, validation), schema, parameters)
        history = LossHistory(training, validation, factor, train.early_stopping_rounds, progress)
        watcher = _Watcher(history)
        booster = lightgbm.train(
            parameters,
            datasets[0],
            num_boost_round=train.num_boost_round,
            valid_sets=datasets,
            valid_names=["train", "validation"],
            feval=watcher.metric,
            callbacks=[watcher],
        )
        kept = history.best_iteration + 1
        if factor != 1.0:
            margins = np.asarray(booster.predict(matrices[0], raw_score=True, num_iteration=kept))
            _shift(booster, shift_to_prevalence(margins, training))
        text = booster.model_to_string(num_iteration=kept)
        # What follows is parameters: the number of threads is one, and the manifest has the others.
        content = text[: text.index("\nparameters:")].encode()
        return Fitted(cls(content, train.num_threads), history.rounds, history.best_iteration, factor)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], threads: int | None = None) -> LightGBMModel:
        """The model in a bundle's files."""
        return cls(files[NATIVE], threads)

    def files(self) -> dict[str, bytes]:
        """The text, by the name that it has in a bundle."""
        return {NATIVE: self._content}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        return self.score_codes(code_matrix(features))

    def score_codes(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `code_matrix`."""
        return np.asarray(self._booster.predict(values, num_threads=self._threads), dtype=np.float64)

    def explain(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67), path dependent, exact for the trees.

        Log-odds, shape (rows, features + 1), the base last.
        """
        return np.asarray(self._booster.predict(values, pred_contrib=True, num_threads=self._threads), dtype=np.float64)

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """Total gain by feature, of those that are split on."""
        gains = self._booster.feature_importance(importance_type="gain")
        return {name: float(gain) for name, gain in zip(feature_names, gains, strict=True) if gain > 0}

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The booster as ONNX; see `to_onnx`."""
        return to_onnx(self._content, len(feature_names))


class _Watcher:
    """Records the losses of each round, and ends the training when its history says so."""

    order = 0
    before_iteration = False

    def __init__(self, history: LossHistory) -> None:
        self._history = history
        self._latest: list[NDArray[Any]] = []

    def metric(self, raw: NDArray[Any], _: lightgbm.Dataset) -> tuple[str, float, bool]:
        """LightGBM asks it for the training rows, then for the validation rows, after each round."""
        self._latest.append(raw.copy())
        return "log_loss", 0.0, False

    def __call__(self, environment: lightgbm.callback.CallbackEnv) -> None:
        training, validation = self._latest
        self._latest = []
        if self._history.add(training, validation):
            raise lightgbm.callback.EarlyStopException(self._history.best_iteration, [])


def _datasets(
    matrices: Sequence[NDArray[np.float32]], samples: Sequence[Sample], schema: Schema, parameters: Parameters
) -> list[lightgbm.Dataset]:
    """The training rows, and the validation rows in the same bins."""
    found: list[lightgbm.Dataset] = []
    for matrix, sample in zip(matrices, samples, strict=True):
        found.append(
            lightgbm.Dataset(
                matrix,
                sample.labels,
                weight=sample.weights,
                reference=found[0] if found else None,
                categorical_feature=[
                    place for place, feature in enumerate(schema.features) if feature.kind == "categorical"
                ],
                params=dict(parameters),
            )
        )
    return found


def _shift(booster: lightgbm.Booster, shift: float) -> None:
    """Move the log-odds of every row: LightGBM keeps its intercept in the leaves of the first tree."""
    leaves = booster.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]
    for leaf in range(leaves):
        booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + shift)


@dataclass(frozen=True)
class _Tree:
    """A tree: split nodes by index, leaf l as the child -1 - l; `categories` of a node lead to its left child."""

    features: list[int]
    thresholds: list[float]
    decisions: list[int]
    left: list[int]
    right: list[int]
    leaves: list[float]
    categories: list[list[int]]


def to_onnx(content: bytes, features: int) -> bytes:
    """LightGBM's text as ONNX, in float64 as in the library, so that every value falls on the same side.

    Raises InputError where the booster is not what `LightGBMModel.fit` makes of so many features.
    """
    header, *trees = content.decode().partition("\nend of trees")[0].split("\nTree=")
    _require_known(_keys(header), features)
    if "average_output" in header.splitlines():
        raise InputError("model.onnx cannot be made: the model averages its trees; train with `lockgate train`")
    ensemble = TreeEnsemble(double=True)
    for position, tree in enumerate(trees):
        _add_tree(ensemble, position, _read_tree(_keys(tree)))
    return ensemble.to_bytes(features)


def _keys(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _require_known(header: Mapping[str, str], features: int) -> None:
    expected = {
        "objective": "binary sigmoid:1",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "max_feature_idx": str(features - 1),
    }
    for name, known in expected.items():
        if header.get(name) != known:
            raise InputError(
                f"model.onnx cannot be made: the model's {name} is {header.get(name)!r}, and only {known!r} can be "
                "converted; train with `lockgate train`"
            )


def _read_tree(keys: Mapping[str, str]) -> _Tree:
    if keys.get("is_linear", "0") != "0":
        raise InputError("model.onnx cannot be made: the model's leaves are linear; train with `lockgate train`")

    def integers(name: str) -> list[int]:
        return [int(value) for value in keys.get(name, "").split()]

    def numbers(name: str) -> list[float]:
        return [float(value) for value in keys.get(name, "").split()]

    bounds, words = integers("cat_boundaries"), integers("cat_threshold")
    return _Tree(
        features=integers("split_feature"),
        thresholds=numbers("threshold"),
        decisions=integers("decision_type"),
        left=integers("left_child"),
        right=integers("right_child"),
        leaves=numbers("leaf_value"),
        categories=[list(_set_bits(words[start:end])) for start, end in pairwise(bounds)],
    )


def _set_bits(words: Sequence[int]) -> Iterator[int]:
    return (WORD * place + bit for place, word in enumerate(words) for bit in range(WORD) if word >> bit & 1)


def _add_tree(ensemble: TreeEnsemble, position: int, tree: _Tree) -> None:
    """Split nodes keep their indices, leaves follow, then the nodes that sets of categories add."""
    splits = len(tree.features)
    free = splits + len(tree.leaves)

    def child(index: int) -> int:
        return index if index >= 0 else splits - 1 - index

    for node, (feature, threshold, decision) in enumerate(
        zip(tree.features, tree.thresholds, tree.decisions, strict=True)
    ):
        left, right = child(tree.left[node]), child(tree.right[node])
        if decision & CATEGORICAL:
            codes = tree.categories[int(threshold)]
            free = ensemble.categories(position, node, feature, codes, (left, right), right, free)
        else:
            ensemble.branch(
                position, node, feature, _below(threshold), left, right, _missing_is_left(decision, threshold)
            )
    for leaf, weight in enumerate(tree.leaves):
        ensemble.leaf(position, splits + leaf, weight)


def _below(threshold: float) -> float:
    """`value <= threshold` as `value < _below(threshold)`, for values of which those near to 0 are 0."""
    if -ZERO <= threshold < 0.0:
        return -ZERO
    return math.nextafter(ZERO if 0.0 <= threshold < ZERO else threshold, math.inf)


def _missing_is_left(decision: int, threshold: float) -> bool:
    """Where the training rows had no missing value of a feature, one counts as 0."""
    missing = decision >> MISSING_SHIFT
    if missing == MISSING_IS_ZERO:
        raise InputError("model.onnx cannot be made: the model takes zeros as missing; train with `lockgate train`")
    return bool(decision & DEFAULT_LEFT) if missing == MISSING_IS_NAN else threshold >= 0.0
