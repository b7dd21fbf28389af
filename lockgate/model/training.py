"""From training rows to the files of a bundle: pure, apart from the sha256 of the file the rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.limits import BINS
from lockgate.config.params import Params, Train
from lockgate.data.split import hashed_shares
from lockgate.data.tables import Table, as_table, table_bytes
from lockgate.documents.golden_json import is_complete
from lockgate.documents.schema_json import ROW_KEY, DecisionRule, Schema
from lockgate.documents.train_json import Importance, Round, SplitSizes, TrainingReport
from lockgate.drift.profile import HeldOut, build_profile
from lockgate.metrics.metrics import all_metrics
from lockgate.model.bundle import (
    GOLDEN,
    MANIFEST,
    ONNX_MODEL,
    PROFILE,
    SCHEMA,
    Bundle,
    bundle_from,
    effective_params,
    make_manifest,
)
from lockgate.model.features import model_frame
from lockgate.model.flavours.table import FLAVOURS, require_same_model
from lockgate.model.golden_rows import golden_file, golden_frame, golden_rows
from lockgate.model.leaves import tree_leaves
from lockgate.model.onnx_runtime import TOLERANCE
from lockgate.model.onnx_standard_form import standard_form
from lockgate.model.predictions import require_column
from lockgate.model.protocol import Fitted, Model, Progress, Sample, Trainer
from lockgate.model.scoring import OWN_TOLERANCE, onnx_scores, require_parity, require_probabilities


@dataclass(frozen=True)
class Trained:
    """The bundle's files by name, and the content of `train.json`."""

    files: dict[str, bytes]
    report: TrainingReport

    @property
    def bundle(self) -> Bundle:
        """The bundle as it would be read back."""
        return bundle_from(self.files, Path("the bundle"))

    @property
    def summary(self) -> str:
        """One line for people."""
        found = self.report.validation
        rounds = f" in {self.report.best_iteration + 1} rounds" if self.report.history else ""
        return (
            f"trained {self.report.model[:12]}{rounds}: validation ROC-AUC "
            f"{found['roc_auc']:.4f}, PR-AUC {found['pr_auc']:.4f}, Brier {found['brier']:.4f}"
        )


def train(
    training_rows: Table | pd.DataFrame,
    schema: Schema,
    params: Params,
    progress: Progress | None = None,
    *,
    trainer: Trainer | None = None,
    has_held_out: bool = True,
) -> Trained:
    """Fit on part of the rows, stop early on the rest, and freeze schema and reference profile with the model.

    The rows are those of a `Dataset` (columns as in `schema`, labels 0 and 1). The sha256 of the file that they stand in, or
    of the one that they would be written as, goes into the manifest. The score's profile is made of the validation rows
    only: on rows it was fitted to, a model's scores are more extreme than on others. `progress` is called with the round
    and its validation loss. `trainer` fits a model of one's own (`train.model: own`): it is called with the training rows,
    the validation rows and the schema, and returns a `Model`, whose ONNX form is brought into the bundle's. `has_held_out` is false
    for a model that may have learnt from the validation rows too: what it achieves there is then no measure of later batches.
    Raises InputError where the project trains its own model and gives no trainer, a column of `evaluate.slices` is absent, a
    split lacks a class, the served form of the model does not score as the model does, or a file of a model of one's own has
    the name of one of the kit's and is not the model in model.onnx.
    """
    section = params.train if trainer else kit_section(params)
    origin = schema.origin
    table = as_table(training_rows, "the training rows")
    rows, source = table.rows, table.name
    for column in params.evaluate.slices:
        require_column(column, rows, "evaluate.slices")
    decision = DecisionRule(params.decision.threshold, params.decision.favourable)
    schema = msgspec.structs.replace(schema, decision=decision, origin=None)
    held_out = hashed_shares(rows[ROW_KEY].to_numpy(), section.seed, "validation") < section.validation_size
    training, validation = (_sample(rows[chosen], schema, source) for chosen in (~held_out, held_out))
    if trainer:
        fitted = Fitted(trainer(training, validation, schema), (), 0, 1.0)
    else:
        fitted = FLAVOURS[section.model].load().fit(training, validation, section, schema, progress or _silent)
    model = fitted.model
    served = model.onnx(schema.feature_names)
    if trainer:
        served = standard_form(served, schema, "the model's ONNX form").content

    def verified_scores(features: pd.DataFrame, rows_meant: str) -> NDArray[np.float64]:
        found = onnx_scores(served, features)
        require_probabilities(found, rows_meant)
        require_parity(found, model, features, rows_meant, OWN_TOLERANCE if trainer else TOLERANCE)
        return found

    verified_scores(training.features, "the training rows")
    scores = verified_scores(validation.features, "the validation rows")
    trees = tree_leaves(served)
    leaves = trees.count(validation.features) if trees else None
    profile = build_profile(
        rows,
        schema,
        params.drift,
        HeldOut(scores, validation.labels if has_held_out else None, rows[held_out], leaves),
        segment_columns=params.evaluate.slices or _strongest_categories(model, schema),
    )
    for feature in profile.features:
        BINS.require(len(feature.counts), f"column `{feature.name}` (prepare.kinds can drop it)")
    golden = golden_rows(schema, profile)
    if trainer:  # of the kit's models alone it is known that they score whatever is missing
        golden = [row for row in golden if is_complete(row, schema)]
    probabilities = verified_scores(model_frame(golden_frame(golden, schema), schema), "the golden rows")
    files = {
        **model.files(),
        ONNX_MODEL: served,
        SCHEMA: schema.to_bytes(),
        PROFILE: profile.to_bytes(),
        GOLDEN: golden_file(golden, probabilities),
    }
    if trainer:
        require_same_model(files, served, files[SCHEMA], Path())
    training_data = table.sha256 or sha256_bytes(table_bytes(rows))
    manifest = make_manifest(files, training_data, origin, params).to_bytes()
    report = TrainingReport(
        model=sha256_bytes(manifest),
        rows=SplitSizes(len(training.labels), len(validation.labels)),
        features=tuple(schema.feature_names),
        rounds=len(fitted.history),
        best_iteration=fitted.best_iteration,
        scale_pos_weight=fitted.scale_pos_weight,
        validation=all_metrics(validation.labels, scores, _weight_or_none(validation, schema)),
        history=_thinned(fitted),
        importance=_importance(model, schema),
        dropped=schema.dropped,
        params=effective_params(params),
    )
    return Trained({**files, MANIFEST: manifest}, report)


