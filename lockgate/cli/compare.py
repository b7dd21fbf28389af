"""`lockgate compare`: two models side by side."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.config.errors import InputError
from lockgate.config.metric_names import metric_title
from lockgate.config.params import Evaluate
from lockgate.gate.comparison import CONFIDENCE, ComparedMetric, Comparison
from lockgate.gate.comparison import compare as compare_predictions
from lockgate.gate.shadow_comparison import ShadowComparison
from lockgate.model.bundle import verify_bundle
from lockgate.model.predictions import Predictions, read_earlier_predictions
from lockgate.model.scored_rows import predict
from lockgate.project import Project


@click.command(cls=Command)
@params_option
@click.argument("first", metavar="A", required=False, type=click.Path(exists=True, path_type=Path))
@click.argument("second", metavar="B", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--log", metavar="DIR|URL", help="A decision log of a service with --shadow, in the place of A and B.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.9999),
    help=f"Of the intervals; by default {CONFIDENCE:g}, and with --log that of `gate.champion`.",
)
def compare(
    params_path: Path, first: Path | None, second: Path | None, log: str | None, confidence: float | None
) -> None:
    """Show the metrics of two models side by side, and the difference B - A with its paired interval.

    A and B are each the folder of a bundle, which scores the project's test rows, or a table of predictions (y_true, y_score,
    row_key). Compared are the rows whose key both have. With --log, A is the model that decided and B the challenger in its
    shadow, on the rows that both scored; their metrics are of the rows whose outcome is known. It decides nothing:
    `lockgate gate --champion` does.

    \b
    Examples:
        lockgate compare base/models models
        lockgate compare january.csv june.csv --confidence 0.9
        lockgate compare --log decisions/
    """
    project = Project(settings=params_path)
    if log is not None and first is None:
        for place, shadowed in enumerate(project.compare_shadows(log, confidence)):
            say(*([""] if place else []), *shadow_table(shadowed))
        return
    if log is not None or first is None or second is None:
        raise InputError("give either A and B, or --log")
    a, b = _predictions(project, first, "A"), _predictions(project, second, "B")
    try:
        found = compare_predictions(
            a, b, confidence=confidence or CONFIDENCE, seed=project.params_or_defaults.evaluate.seed
        )
    except InputError as error:
        raise InputError(f"{first} and {second}: {error}") from None
    say(*comparison_table(found, f"A {_named(first, a)}", f"B {_named(second, b)}"))


def _predictions(project: Project, path: Path, option: str) -> Predictions:
    if not path.is_dir():
        return read_earlier_predictions(path, option, project.params_or_defaults.prepare)
    bundle = verify_bundle(path)
    with project.open_engine() as engine:
        return predict(bundle, project.read_test_rows(bundle.schema), Evaluate(), engine=engine)


def _named(path: Path, predictions: Predictions) -> str:
    return f"{path} ({str(predictions.model)[:12]}, {len(predictions.table):,} rows)"


def comparison_table(found: Comparison, first: str, second: str) -> list[str]:
    """The comparison for a terminal; `first` and `second` name the models."""
    return [
        first,
        second,
        f"{found.rows:,} rows in both, {found.positives:,} of them events",
        *_metric_lines(found),
    ]


def shadow_table(found: ShadowComparison) -> list[str]:
    """A served model and its challenger for a terminal."""
    lines = [
        f"A {found.served[:12]}, which decided, and B {found.shadow[:12]}, in its shadow: {found.rows:,} rows of "
        f"{found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}",
        f"  {'A':<14} {'B':<14} {'rows':>9} {'share':>7} {'outcomes':>9} {'events':>8}",
    ]
    for pair in found.decisions:
        events = f"{pair.events / pair.outcomes:.1%}" if pair.outcomes else "-"
        lines.append(
            f"  {pair.served:<14} {pair.shadow:<14} {pair.rows:>9,} {pair.rows / found.rows:>7.1%} {pair.outcomes:>9,} {events:>8}"
        )
    scores = found.scores
    lines += [
        f"they agree on {found.agreeing / found.rows:.2%} of the decisions",
        f"mean score {scores.served:.4f} and {scores.shadow:.4f} (B - A {scores.shadow - scores.served:+.4f}); they are apart by "
        f"{scores.mean:.4f} on average, 95 % of rows by less than {scores.quantile:.4f}, none by more than {scores.largest:.4f}",
    ]
    if found.metrics is None:
        known = (
            f"the {found.outcomes:,} known outcomes are of one class" if found.outcomes else "no outcome is known yet"
        )
        lines.append(f"{known}, so nothing is said of how good either is; `lockgate outcomes add` adds them")
        return lines
    lines.append(f"{found.metrics.rows:,} outcomes are known, {found.metrics.positives:,} of them events")
    lines += _metric_lines(found.metrics)
    lines += [
        f"by gate.champion: {metric_title(str(check.metric))} {check.status}: {check.reason}" for check in found.checks
    ]
    return lines


def _metric_lines(found: Comparison) -> list[str]:
    lines = []
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
