"""Documents as values, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from lockgate.documents.gate_check import Check
from lockgate.documents.gate_json import GateResult
from lockgate.documents.schema_json import (
    AuditColumn,
    DecisionRule,
    DroppedColumn,
    Feature,
    MarkerCount,
    Reading,
    Schema,
    SourceColumn,
    TargetClasses,
)
from lockgate.documents.train_json import Importance, Round, SplitSizes, TrainingReport

DIGEST = "a1" * 32


def check(status: str = "pass", **changes: Any) -> Check:
    """A ROC-AUC of 0.78 against a floor of 0.7."""
    floor = Check(
        "roc_auc floor",
        "floor",
        "roc_auc",
        None,
        0.78,
        0.77,
        0.79,
        ">=",
        0.7,
        status,
        interval="ok",  # type: ignore[arg-type]
    )
    return replace(floor, **changes)


# What every gate checks besides.
ALWAYS = (
    Check("rows", "sample", value=5000, op=">=", threshold=200, status="pass"),
    Check("rows of the rarer class", "sample", value=1103, op=">=", threshold=50, status="pass"),
    Check("leakage", "leakage"),
    Check("ranking direction", "direction", "roc_auc", None, 0.78, 0.77, 0.79, ">=", 0.5, "pass", interval="ok"),
)


FAIRNESS = Check(
    "adverse impact ratio", "fairness", "adverse_impact_ratio", "sex", 0.7, 0.65, 0.75, ">=", 0.8, "warn", "below 0.8", "ok",
    0.95,
)  # fmt: skip
CHAMPION = "d4" * 32
COMPARED = (
    check(
        name="roc_auc champion", kind="champion", value=0.001, low=-0.004, high=0.006, threshold=-0.01, confidence=0.92
    ),
    Check(
        "ranking direction of the champion", "direction", "roc_auc", None, 0.779, 0.769, 0.789, ">=", 0.5, "pass",
        interval="ok",
    ),
)  # fmt: skip


def verdict(stated: str, *checks: Check, **changes: Any) -> GateResult:
    """gate.json of the model DIGEST with these checks, and unless it is a block with those that every gate makes."""
    whole = GateResult(
        verdict=stated,  # type: ignore[arg-type]
        model=DIGEST,
        data="b2" * 32,
        predictions=None,
        policy="c3" * 32,
        params="d4" * 32,
        n=5000,
        positives=1103,
        weight=None,
        confidence=0.95,
        decide_on="point",
        inconclusive="block",
        exception=None,
        champion=None,
        first_model=False,
        new_data=None,
        new_data_rule=None,
        decision=DecisionRule(0.25, "below"),
        checks=checks if stated == "block" else (*checks, *ALWAYS),
        slices=None,
        operating=(),
        thresholds=(),
        stale=(),
        source="synthetic",
        test_set=None,
    )
    return replace(whole, **changes)


def schema_of(target: str, **features: tuple[str, ...]) -> Schema:
    """A schema whose `features` are name to categories; none of them is a number's."""
    return Schema(
        target=target,
        classes=TargetClasses(("1",), ("0",)),
        features=tuple(
            Feature(name, "categorical" if values else "numeric", False, False, values, None, None, name)
            for name, values in features.items()
        ),
        audit=(AuditColumn("sex", "categorical"),),
        id_columns=(),
        time_column=None,
        weight_column=None,
        columns=(),
    )


def described_schema(name: str, reason: str) -> Schema:
    """A schema with a column that is read and one that is dropped, with `name` and `reason` wherever text comes from outside."""
    read = SourceColumn(
        name=name,
        source_name=f"file's {name}",
        role="feature",
        why="inferred",
        reading=Reading("numeric", (reason,)),
        missing=12,
        markers=(MarkerCount(reason, 8), MarkerCount("", 4)),
        distinct=3400,
        changed=("percent",),
    )
    dropped = SourceColumn(f"{name}2", f"{name}2", "dropped", "declared", None, 0, (), 1, (), reason)
    return replace(schema_of(name), columns=(read, dropped))


def training(name: str = "income", reason: str = "so it is", features: int = 1) -> TrainingReport:
    """train.json of the model DIGEST, with `name` and `reason` wherever text comes from outside."""
    return TrainingReport(
        model=DIGEST,
        rows=SplitSizes(9000, 3000),
        features=(name,),
        rounds=9,
        best_iteration=7,
        scale_pos_weight=1.0,
        validation={"roc_auc": 0.79},
        history=tuple(Round(at, 0.6, 0.61) for at in range(9)),
        importance=tuple(Importance(f"{name}{at or ''}", 1 / features) for at in range(features)),
        dropped=(DroppedColumn(name, reason),),
        params={name: reason},
    )
