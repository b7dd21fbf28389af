"""Evidence for the gate whose right answer is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from msgspec.structs import replace as struct_replace
from verdicts import schema_of

from lockgate.config.params import Evaluate, Gate
from lockgate.gate.evidence import Evidence, Features, Policy
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions


def predictions(rows: int = 2000, seed: int = 1, spread: float = 1.15, **columns: object) -> Predictions:
    """Calibrated predictions of a population that depends on `seed`; scores get noise if `spread` is not its own."""
    rng = np.random.default_rng(seed)
    logit = -1.6 + 1.15 * rng.standard_normal(rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype("int8")
    noisy = logit + (spread - 1.15) * rng.standard_normal(rows)
    table = pd.DataFrame(
        {"row_key": [f"r{i}" for i in range(rows)], "y_true": label, "y_score": 1 / (1 + np.exp(-noisy))}
    )
    return Predictions(table.assign(**columns), "m" * 64, "d" * 64)


def evidence(found: Predictions, **rest: object) -> Evidence:
    metrics = all_metrics(found.y_true, found.y_score, found.weight)
    intervals = {"roc_auc": auc_interval(found.y_true, found.y_score, weight=found.weight)}
    return Evidence(found, metrics, **{"intervals": intervals, **rest})  # type: ignore[arg-type]


def policy(decide_on: str = "point", champion: dict[str, object] | None = None, **evaluate: object) -> Policy:
    gate = Gate.model_validate({"decide_on": decide_on, "champion": champion or {}})
    return Policy(Evaluate.model_validate(evaluate), gate)


RULE: dict[str, Any] = {"source": "file", "margins": {"roc_auc": 0.01}}


def features_of(
    test_labels: Iterable[int], train_labels: Iterable[int] | None, days: Iterable[object] | None = None, **rest: object
) -> Evidence:
    """Evidence of a model of one feature; `days` is its time column."""
    schema = schema_of("y", x=())
    test = pd.DataFrame({"x": np.arange(len(labels := list(test_labels)), dtype=float), "y": labels})
    if days is not None:
        schema, test = struct_replace(schema, time_column="day"), test.assign(day=list(days))
    train = None if train_labels is None else pd.DataFrame({"y": list(train_labels)})
    table = pd.DataFrame({"y_true": labels, "y_score": np.linspace(0.1, 0.9, len(labels))})
    return evidence(Predictions(table, "m", "d"), features=Features(schema, test, train, **rest))  # type: ignore[arg-type]
