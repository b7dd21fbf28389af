"""From training rows to the files of a bundle: pure, apart from the sha256 of the file the rows came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Params
from lockgate.data.split import hashed_shares
from lockgate.data.tables import Table, as_table, table_bytes
from lockgate.documents.schema_json import ROW_KEY, DecisionRule, Schema
from lockgate.documents.train_json import Importance, Round, SplitSizes, TrainingReport
from lockgate.drift.profile import build_profile
from lockgate.metrics.metrics import all_metrics
from lockgate.model.booster import Fit, Part, Progress, fit, gain_shares, load, score
from lockgate.model.bundle import (
    GOLDEN,
    MANIFEST,
    MODEL,
    ONNX_MODEL,
    PROFILE,
    SCHEMA,
    Bundle,
    bundle_from,
    effective_params,
    make_manifest,
)
from lockgate.model.encode import model_frame
from lockgate.model.golden import golden_file, golden_frame, golden_rows
from lockgate.model.onnx_form import to_onnx
from lockgate.model.parity import require_parity


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
        return (
            f"trained {self.report.model[:12]} in {self.report.best_iteration + 1} rounds: validation ROC-AUC "
            f"{found['roc_auc']:.4f}, PR-AUC {found['pr_auc']:.4f}, Brier {found['brier']:.4f}"
        )


def train(
    training_rows: Table | pd.DataFrame, schema: Schema, params: Params, progress: Progress | None = None
) -> Trained:
    """Fit on part of the rows, stop early on the rest, and freeze schema and reference profile with the model.

    The rows are those of a `Dataset` (columns as in `schema`, labels 0 and 1). The sha256 of the file that they stand in, or
    of the one that they would be written as, goes into the manifest. The score's profile is made of the validation rows
    only: on rows it was fitted to, a model's scores are more extreme than on others. `progress` is called with the round
    and its validation loss.
    Raises InputError where a split lacks a class, or the served form of the model does not score as the model does.
    """
    origin = schema.origin
    table = as_table(training_rows, "the training rows")
    rows, source = table.rows, table.name
    decision = DecisionRule(params.decision.threshold, params.decision.favourable)
    schema = msgspec.structs.replace(schema, decision=decision, origin=None)
    held_out = hashed_shares(rows[ROW_KEY].to_numpy(), params.train.seed, "validation") < params.train.validation_size
    training, validation = (_part(rows[chosen], schema, source) for chosen in (~held_out, held_out))
    fitted = fit(training, validation, params.train, schema, progress or _silent)
    model = load(fitted.model)
    scores = score(model, validation.features)
    profile = build_profile(rows, schema, params.drift, scores, held_out_labels=validation.labels)
    served = to_onnx(fitted.model, schema.feature_names)
    require_parity(served, training.features, score(model, training.features), "the training rows")
    require_parity(served, validation.features, scores, "the validation rows")
    golden = golden_rows(schema, profile)
    made_up = model_frame(golden_frame(golden, schema), schema)
    answers = score(model, made_up)
    require_parity(served, made_up, answers, "the golden rows")
    files = {
        MODEL: fitted.model,
        ONNX_MODEL: served,
        SCHEMA: schema.to_bytes(),
        PROFILE: profile.to_bytes(),
        GOLDEN: golden_file(golden, answers),
    }
    training_data = table.sha256 or sha256_bytes(table_bytes(rows))
    manifest = make_manifest(files, training_data, origin, params).to_bytes()
    report = TrainingReport(
        model=sha256_bytes(manifest),
        rows=SplitSizes(len(training.labels), len(validation.labels)),
        features=tuple(schema.feature_names),
        rounds=fitted.rounds,
        best_iteration=fitted.best_iteration,
        scale_pos_weight=fitted.scale_pos_weight,
        validation=all_metrics(validation.labels, scores, _weight_or_none(validation, schema)),
        history=_thinned(fitted),
        importance=tuple(Importance(share["feature"], share["gain_share"]) for share in gain_shares(model, schema)),
        dropped=schema.dropped,
        params=effective_params(params),
    )
    return Trained({**files, MANIFEST: manifest}, report)


def _silent(_done: int, _loss: float) -> None:
    pass


def _part(rows: pd.DataFrame, schema: Schema, source: str) -> Part:
    labels = rows[schema.target].to_numpy()
    if len(np.unique(labels)) != 2:
        raise InputError(
            f"{source}: a split for training or validation has {len(labels):,} rows of one class; "
            "change train.validation_size or bring more rows"
        )
    weights = rows[schema.weight_column].to_numpy() if schema.weight_column else np.ones(len(rows))
    return Part(model_frame(rows, schema), labels, weights)


def _weight_or_none(part: Part, schema: Schema) -> np.ndarray | None:
    return part.weights if schema.weight_column else None


def _thinned(fitted: Fit) -> tuple[Round, ...]:
    """Every round of a short training, each tenth and the best one of a long one."""
    step = 1 if fitted.rounds <= 100 else 10
    kept = (
        record for index, record in enumerate(fitted.history) if index % step == 0 or index == fitted.best_iteration
    )
    return tuple(
        Round(int(record["round"]), record["train_log_loss"], record["validation_log_loss"]) for record in kept
    )
