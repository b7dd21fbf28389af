"""`lockgate compare`: two models side by side."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.config.errors import InputError
from lockgate.config.metric_names import metric_title
from lockgate.config.params import Evaluate
from lockgate.gate.comparison import ComparedMetric, Comparison
from lockgate.gate.comparison import compare as compare_predictions
from lockgate.model.bundle import verify_bundle
from lockgate.model.predictions import Predictions, make_predictions, read_earlier_predictions
from lockgate.model.scoring import score_bundle
from lockgate.project import Project


@click.command(cls=Command)
@params_option
@click.argument("first", metavar="A", type=click.Path(exists=True, path_type=Path))
@click.argument("second", metavar="B", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True, help="Of the intervals."
)
def compare(params_path: Path, first: Path, second: Path, confidence: float) -> None:
    """Show the metrics of two models side by side, and the difference B - A with its paired interval.

    A and B are each the folder of a bundle, which scores the project's test rows, or a table of predictions (y_true, y_score,
    row_key). Compared are the rows whose key both have. It decides nothing: `lockgate gate --champion` does.

    \b
    Examples:
        lockgate compare base/models models
        lockgate compare january.csv june.csv --confidence 0.9
    """
    project = Project(settings=params_path)
    a, b = _predictions(project, first, "A"), _predictions(project, second, "B")
    try:
        found = compare_predictions(a, b, confidence=confidence, seed=project.params_or_defaults.evaluate.seed)
    except InputError as error:
        raise InputError(f"{first} and {second}: {error}") from None
    say(*comparison_table(found, f"A {_named(first, a)}", f"B {_named(second, b)}"))


def _predictions(project: Project, path: Path, option: str) -> Predictions:
    if not path.is_dir():
        return read_earlier_predictions(path, option)
    bundle = verify_bundle(path)
    rows = project.read_test_rows(bundle.schema)
    scores = score_bundle(bundle, rows.rows)
    return make_predictions(rows.rows, scores, bundle.schema, Evaluate(), bundle.digest, str(rows.sha256))


def _named(path: Path, predictions: Predictions) -> str:
    return f"{path} ({str(predictions.model)[:12]}, {len(predictions.table):,} rows)"


def comparison_table(found: Comparison, first: str, second: str) -> list[str]:
    """The comparison for a terminal; `first` and `second` name the models."""
    lines = [first, second, f"{found.rows:,} rows in both, {found.positives:,} of them events"]
    interval = f"B - A [{100 * found.confidence:g} % interval]"
    lines.append(f"  {'metric':<18} {'A':>8} {'B':>8}  {interval}")
    for metric in found.metrics:
        lines.append(
            f"  {metric_title(metric.name):<18} {metric.first:>8.4f} {metric.second:>8.4f}  {_difference(metric)}"
        )
    if found.rank_correlation is not None:
        lines.append(f"rank correlation of the scores {found.rank_correlation:.3f}")
    return lines


def _difference(metric: ComparedMetric) -> str:
    found, shown = metric.difference, f"{metric.second - metric.first:+.4f}"
    if found is None or found.low is None or found.high is None:
        return shown
    words = {"first": "A is better", "second": "B is better", None: "no difference shown"}[metric.better]
    if metric.first == metric.second and found.low == found.high:
        words = "equal"
    return f"{shown} [{found.low:+.4f}, {found.high:+.4f}]  {words}"
