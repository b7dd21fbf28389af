"""Logging a trained bundle to MLflow: one run and one logged model that holds the whole bundle."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from lockgate.config.layout import TRAIN_DATA
from lockgate.config.version import __version__
from lockgate.data.columns import are_codes
from lockgate.documents.gate_json import GateResult
from lockgate.documents.profile_json import FeatureProfile
from lockgate.documents.schema_json import Feature, Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.model.bundle import MANIFEST, Bundle
from lockgate.registry.artifacts import BUNDLE_FOLDER, require_store
from lockgate.registry.mlflow_client import experiment_id, mlflow_errors
from lockgate.registry.provenance import git_commit
from lockgate.registry.training_plots import training_plots

if TYPE_CHECKING:
    import pandas as pd

DIGEST_TAG = "lockgate.digest"
MODEL_ID_TAG = "lockgate.model_id"
ORIGIN_TAG = "lockgate.origin"
LOADER = "lockgate.mlflow_model"  # by its name only: it is above, and MLflow imports it where the model is loaded
MAX_TEXT = 6000  # characters of a parameter that MLflow keeps

RunOrigin = Literal["trained here", "trained elsewhere and imported", "restored from DVC's cache"]


def log_training(client: Any, bundle: Bundle, report: TrainingReport, experiment: str, origin: RunOrigin) -> str:
    """Log parameters, metrics, dataset, plots and the model with its bundle; the id of the finished run.

    `report` is `train.json`; `origin` says how the model came to this folder.
    Raises InputError where MLflow fails; the run is then marked as failed.
    """
    import mlflow

    tags = {
        DIGEST_TAG: bundle.digest,
        "lockgate.training_data": bundle.training_data,
        "lockgate.params": bundle.params,
        "lockgate.commit": git_commit() or "unknown",
        ORIGIN_TAG: origin,
    }
    with mlflow_errors():
        experiment_key = experiment_id(client, experiment)
        run = client.create_run(experiment_key, run_name=f"train {bundle.digest[:12]}", tags=tags)
        run_id = str(run.info.run_id)
        try:
            require_store(str(run.info.artifact_uri))
            with mlflow.start_run(run_id=run_id):
                _log_numbers(client, run_id, report)
                _log_dataset(bundle)
                _log_plots(client, run_id, report)
                client.set_tag(run_id, MODEL_ID_TAG, _log_model(client, bundle))
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
    return run_id


def end_abandoned_runs(client: Any, digest: str, experiment: str, began: float) -> None:
    """Mark as killed the runs of the bundle `digest` that began before `began` (seconds since 1970) and never ended.

    Whoever made them was ended itself, or got no answer in time. One that still works marks its run as finished at its end.
    """
    with mlflow_errors():
        known = client.get_experiment_by_name(experiment)
        if known is None:
            return
        condition = f"tags.`{DIGEST_TAG}` = '{digest}' and attributes.status = 'RUNNING'"
        for run in client.search_runs([known.experiment_id], condition):
            if run.info.start_time < began * 1000:
                client.set_terminated(run.info.run_id, "KILLED")


def log_evaluation(client: Any, run_id: str, result: GateResult) -> None:
    """Add the gate's verdict and values (gate.json), and how often its test set has judged, to the run of the model it judged."""
    from mlflow.entities import Metric

    values = {
        f"test_{check.metric}": check.value
        for check in result.checks
        if check.kind in ("floor", "ceiling") and check.value is not None
    }
    if result.test_set is not None:
        values["test_set_models"] = result.test_set.models
    with mlflow_errors():
        client.log_batch(run_id, metrics=[Metric(name, value, 0, 0) for name, value in values.items()])
        client.set_tag(run_id, "lockgate.verdict", result.verdict)


