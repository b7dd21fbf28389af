"""How often a test set has decided: each different model that it has judged makes it a little less independent.

Who sees a verdict may act on it, so that after H verdicts the next model may be any of 2^H that one could have come
to: the union bound over them is that of fully adaptive use in Renggli et al. (2019), Continuous Integration of Machine
Learning Models with ease.ml/ci, arXiv 1903.00278, here with the normal tail of the measured standard error in place
of Hoeffding's. The test set is exhausted when 2^H * 2 * Phi(-tolerance / standard error) exceeds 1 - confidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import floor, log2
from statistics import NormalDist

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from lockgate.documents.gate_json import GateResult, Reuse
from lockgate.documents.schema_json import ROW_KEY
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.model.predictions import Predictions

BLOCK_ROWS = 65_536
TOLERANCE = 0.02  # of ROC-AUC, where there is no champion and so no margin


def history_of(decisions: Iterable[PastDecision], result: GateResult | None = None) -> DecisionHistory:
    """The decisions with that of `result`: the same thing decided twice counts once. Stale predictions decide nothing."""
    found = list(decisions)
    if result is not None and result.test_set is not None and not result.stale:
        found.append(PastDecision(result.test_set.test_set, result.model, result.policy, result.verdict))
    kept = {(one.test_set, one.model, one.policy): one for one in found}
    return DecisionHistory(decisions=tuple(sorted(kept.values())))


def identity_of_test_set(predictions: Predictions, is_project_data: bool) -> str:
    """The sha256 of the test data; for anybody's table, of its keys and labels, which its next model shares."""
    if is_project_data:
        return str(predictions.data)
    digest = sha256(b"[")
    for number, rows in enumerate(_blocks_of_rows(predictions)):
        digest.update(b", " * bool(number) + repr(rows)[1:-1].encode())
    digest.update(b"]")
    return digest.hexdigest()


def _blocks_of_rows(predictions: Predictions) -> Iterator[list[tuple[str, int]] | list[int]]:
    """Labels, and keys where there are some, by which they are sorted; some thousands at a time."""
    label, keys, order = predictions.y_true, None, None
    if ROW_KEY in predictions.table.columns:
        keys = pa.array(predictions.table[ROW_KEY], pa.large_string())
        order = pc.sort_indices(keys)
    for start in range(0, len(label), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        if keys is None or order is None:
            yield label[rows].tolist()
        else:
            places = order[rows]
            yield list(zip(keys.take(places).to_pylist(), label[places.to_numpy()].tolist(), strict=True))


def measure_reuse(
    decisions: Iterable[PastDecision],
    test_set: str,
    model: str,
    standard_error: float | None,
    tolerance: float = TOLERANCE,
    confidence: float = 0.95,
) -> Reuse:
    """How many models the test set has judged with this one, how many it is good for, and whether that is too many."""
    models = {decision.model for decision in decisions if decision.test_set == test_set} | {model}
    supported = None if standard_error is None else supported_models(standard_error, tolerance, confidence)
    return with_models(Reuse(test_set, 0, supported, tolerance, False), len(models))


def with_models(reuse: Reuse, models: int) -> Reuse:
    """The same test set after so many models."""
    return replace(reuse, models=models, exhausted=reuse.supported is not None and models > reuse.supported)


def supported_models(standard_error: float, tolerance: float, confidence: float) -> int | None:
    """The most verdicts H with 2^H * 2 * Phi(-tolerance / standard error) <= 1 - confidence; None: without end."""
    tail = 2 * NormalDist().cdf(-tolerance / standard_error) if standard_error > 0 else 0.0
    return None if tail == 0 else max(0, floor(log2((1 - confidence) / tail)))
