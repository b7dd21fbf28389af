"""`lockgate smoke`: whether a running service gives the probabilities that the bundle expects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from lockgate.cli.command import Command, say
from lockgate.config.errors import GateBlockedError
from lockgate.config.layout import MODELS
from lockgate.documents.document import JsonValue
from lockgate.documents.golden_json import GoldenPredictions, GoldenRow
from lockgate.model.bundle import GOLDEN, verify_bundle
from lockgate.service.api.bearer_token import stated_tokens
from lockgate.service.client import ServiceClient

Answer: TypeAlias = dict[str, JsonValue]  # as it came: whether it is right is what is found out here

TOLERANCE = 1e-6
BATCH_ROWS = 1000
SHOWN = 5
UNPROCESSABLE = 422


@click.command(cls=Command)
@click.argument("url")
@click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), default=MODELS, show_default=True, help="What it serves."
)
@click.option("--wait", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds until it is ready.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="For each response."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the bearer token to send; or LOCKGATE_TOKEN. Default: none is sent.",
)
def smoke(url: str, folder: Path, wait: float, timeout: float, token_file: Path | None) -> None:
    """Check the service at URL on the bundle's golden rows, one by one and as batches.

    Exit code 3 where it serves another digest, a probability differs by more than 1e-6, or it accepts a row that
    lacks a value which the schema requires.
    """
    bundle = verify_bundle(folder)
    schema = bundle.schema
    golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
    complete, incomplete = golden.complete(schema), golden.incomplete(schema)
    rows, expected = [row for row, _ in complete], [probability for _, probability in complete]
    service = ServiceClient(url, timeout, next(iter(stated_tokens(token_file)), None))
    service.wait_until_ready(wait)
    _, health = service.ask("/health")
    if health.get("model") != bundle.digest:
        raise GateBlockedError(
            f"{service.url} serves the model {health.get('model')!r}, not {bundle.digest} of {folder}"
        )
    singles = [_answer(service, "/predict", row, bundle.digest) for row in rows]
    batched = [row for answer in _batches(service, rows, bundle.digest) for row in answer]
    found, largest = _differences(expected, singles)
    more, largest_of_batch = _differences(expected, batched)
    found += [f"in a batch, {line}" for line in more]
    if [row.get("decision") for row in batched] != [answer.get("decision") for answer in singles]:
        found.append("decisions of a batch are not those of single rows")
    for row in incomplete:
        status, _ = service.ask("/predict", row)
        if status != UNPROCESSABLE:
            missing = [name for name, value in row.items() if value is None]
            found.append(f"a row without {', '.join(missing[:SHOWN])} was answered with {status}, not {UNPROCESSABLE}")
    if found:
        rest = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise GateBlockedError(f"{service.url} does not answer as {folder} says: {'; '.join(found[:SHOWN])}{rest}")
    say(
        f"{service.url} serves {bundle.digest[:12]}: {len(rows)} golden rows one by one and as batches,"
        f" largest difference {max(largest, largest_of_batch):.1e}; {len(incomplete)} incomplete ones refused"
    )


def _answer(service: ServiceClient, route: str, body: Any, digest: str) -> Answer:
    status, answer = service.ask(route, body)
    if status != 200 or answer.get("model") != digest:
        raise GateBlockedError(
            f"{service.url}{route} answered {status} for {answer.get('model')!r} to a golden row: {answer}"
        )
    return answer


def _batches(service: ServiceClient, golden: Sequence[GoldenRow], digest: str) -> list[list[Answer]]:
    answers = []
    for start in range(0, len(golden), BATCH_ROWS):
        rows = golden[start : start + BATCH_ROWS]
        answer = _answer(service, "/predict/batch", {"rows": rows}, digest).get("rows")
        if not isinstance(answer, list) or len(answer) != len(rows):
            raise GateBlockedError(f"{service.url}/predict/batch did not answer {len(rows)} rows with as many")
        answers.append(answer)
    return answers


def _differences(expected: Sequence[float], answers: Sequence[Answer]) -> tuple[list[str], float]:
    """One line for each answer that is not the expected one, and the largest difference in probability.

    A probability that is missing or not finite differs infinitely.
    """
    lines, largest = [], 0.0
    for index, (probability, answer) in enumerate(zip(expected, answers, strict=True)):
        answered = answer.get("probability")
        distance = abs(answered - probability) if isinstance(answered, (int, float)) else math.inf
        distance = distance if math.isfinite(distance) else math.inf
        largest = max(largest, distance)
        if distance > TOLERANCE:
            lines.append(f"row {index}: probability {answered!r}, the bundle's is {probability!r}")
    return lines, largest


if __name__ == "__main__":
    smoke()