def _log_numbers(client: Any, run_id: str, report: TrainingReport) -> None:
    from mlflow.entities import Metric, Param

    client.log_batch(run_id, params=[Param(name, value) for name, value in _params_of(report.params).items()])
    values = {f"validation_{name}": value for name, value in report.validation.items() if value is not None}
    values["best_iteration"] = report.best_iteration
    metrics = [Metric(name, value, 0, 0) for name, value in values.items()]
    metrics += [
        Metric(name, value, 0, record.round)
        for record in report.history
        for name, value in (
            ("train_log_loss", record.train_log_loss),
            ("validation_log_loss", record.validation_log_loss),
        )
        if value is not None
    ]
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])


def _log_dataset(bundle: Bundle) -> None:
    import mlflow
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns that a path could be read by two of its sources
        source = resolve_dataset_source(str(TRAIN_DATA))
    # MLflow's digests have at most 36 characters by rule; the whole sha256 is a tag of the run.
    dataset = MetaDataset(source, name="train", digest=bundle.training_data[:36])
    mlflow.log_input(dataset, context="training")


def _log_plots(client: Any, run_id: str, report: TrainingReport) -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        for name, content in training_plots(report).items():
            (Path(folder) / name).write_bytes(content)
        client.log_artifacts(run_id, folder, "plots")


def _log_model(client: Any, bundle: Bundle) -> str:
    """Log the bundle as a model that takes raw rows, with nothing in it that runs; the id of the logged model.

    Whoever loads it needs the kit, whose module reads the bundle beside it as the service does.
    """
    import mlflow.pyfunc

    schema = bundle.schema
    info = mlflow.pyfunc.log_model(
        name="model",
        loader_module=LOADER,
        signature=_signature(schema),
        input_example=_example(schema, bundle),
        pip_requirements=[f"lockgate[service]=={__version__}"],
        metadata={
            "digest": bundle.digest,
            "categories": json.dumps({f.name: f.categories for f in schema.features if f.kind == "categorical"}),
        },
    )
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        target = Path(folder) / BUNDLE_FOLDER
        target.mkdir()
        for name in [*bundle.files, MANIFEST]:
            (target / name).write_bytes(bundle.contents[name])
        client.log_model_artifacts(info.model_id, folder)
    return str(info.model_id)


def _signature(schema: Schema) -> Any:
    """Columns by name and kind, required unless the training rows had missing values there.

    A number is MLflow's `Any`, because its `double` refuses an int64 column and its `long` a float64 one, and whether a table's
    whole numbers have the one or the other depends on what is missing in it. So is a category that is coded by numbers, which
    pandas reads as numbers. The model itself refuses what is none.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType
    from mlflow.types import Schema as MlflowSchema
    from mlflow.types.schema import AnyType

    inputs: list[Any] = [
        ColSpec(
            AnyType() if one.kind == "numeric" or are_codes(one.categories) else DataType.string,
            one.name,
            required=not one.nullable,
        )
        for one in schema.features
    ]
    outputs: list[Any] = [ColSpec(DataType.double, "probability"), ColSpec(DataType.string, "decision")]
    return ModelSignature(inputs=MlflowSchema(inputs), outputs=MlflowSchema(outputs))


def _example(schema: Schema, bundle: Bundle) -> pd.DataFrame:
    """Three made-up rows of ordinary values: nobody's data leaves with a model."""
    profile = {feature.name: feature for feature in bundle.profile.features}
    return pd.DataFrame({one.name: _ordinary_values(one, profile[one.name]) for one in schema.features})


def _ordinary_values(feature: Feature, profile: FeatureProfile) -> list[str] | list[float]:
    """Three values, a quarter, half and three quarters through the feature's categories or bins."""
    if feature.kind == "categorical":
        return [feature.categories[len(feature.categories) * quarter // 4] for quarter in (1, 2, 3)]
    edges = profile.edges or (feature.minimum or 0.0,)
    values = [edges[len(edges) * quarter // 4] for quarter in (1, 2, 3)]
    return [math.ceil(value) if feature.integer else value for value in values]


def _params_of(sections: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as `section.key`; what is nested deeper is JSON, since MLflow's names cannot hold any column's name."""
    return {
        f"{section}.{key}": (json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value))[
            :MAX_TEXT
        ]
        for section, values in sections.items()
        for key, value in values.items()
    }