def _silent(_done: int, _loss: float) -> None:
    pass


def kit_section(params: Params) -> Train:
    """The section `train` of a model that the kit trains; raises InputError where the project trains its own."""
    if params.train.model in FLAVOURS:
        return params.train
    raise InputError(
        f"train.model is `{params.train.model}`: this project trains its own model, and the kit trains "
        f"{' or '.join(FLAVOURS)}; run `dvc repro train`, or `lockgate import-model` for a model in ONNX"
    )


def _sample(rows: pd.DataFrame, schema: Schema, source: str) -> Sample:
    labels = rows[schema.target].to_numpy()
    if len(np.unique(labels)) != 2:
        raise InputError(
            f"{source}: a split for training or validation has {len(labels):,} rows of one class; "
            "change train.validation_size or bring more rows"
        )
    weights = rows[schema.weight_column].to_numpy() if schema.weight_column else np.ones(len(rows))
    return Sample(model_frame(rows, schema), labels, weights)


def _weight_or_none(sample: Sample, schema: Schema) -> np.ndarray | None:
    return sample.weights if schema.weight_column else None


def _thinned(fitted: Fitted) -> tuple[Round, ...]:
    """Every round of a short training, each tenth and the best one of a long one."""
    step = 1 if len(fitted.history) <= 100 else 10
    return tuple(one for index, one in enumerate(fitted.history) if index % step == 0 or index == fitted.best_iteration)


def _strongest_categories(model: Model, schema: Schema) -> list[str]:
    """The categorical features, those with the most gain of the model's splits first; as in the schema where it has none."""
    gains = {one.feature: one.gain_share for one in _importance(model, schema)}
    names = [one.name for one in schema.features if one.kind == "categorical"]
    return sorted(names, key=lambda name: -gains.get(name, 0.0))


def _importance(model: Model, schema: Schema) -> tuple[Importance, ...]:
    """Each feature's share of the total gain, largest first; none where the model does not know."""
    if not hasattr(model, "gains"):
        return ()
    gains: Mapping[str, float] = model.gains(schema.feature_names)
    total = sum(gains.values()) or 1.0
    shares = [Importance(name, round(gains.get(name, 0.0) / total, 6)) for name in schema.feature_names]
    return tuple(sorted(shares, key=lambda share: (-share.gain_share, share.feature)))
