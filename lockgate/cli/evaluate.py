"""`lockgate evaluate`: score the test rows, write metrics and plots, and stop at a floor."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, results_option, say
from lockgate.config import layout
from lockgate.config.errors import GateBlockedError
from lockgate.config.files import readable_json, sha256_file, staged_files
from lockgate.config.params import read_params
from lockgate.data.tables import read_stage_table, write_table
from lockgate.documents.schema_json import Schema
from lockgate.gate.checks.registry import run_checks
from lockgate.gate.checks.threshold import ceiling_checks, floor_checks
from lockgate.gate.evidence import Evidence, Policy, measured_intervals
from lockgate.metrics.metrics import all_metrics
from lockgate.metrics.plot_records import plot_records
from lockgate.model.booster import load, score
from lockgate.model.bundle import MODEL, ONNX_MODEL, SCHEMA, verify_bundle
from lockgate.model.encode import model_frame
from lockgate.model.parity import require_parity
from lockgate.model.predictions import DATA_KEY, MODEL_KEY, Predictions, make_predictions
from lockgate.model.staleness import staleness_in


@click.command(cls=Command)
@params_option
@results_option
def evaluate(params_path: Path) -> None:
    """Score the test rows; write predictions, metrics and plots.

    The form of the model that is served must give the same probabilities to 1e-6.

    Ends with exit code 3 where a metric misses its floor or ceiling, after everything is written, so that
    `lockgate gate` and `lockgate report` can tell the story.
    """
    params = read_params(params_path)
    bundle = verify_bundle(layout.MODELS)
    staleness_in(Path(), bundle, params).require_none()
    schema = Schema.read(bundle.contents[SCHEMA], bundle.path(SCHEMA))
    test = read_stage_table(layout.TEST_DATA, schema, "test")
    data = sha256_file(layout.TEST_DATA)
    features = model_frame(test, schema)
    scores = score(load(bundle.path(MODEL).read_bytes()), features)
    require_parity(bundle.path(ONNX_MODEL).read_bytes(), features, scores, "the test rows")
    predictions = Predictions(make_predictions(test, scores, schema, params.evaluate), bundle.digest, data)
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    with staged_files(layout.REPORTS) as stage:
        write_table(predictions.table, stage / layout.PREDICTIONS.name, {MODEL_KEY: bundle.digest, DATA_KEY: data})
        (stage / layout.METRICS.name).write_bytes(readable_json(metrics))
        plots = stage / layout.PLOTS.name
        plots.mkdir()
        curves = plot_records(predictions.y_true, predictions.y_score, predictions.weight, params.evaluate.confidence)
        for name, records in curves.items():
            (plots / f"{name}.json").write_bytes(readable_json(records))
    say(
        f"evaluated {bundle.digest[:12]} on {metrics['n']:,} rows: ROC-AUC {metrics['roc_auc']:.4f}, PR-AUC "
        f"{metrics['pr_auc']:.4f}, Brier {metrics['brier']:.4f}, KS {metrics['ks']:.4f}, ECE {metrics['ece']:.4f}"
    )
    policy = Policy(params.evaluate, params.gate)
    intervals = measured_intervals(predictions, params.evaluate) if params.gate.decide_on == "bound" else {}
    checks = run_checks(Evidence(predictions, metrics, intervals), policy, (floor_checks, ceiling_checks))
    missed = [check for check in checks if check.status == "block"]
    if missed:
        raise GateBlockedError(
            "; ".join(f"{check.name}: {check.reason}" for check in missed)
            + " (predictions and metrics are written; see `lockgate gate` and `lockgate report`)"
        )


if __name__ == "__main__":
    evaluate()
