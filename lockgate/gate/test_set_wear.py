"""How often a test set has decided: each different model that it has judged makes it a little less independent.

Who sees a verdict may act on it, so that after H verdicts the next model may be any of 2^H that one could have come
to: the union bound over them is that of fully adaptive use in Renggli et al. (2019), Continuous Integration of Machine
Learning Models with ease.ml/ci, arXiv 1903.00278, here with the normal tail of the measured standard error in place
of Hoeffding's. The test set is worn when 2^H * 2 * Phi(-tolerance / standard error) exceeds 1 - confidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log2
from pathlib import Path
from statistics import NormalDist
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.files import read_json, sha256_bytes
from lockgate.model.predictions import Predictions

HISTORY_VERSION = 1
TOLERANCE = 0.02  # of ROC-AUC, where there is no champion and so no margin
KEYS = ("test_set", "model", "policy", "verdict")
Decision = dict[str, str]


def read_history(path: Path) -> list[Decision]:
    """The decisions so far; none where there is no file. Raises InputError where the file is no such history."""
    mend = "restore it, or delete it to count from here"
    if not path.exists():
        return []
    document = read_json(path, mend)
    decisions = document.get("decisions")
    if document.get("schema") != HISTORY_VERSION or not isinstance(decisions, list) or not all(map(_is_one, decisions)):
        raise InputError(f"{path} is not a history of the test set; {mend}")
    return decisions


def with_decision(decisions: Iterable[Decision], *new: Decision) -> dict[str, Any]:
    """The content of the history file: the same thing decided twice counts once, in an order of its own."""
    kept = {tuple(decision[key] for key in KEYS[:3]): decision for decision in [*decisions, *new]}
    return {"schema": HISTORY_VERSION, "decisions": [kept[key] for key in sorted(kept)]}


def identity_of_test_set(predictions: Predictions, foreign: bool) -> str:
    """The sha256 of the test data; for anybody's table, of its keys and labels, which its next model shares."""
    if not foreign:
        return str(predictions.data)
    keys = predictions.row_key
    labels = predictions.y_true.tolist()
    rows = sorted(zip(keys.tolist(), labels, strict=True)) if keys is not None else labels
    return sha256_bytes(repr(rows).encode())


def wear(
    decisions: Iterable[Decision],
    test_set: str,
    model: str,
    error: float | None,
    tolerance: float = TOLERANCE,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """How many models the test set has judged with this one, how many it is good for, and whether it is worn."""
    models = {decision["model"] for decision in decisions if decision["test_set"] == test_set} | {model}
    supported = None if error is None else supported_models(error, tolerance, confidence)
    return {
        "test_set": test_set,
        "models": len(models),
        "supported": supported,
        "tolerance": tolerance,
        "worn": supported is not None and len(models) > supported,
    }


def supported_models(error: float, tolerance: float, confidence: float) -> int | None:
    """The most verdicts H with 2^H * 2 * Phi(-tolerance / error) <= 1 - confidence; None: without end."""
    tail = 2 * NormalDist().cdf(-tolerance / error) if error > 0 else 0.0
    return None if tail == 0 else max(0, floor(log2((1 - confidence) / tail)))


def _is_one(decision: object) -> bool:
    return isinstance(decision, dict) and all(isinstance(decision.get(key), str) for key in KEYS)
