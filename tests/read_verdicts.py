"""What is believed of a gate.json that was changed in one place, and with which words the rest is refused.

The documents are verdicts of the record `decisions.json` that let a model through. Each field of each check, and each field
beside the checks, is changed in every way that its type allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from lockgate.documents.gate_check import Check, Kind, Operator, Status
from lockgate.documents.gate_json import ErrorRates, GateResult, Reuse

BELIEVED = "believed"
STATUSES, OPERATORS, KINDS = get_args(Status), get_args(Operator), get_args(Kind)
NUMBERS = ("value", "low", "high", "threshold", "confidence")


def reading(document: dict[str, Any]) -> dict[str, list[str]]:
    """Each sentence about the verdict, with the changes after which it is said; that a gate makes no such check, it is else."""
    said: dict[str, list[str]] = defaultdict(list)
    for change, changed in _changed(msgspec.convert(document, GateResult)):
        said[changed.contradiction or BELIEVED].append(change)
    return {sentence: changes for sentence, changes in said.items() if not sentence.endswith("none that a gate makes")}


def _changed(result: GateResult) -> Iterator[tuple[str, GateResult]]:
    yield "as it is", result
    seen = set()
    for place, check in enumerate(result.checks):
        if (kind := (check.name, check.status)) in seen:
            continue  # of two that are alike the first is enough
        seen.add(kind)
        before, after = result.checks[:place], result.checks[place + 1 :]
        for change, changed in _changed_checks(check):
            yield f"{check.name}: {change}", replace(result, checks=(*before, changed, *after))
        yield f"{check.name}: twice", replace(result, checks=(*before, check, check, *after))
        yield f"{check.name}: away", replace(result, checks=(*before, *after))
    for change, changes in _other_fields(result):
        yield change, replace(result, **changes)


def _changed_checks(check: Check) -> Iterator[tuple[str, Check]]:
    for field, others in (("status", STATUSES), ("op", OPERATORS), ("kind", KINDS)):
        for other in others:
            if other != getattr(check, field):
                yield f"{field} {other or 'none'}", replace(check, **{field: other})
    for field in NUMBERS:
        number = getattr(check, field)
        limits = [end for end in (check.value, check.low, check.high, check.threshold) if end is not None]
        others = {None, 0.0, 0.5, 1.0, -1.0, 2.5, *limits, *(end + step for end in limits for step in (-1e-6, 1e-6))}
        for other in sorted(others, key=lambda one: (one is not None, one)):
            if other != number and not (field == "confidence" and other is not None and not 0 <= other <= 1):
                yield f"{field} {other if other is None else f'{other:.9g}'}", replace(check, **{field: other})
    for field in ("name", "metric", "slice", "interval"):
        for other in (None, "roc_auc", "brier", "ks", "region = north", "biased"):
            if other != getattr(check, field) and not (field == "name" and other is None):
                yield f"{field} {other}", replace(check, **{field: other})
    if check.value is not None:
        yield "no numbers", replace(check, value=None, low=None, high=None, interval=None, confidence=None)
        yield (
            "no numbers, not applicable",
            replace(check, value=None, low=None, high=None, interval=None, confidence=None, status="not-applicable"),
        )
        yield (
            "no numbers, no threshold",
            replace(check, value=None, low=None, high=None, op="", threshold=None, interval=None, confidence=None),
        )
        yield "a negative threshold", replace(check, threshold=-0.5, op=">=", status="pass")


def _other_fields(result: GateResult) -> Iterator[tuple[str, dict[str, Any]]]:
    for verdict in ("pass", "inconclusive", "block"):
        yield f"verdict {verdict}", {"verdict": verdict}
    for n, positives in ((result.n, 0), (result.n, result.n), (result.n, 1), (result.n + 1, result.positives), (0, 0)):
        yield f"{positives} of {n}", {"n": n, "positives": positives}
    for confidence in (0.0, 0.9, 1.0):
        yield f"confidence {confidence}", {"confidence": confidence}
    yield "the other way to decide", {"decide_on": "point" if result.decide_on == "bound" else "bound"}
    yield "no exception", {"exception": None}
    yield "stale", {"stale": ("it is old",)}
    yield "no champion", {"champion": None}
    yield "the champion is the model", {"champion": result.model}
    yield "another champion", {"champion": "ab" * 32}
    yield "the first model", {"first_model": True}
    yield "the first model, without a champion", {"first_model": True, "champion": None}
    yield "no slices", {"slices": None}
    rates = ErrorRates("champion", "roc_auc", 0.01, 0.9, 0.02, 0.1, 0.1, 0.02)
    yield "rates of a champion", {"operating": (rates,)}
    yield "rates of a champion that is none", {"operating": (rates,), "champion": None}
    yield "rates of a floor", {"operating": (replace(rates, rule="floor"),)}
    for models, supported, exhausted in (
        (1, 1, False),
        (2, 1, True),
        (2, 1, False),
        (1, 1, True),
        (0, 1, False),
        (9, None, False),
    ):
        reuse = Reuse("da" * 32, models, supported, 0.02, exhausted)
        yield f"{models} models of {supported}, exhausted {exhausted}", {"test_set": reuse}
    if result.slices is None:
        return
    for changes in (
        {"compared": result.slices.compared + 1},
        {"confidence_each": 0.9},
        {"rows": ()},
        {"minimum": 0, "worst": None},
    ):
        yield f"slices with {changes}", {"slices": replace(result.slices, **changes)}
    first, *others = result.slices.rows
    for changes in (
        {"slice": "another"},
        {"n": result.n},
        {"n": result.n + 1},
        {"positives": first.n},
        {"positives": first.n + 1},
        {"metrics": {}},
        {"metrics": {name: replace(found, value=0.123) for name, found in first.metrics.items()}},
        {"metrics": {name: replace(found, interval="biased") for name, found in first.metrics.items()}},
    ):
        words = "other metrics" if changes.get("metrics") else str(changes)
        yield (
            f"{first.slice} with {words}",
            {"slices": replace(result.slices, rows=(replace(first, **changes), *others))},
        )
