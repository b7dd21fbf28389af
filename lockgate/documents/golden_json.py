"""The golden rows of a bundle, and what an answer differs in from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.data.schema import read_schema
from lockgate.model.bundle import GOLDEN, MANIFEST, SCHEMA, Bundle

GOLDEN_VERSION = 1


@dataclass(frozen=True)
class Golden:
    """Rows (feature to value) and the probability that the model gives each of them.

    `refused` are those with a value missing where the schema allows none: the model could score them, a service must not.
    """

    rows: list[dict[str, Any]]
    probabilities: list[float]
    refused: list[dict[str, Any]]


def read_golden(bundle: Bundle) -> Golden:
    """The golden rows of a verified bundle.

    Raises InputError where the bundle has none, or the file is not of this form.
    """
    path = bundle.path(GOLDEN)
    mend = "train the bundle again with this version of Lockgate"
    if GOLDEN not in bundle.files:
        raise InputError(f"{bundle.path(MANIFEST)} does not name {GOLDEN}; {mend}")
    content = read_json(path, mend)
    rows: Any = content.get("rows")
    probabilities: Any = content.get("probabilities")
    if (
        content.get("schema") != GOLDEN_VERSION
        or not _all_are(rows, dict)
        or not _all_are(probabilities, float)
        or len(rows) != len(probabilities)
    ):
        raise InputError(f"{path} does not hold golden rows of version {GOLDEN_VERSION}; {mend}")
    schema = read_schema(bundle.path(SCHEMA))
    required = [feature.name for feature in schema.features if not feature.nullable]
    whole = [all(row.get(name) is not None for name in required) for row in rows]
    return Golden(
        list(compress(rows, whole)),
        list(compress(probabilities, whole)),
        [row for row, is_whole in zip(rows, whole, strict=True) if not is_whole],
    )


def differences(
    expected: Sequence[float], answers: Sequence[Mapping[str, Any]], tolerance: float
) -> tuple[list[str], float]:
    """One line for each answer that is not the expected one, and the largest difference in probability.

    A probability that is missing or not finite differs infinitely.
    """
    lines, largest = [], 0.0
    for index, (probability, answer) in enumerate(zip(expected, answers, strict=True)):
        answered = answer.get("probability")
        distance = abs(answered - probability) if isinstance(answered, (int, float)) else math.inf
        distance = distance if math.isfinite(distance) else math.inf
        largest = max(largest, distance)
        if distance > tolerance:
            lines.append(f"row {index}: probability {answered!r}, the bundle's is {probability!r}")
    return lines, largest


def _all_are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, kind) for value in values)
