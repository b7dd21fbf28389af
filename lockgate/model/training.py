"""From training rows to the files of a bundle: pure, apart from the sha256 of the file the rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, sha256_file
from lockgate.config.limits import BINS
from lockgate.config.params import Params, Train
from lockgate.data.split import is_validation
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table, as_table, table_bytes
from lockgate.documents.golden_json import is_complete
from lockgate.documents.manifest_json import Partitioning
from lockgate.documents.metrics_json import Metrics
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import ROW_KEY, DecisionRule, Schema
from lockgate.documents.train_json import Importance, Round, SplitSizes, TrainingReport
from lockgate.drift.profile import HeldOut, build_profile, profile_of_partitions
from lockgate.engine.engine import Engine, LocalEngine
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
from lockgate.model.protocol import Fitted, Model, Progress, Sample, Trainer, require_both_classes
from lockgate.model.scoring import OWN_TOLERANCE, verified_scores
from lockgate.model.training_parts import fit_in_parts, score_in_parts


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
    training_rows: Table | pd.DataFrame | StageRows,
    schema: Schema,
    params: Params,
    progress: Progress | None = None,
    *,
    trainer: Trainer | None = None,
    has_held_out: bool = True,
    engine: Engine | None = None,
) -> Trained:
    """Fit on part of the rows, stop early on the rest, and freeze schema and reference profile with the model.

    The rows are those of a `Dataset` (columns as in `schema`, labels 0 and 1). The sha256 of the file that they stand in, or
    of the one that they would be written as, goes into the manifest. The score's profile is made of the validation rows
    only: on rows it was fitted to, a model's scores are more extreme than on others. `progress` is called with the round
    and its validation loss. `trainer` fits a model of one's own (`train.model: own`): it is called with the training rows,
    the validation rows and the schema, and returns a `Model`, whose ONNX form is brought into the bundle's. `has_held_out` is false
    for a model that may have learnt from the validation rows too: what it achieves there is then no measure of later batches.
    Rows that stay in their file, `StageRows`, are worked on part by part by `engine`, and XGBoost alone can be fitted to them.
    Raises InputError where the project trains its own model and gives no trainer, a column of `evaluate.slices` is absent, a
    split lacks a class, the served form of the model does not score as the model does, or a file of a model of one's own has
    the name of one of the kit's and is not the model in model.onnx.
    """
    section = params.train if trainer else kit_section(params)
    decision = DecisionRule(params.decision.threshold, params.decision.favourable)
    frozen = msgspec.structs.replace(schema, decision=decision, origin=None)
    progress, engine = progress or _silent, engine or LocalEngine()
    if isinstance(training_rows, StageRows):
        learnt = _learnt_in_parts(training_rows, frozen, params, section, progress, engine)
    else:
        table = as_table(training_rows, "the training rows")
        learnt = _learnt_in_memory(table, frozen, params, section, progress, trainer, has_held_out)
    model, served, profile = learnt.fitted.model, learnt.served, learnt.profile
    for feature in profile.features:
        BINS.require(len(feature.counts), f"column `{feature.name}` (prepare.kinds can drop it)")
    golden = golden_rows(frozen, profile)
    if trainer:  # of the kit's models alone it is known that they score whatever is missing
        golden = [row for row in golden if is_complete(row, frozen)]
    features = model_frame(golden_frame(golden, frozen), frozen)
    probabilities = verified_scores(served, model, features, "the golden rows", _tolerance(trainer))
    files = {
        **model.files(),
        ONNX_MODEL: served,
        SCHEMA: frozen.to_bytes(),
        PROFILE: profile.to_bytes(),
        GOLDEN: golden_file(golden, probabilities),
    }
    if trainer:
        require_same_model(files, served, files[SCHEMA], Path())
    manifest = make_manifest(files, learnt.training_data, schema.origin, params, learnt.partitioning).to_bytes()
    report = TrainingReport(
        model=sha256_bytes(manifest),
        rows=learnt.rows,
        features=tuple(frozen.feature_names),
        rounds=len(learnt.fitted.history),
        best_iteration=learnt.fitted.best_iteration,
        scale_pos_weight=learnt.fitted.scale_pos_weight,
        validation=learnt.validation,
        history=_thinned(learnt.fitted),
        importance=_importance(model, frozen),
        dropped=frozen.dropped,
        params=effective_params(params),
    )
    return Trained({**files, MANIFEST: manifest}, report)


@dataclass(frozen=True)
class _Learnt:
    """What was made of the rows, however many of them were in memory: `validation` are metrics, `training_data` a sha256."""

    fitted: Fitted
    served: bytes
    profile: Profile
    rows: SplitSizes
    validation: Metrics
    training_data: str
    partitioning: Partitioning | None = None


def _learnt_in_memory(
    table: Table,
    schema: Schema,
    params: Params,
    section: Train,
    progress: Progress,
    trainer: Trainer | None,
    has_held_out: bool,
) -> _Learnt:
    rows, source = table.rows, table.name
    for column in params.evaluate.slices:
        require_column(column, rows, "evaluate.slices")
    held_out = is_validation(rows[ROW_KEY].to_numpy(), section)
    training, validation = (_sample(rows[chosen], schema, source) for chosen in (~held_out, held_out))
    if trainer:
        fitted = Fitted(trainer(training, validation, schema), (), 0, 1.0)
    else:
        fitted = FLAVOURS[section.model].load().fit(training, validation, section, schema, progress)
    model = fitted.model
    served = model.onnx(schema.feature_names)
    if trainer:
        served = standard_form(served, schema, "the model's ONNX form").content
    tolerance = _tolerance(trainer)
    verified_scores(served, model, training.features, "the training rows", tolerance)
    scores = verified_scores(served, model, validation.features, "the validation rows", tolerance)
    trees = tree_leaves(served)
    leaves = trees.count(validation.features) if trees else None
    profile = build_profile(
        rows,
        schema,
        params.drift,
        HeldOut(scores, validation.labels if has_held_out else None, rows[held_out], leaves),
        segment_columns=params.evaluate.slices or _strongest_categories(model, schema),
    )
    weights = validation.weights if schema.weight_column else None
    return _Learnt(
        fitted,
        served,
        profile,
        SplitSizes(len(training.labels), len(validation.labels)),
        all_metrics(validation.labels, scores, weights),
        table.sha256 or sha256_bytes(table_bytes(rows)),
    )


def _learnt_in_parts(
    rows: StageRows, schema: Schema, params: Params, section: Train, progress: Progress, engine: Engine
) -> _Learnt:
    for column in params.evaluate.slices:
        require_column(column, next(rows.frames()), "evaluate.slices")
    fitted, partitioning = fit_in_parts(rows, section, schema, progress, engine)
    model, partitions = fitted.model, rows.partitions
    served = model.onnx(schema.feature_names)
    scored = score_in_parts(engine, partitions, model, served, section, schema)
    profile = profile_of_partitions(
        engine,
        partitions,
        schema,
        params.drift,
        HeldOut(scored.scores, scored.labels, scored.validation, scored.leaves),
        segment_columns=params.evaluate.slices or _strongest_categories(model, schema),
    )
    weights = scored.weights if schema.weight_column else None
    return _Learnt(
        fitted,
        served,
        profile,
        SplitSizes(scored.fitted_to, len(scored.labels)),
        all_metrics(scored.labels, scored.scores, weights),
        sha256_file(rows.path),
        partitioning,
    )


def _tolerance(trainer: Trainer | None) -> float:
    return OWN_TOLERANCE if trainer else TOLERANCE


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
    require_both_classes(len(labels), len(np.unique(labels)), source)
    weights = rows[schema.weight_column].to_numpy() if schema.weight_column else np.ones(len(rows))
    return Sample(model_frame(rows, schema), labels, weights)


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
