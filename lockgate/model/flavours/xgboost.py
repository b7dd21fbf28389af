"""XGBoost: trained to the same bits on every run and for any number of threads, and written as ONNX from its own JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Schema
from lockgate.model.boosting import LossHistory, log_odds, monotone_directions, odds_factor, shift_to_prevalence
from lockgate.model.onnx_trees import TreeEnsemble
from lockgate.model.protocol import Fitted, Progress, Sample

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import XGBoostTrain

NATIVE = "model.json"
NOT_IN_NAMES = set("[]<")
# Keys of the section that are ours, or that `fit` hands over in another form.
NOT_BOOSTER_PARAMETERS = {
    "model",
    "validation_size",
    "num_boost_round",
    "early_stopping_rounds",
    "monotone",
    "scale_pos_weight",
    "nthread",
}


class XGBoostModel:
    """A booster, and the JSON that it is read from."""

    SCORES_BATCHES_FASTER = True

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        """`content` is XGBoost's JSON; a damaged one can crash the process, so it must have been verified before."""
        self._content = content
        self._booster = xgboost.Booster({"nthread": threads} if threads else None, model_file=bytearray(content))
        self._threads = threads

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: XGBoostTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Boost until the validation log-loss has not improved for `early_stopping_rounds`, and keep the best round."""
        for name in schema.feature_names:
            if set(name) & NOT_IN_NAMES:
                raise InputError(
                    f"column `{name}` has one of [ ] < in its name, which XGBoost does not take; rename it, or set "
                    "train.model: lightgbm"
                )
        factor = odds_factor(train.scale_pos_weight, training)
        matrices = [_matrix(sample, train.nthread) for sample in (training, validation)]
        history = LossHistory(training, validation, factor, train.early_stopping_rounds, progress)
        watcher = _Watcher(history, matrices)
        directions = ",".join(map(str, monotone_directions(train.monotone, schema)))
        booster = xgboost.train(
            {
                **train.model_dump(exclude=NOT_BOOSTER_PARAMETERS),
                "objective": "binary:logistic",
                "tree_method": "hist",
                "scale_pos_weight": factor,
                "base_score": training.prevalence(factor),
                "monotone_constraints": f"({directions})",
                "disable_default_eval_metric": 1,
                **({"nthread": train.nthread} if train.nthread else {}),
            },
            matrices[0],
            num_boost_round=train.num_boost_round,
            evals=list(zip(matrices, ("train", "validation"), strict=True)),
            custom_metric=watcher.metric,
            verbose_eval=False,
            callbacks=[watcher],
        )
        kept = booster[: history.best_iteration + 1]
        intercept = log_odds(training.prevalence(factor))
        if factor != 1.0:
            margins = kept.predict(matrices[0], output_margin=True).astype("float64")
            intercept += shift_to_prevalence(margins, training)
        return Fitted(cls(_with_intercept(kept, intercept)), history.rounds, history.best_iteration, factor)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], threads: int | None = None) -> XGBoostModel:
        """The model in a bundle's files."""
        return cls(files[NATIVE], threads)

    def files(self) -> dict[str, bytes]:
        """The JSON, by the name that it has in a bundle."""
        return {NATIVE: self._content}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        return self._booster.predict(xgboost.DMatrix(features, enable_categorical=True)).astype("float64")

    def score_codes(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `code_matrix`."""
        return np.asarray(self._booster.inplace_predict(values, validate_features=False), dtype=np.float64)

    def explain(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67), path dependent, exact for the trees.

        Log-odds, shape (rows, features + 1), the base last.
        """
        matrix = xgboost.DMatrix(
            values,
            feature_names=self._booster.feature_names,
            feature_types=self._booster.feature_types,
            enable_categorical=True,
            nthread=self._threads,
        )
        return np.asarray(self._booster.predict(matrix, pred_contribs=True), dtype=np.float64)

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """Total gain by feature, of those that are split on."""
        gains: dict[str, float] = self._booster.get_score(importance_type="total_gain")  # type: ignore[assignment]
        return gains

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The booster as ONNX; see `to_onnx`."""
        return to_onnx(self._content, feature_names)


class _Watcher(xgboost.callback.TrainingCallback):
    """Records the losses of each round, and ends the training when its history says so.

    Raw probabilities come from `metric`, whose predictions XGBoost caches from round to round.
    """

    def __init__(self, history: LossHistory, matrices: list[xgboost.DMatrix]) -> None:
        self._history = history
        self._matrices = matrices
        self._latest: dict[int, NDArray[Any]] = {}

    def metric(self, raw: NDArray[Any], matrix: xgboost.DMatrix) -> tuple[str, float]:
        self._latest[id(matrix)] = raw.copy()
        return "log_loss", 0.0

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: Any) -> bool:
        training, validation = (self._latest[id(matrix)] for matrix in self._matrices)
        return self._history.add(training, validation)


def _matrix(sample: Sample, threads: int | None) -> xgboost.DMatrix:
    return xgboost.DMatrix(
        sample.features, label=sample.labels, weight=sample.weights, enable_categorical=True, nthread=threads
    )


def _with_intercept(booster: xgboost.Booster, intercept: float) -> bytes:
    """The model as JSON with another intercept, given as log-odds; XGBoost keeps it as a probability."""
    document = json.loads(bytes(booster.save_raw("json")))
    probability = 1 / (1 + math.exp(-intercept))
    document["learner"]["learner_model_param"]["base_score"] = f"[{probability!r}]"
    # XGBoost reads back other names from escapes such as \u00fc than were written.
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class _Tree(msgspec.Struct, frozen=True):
    """A tree, a list entry a node; `categories` of a node lead to its right child."""

    left_children: list[int]
    right_children: list[int]
    default_left: list[int]
    split_conditions: list[float]
    split_indices: list[int]
    categories: list[int]
    categories_nodes: list[int]
    categories_segments: list[int]
    categories_sizes: list[int]


class _TreesParameters(msgspec.Struct, frozen=True):
    num_parallel_tree: str = ""


class _Trees(msgspec.Struct, frozen=True):
    gbtree_model_param: _TreesParameters = _TreesParameters()
    trees: list[_Tree] = []


class _GradientBooster(msgspec.Struct, frozen=True):
    name: str
    model: _Trees = _Trees()


class _Objective(msgspec.Struct, frozen=True):
    name: str


class _LearnerParameters(msgspec.Struct, frozen=True):
    base_score: str
    num_target: str


class _Learner(msgspec.Struct, frozen=True):
    feature_names: list[str]
    gradient_booster: _GradientBooster
    learner_model_param: _LearnerParameters
    objective: _Objective


class _File(msgspec.Struct, frozen=True):
    """What the conversion reads of XGBoost's JSON."""

    learner: _Learner


def to_onnx(content: bytes, feature_names: Sequence[str]) -> bytes:
    """XGBoost's JSON as ONNX, its log-odds equal bit for bit: the float32 additions are XGBoost's, in its order.

    Raises InputError where the booster is not what `XGBoostModel.fit` makes of these features.
    """
    learner = _read_learner(content, feature_names)
    ensemble = TreeEnsemble()
    ensemble.leaf(0, 0, _float32_log_odds(learner.learner_model_param.base_score))
    for position, tree in enumerate(learner.gradient_booster.model.trees, start=1):
        _add_tree(ensemble, position, tree)
    return ensemble.to_bytes(len(feature_names))


def _read_learner(content: bytes, feature_names: Sequence[str]) -> _Learner:
    learner = msgspec.json.decode(content, type=_File).learner
    booster = learner.gradient_booster
    found = {
        "booster": (booster.name, "gbtree"),
        "objective": (learner.objective.name, "binary:logistic"),
        "num_target": (learner.learner_model_param.num_target, "1"),
        "num_parallel_tree": (booster.model.gbtree_model_param.num_parallel_tree, "1"),
        "features": (learner.feature_names, list(feature_names)),
    }
    for name, (value, known) in found.items():
        if value != known:
            raise InputError(
                f"model.onnx cannot be made: the model's {name} is {value!r}, and only {known!r} can be converted; "
                "train with `lockgate train`"
            )
    return learner


def _float32_log_odds(base_score: str) -> float:
    """The intercept as XGBoost computes it from the probability that it stores, in float32."""
    (probability,) = json.loads(base_score)
    return float(-np.log(np.float32(1) / np.float32(probability) - np.float32(1)))


def _add_tree(ensemble: TreeEnsemble, position: int, tree: _Tree) -> None:
    segments = zip(tree.categories_nodes, tree.categories_segments, tree.categories_sizes, strict=True)
    sets = {node: tree.categories[start : start + size] for node, start, size in segments}
    free = len(tree.left_children)  # ids for the nodes that sets of categories add
    for node, left in enumerate(tree.left_children):
        feature, condition, right = tree.split_indices[node], tree.split_conditions[node], tree.right_children[node]
        missing_is_left = bool(tree.default_left[node])
        if left == -1:
            ensemble.leaf(position, node, condition)
        elif node in sets:
            missing = left if missing_is_left else right
            free = ensemble.categories(position, node, feature, sets[node], (right, left), missing, free)
        else:
            ensemble.branch(position, node, feature, condition, left, right, missing_is_left)
