"""`lockgate train`: training rows become the bundle, and a run in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, results_option, say
from lockgate.config import layout
from lockgate.config.files import staged_files, write_file
from lockgate.config.params import read_params
from lockgate.data.tables import read_stage_table
from lockgate.documents.schema_json import Schema
from lockgate.model.bundle import PROVENANCE, VERDICT, verify_bundle
from lockgate.model.training import train_bundle
from lockgate.registry.mlflow_client import connect, shown_uri
from lockgate.registry.provenance import make_provenance
from lockgate.registry.tracking import log_training


@click.command(cls=Command)
@params_option
@results_option
def train(params_path: Path) -> None:
    """Train, write the bundle models/, and log the run to MLflow.

    Fails where ONNX Runtime, which serves the model, does not give XGBoost's probabilities to 1e-6.

    \b
    Example:
        lockgate train
        MLFLOW_TRACKING_URI=https://mlflow.example lockgate train
    """
    params = read_params(params_path)
    schema = Schema.read_file(layout.DATA_SCHEMA)
    rows = read_stage_table(layout.TRAIN_DATA, schema, "train")
    client = connect()
    trained = train_bundle(rows, schema, params, layout.TRAIN_DATA, _progress(params.train.num_boost_round))
    with staged_files(layout.MODELS) as stage:
        for name, content in trained.files.items():
            (stage / name).write_bytes(content)
        bundle = verify_bundle(stage)
        run_id = log_training(client, bundle, trained.report, params.register_.model_name, "trained here")
        (stage / PROVENANCE).write_bytes(make_provenance(bundle.digest, mlflow_run_id=run_id))
    # A verdict that `lockgate pull` brought is of the bundle that was here before.
    (layout.MODELS / VERDICT).unlink(missing_ok=True)
    write_file(layout.TRAIN_REPORT, trained.report.to_bytes())
    validation = trained.report.validation
    say(
        f"trained {bundle.digest[:12]} in {trained.report.best_iteration + 1} rounds: validation ROC-AUC "
        f"{validation['roc_auc']:.4f}, PR-AUC {validation['pr_auc']:.4f}, Brier {validation['brier']:.4f}"
    )
    say(f"logged run {run_id} to MLflow at {shown_uri()}")


def _progress(rounds: int) -> Callable[[int, float], None]:
    def show(done: int, loss: float) -> None:
        if done % 50 == 0:
            click.echo(f"round {done:>4} of at most {rounds}: validation log-loss {loss:.5f}", err=True)

    return show


if __name__ == "__main__":
    train()
