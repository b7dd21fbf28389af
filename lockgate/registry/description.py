"""What stands beside a version on MLflow's pages, for somebody who knows nothing of the kit: Markdown."""

from __future__ import annotations

from lockgate.config.metric_names import metric_title
from lockgate.config.version import __version__
from lockgate.documents.gate_check import Check
from lockgate.documents.gate_json import GateResult
from lockgate.documents.text import clean_text, format_count, format_metric, format_share
from lockgate.model.bundle import Bundle
from lockgate.registry.stored_verdict import FOLDER


def version_description(bundle: Bundle, verdict: GateResult, model_id: str, origin: str) -> str:
    """What the model answers, from which data, how good it is, why it was let through, and how to load it.

    `origin` says how it came about, as its run does.
    """
    schema, rule = bundle.schema, verdict.decision
    events = format_share(verdict.positives / verdict.n)
    measured = [check for check in verdict.checks if check.kind in ("floor", "ceiling") and check.value is not None]
    return "\n".join([
        f"The probability that {_name(schema.target)} happens, from {len(schema.features)} columns of one row. A probability "
        f"{'at or above' if rule.favourable == 'above' else 'below'} {rule.threshold:g} is a favourable decision.",
        "",
        f"- Data: {format_count(bundle.profile.n)} training rows (sha256 `{bundle.training_data[:12]}`), and "
        f"{format_count(verdict.n)} test rows that were held back (sha256 `{verdict.data[:12]}`), {events} of them with "
        "the event",
        f"- Origin: {clean_text(origin, 100)}",
        f"- Gate: {verdict.verdict}, by the policy `{verdict.policy[:12]}`",
        *([f"- Exception: {clean_text(verdict.exception.sentence, 500)}"] if verdict.exception else []),
        *map(_measured, measured),
        f"- Bundle: `{bundle.digest}`",
        "",
        f"The verdict and the reports are among the artifacts, in `{FOLDER}/`. To score raw rows, numbers as numbers, categories "
        "as text, and None or NaN where a value is missing:",
        "",
        "```sh",
        f"pip install mlflow 'lockgate[service]=={__version__}'",
        f"mlflow models serve --model-uri models:/{model_id} --env-manager local --port 5001",
        "```",
        "",
        "```python",
        "import mlflow",
        f'model = mlflow.pyfunc.load_model("models:/{model_id}")',
        "model.predict(rows)  # a data frame with the columns of the signature; gives probability and decision",
        "```",
    ])  # fmt: skip


def _measured(check: Check) -> str:
    interval = (
        "" if check.low is None or check.high is None else f" [{format_metric(check.low)}, {format_metric(check.high)}]"
    )
    bound = "at least" if check.op == ">=" else "at most"
    return (
        f"- {metric_title(check.metric or check.name)} on the test rows: {format_metric(check.value)}{interval}, where the gate "
        f"asks for {bound} {format_metric(check.threshold)}"
    )


def _name(name: str) -> str:
    """A column's name as a code span, which it cannot end."""
    return f"`{clean_text(name).replace('`', '')}`"
