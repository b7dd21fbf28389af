"""What gate and drift decide on fixed evidence, whole: every number and every word, for a test that compares with the record.

Run as a program it writes the record, `decisions.json`, anew. The rows follow from arithmetic, not from random numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from decided_checks import CHECKS, checks_of
from msgspec.structs import replace
from read_verdicts import reading
from verdicts import schema_of

from lockgate.config.params import Decision, Drift, Evaluate, Gate
from lockgate.data.partitions import in_memory
from lockgate.data.source_table import source_of_frame
from lockgate.documents.document import Document
from lockgate.documents.profile_json import DriftRule
from lockgate.documents.test_set_history_json import PastDecision
from lockgate.drift.measurement import measure_against_profile, measure_tables
from lockgate.drift.profile import HeldOut, build_profile
from lockgate.gate.evidence import Features, Policy
from lockgate.gate.judge import judge
from lockgate.model.predictions import Predictions

READING = "how this is read: "  # before the name of a verdict in the record
RECORD = Path(__file__).with_name("decisions.json")
DIGITS = 9  # of a number in the record: what adds up in another order differs beyond
ROWS = 700
TARGET = "default"
SCHEMA = replace(schema_of(TARGET, income=(), grade=("a", "b", "c"), late=()), time_column="day")
DATA = "da" * 32

LIMITS: dict[str, Any] = {
    "floors": {"roc_auc": 0.6, "pr_auc": 0.9, "ks": 0.25, "gini": 0.3},
    "ceilings": {"brier": 0.2, "log_loss": 0.5, "ece": 0.05},
    "slices": ["grade", "age", "region"],
    "slice_floors": {"roc_auc": 0.7, "pr_auc": 0.3},
    "fairness": ["sex", "region"],
    "fairness_limits": {"equal_opportunity_difference": 0.05},
}
CHAMPION: dict[str, Any] = {"source": "base", "margins": {"roc_auc": 0.02, "brier": 0.01}}
EXCEPTION = {"reason": "the bureau changed its score", "approved_by": "the model risk committee", "until": "2026-12-31"}


def spread(step: float, rows: int = ROWS, first: int = 1) -> np.ndarray:
    """Numbers spread evenly over 0 to 1: the fractions of the multiples of an irrational step."""
    return np.asarray(np.modf(np.arange(first, first + rows) * step)[0])


def applicants(rows: int = ROWS, first: int = 1) -> pd.DataFrame:
    """Rows with all that a policy may ask for; `chance` is the truth that nobody knows."""
    risk, luck, other = (spread(step, rows, first) for step in (0.61803398875, 0.75487766625, 0.56984029099))
    chance = 0.04 + 0.6 * risk**2
    return pd.DataFrame(
        {
            "row_key": [f"{first + row:05}" for row in range(rows)],
            "income": np.where(np.arange(rows) % 17 == 0, np.nan, np.round(60_000 * (1.1 - risk + 0.3 * other))),
            "grade": pd.Series(np.where(other < 0.5, "a", np.where(other < 0.8, "b", "c")), dtype="str"),
            "late": np.floor(4 * risk * other),
            "sex": pd.Series(np.where(spread(0.41421356237, rows, first) < 0.45, "f", "m"), dtype="str"),
            "age": np.floor(20 + 50 * spread(0.73205080757, rows, first)),
            "region": pd.Series(
                [
                    None if row % 23 == 0 else ["north", "south", "east", "west", "islands"][row % 97 % 5]
                    for row in range(rows)
                ]
            ),
            "day": [f"2026-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(rows)],
            "weight": 0.5 + other,
            "chance": chance,
            TARGET: (luck < chance).astype("int64"),
        }
    )


def predictions(table: pd.DataFrame, noise: float, model: str, weight: str | None = None) -> Predictions:
    """Scores that are the true chance but for `noise`."""
    score = np.clip((1 - noise) * table["chance"] + noise * spread(0.32471795724, len(table)), 0.001, 0.999)
    columns = table[["row_key", "grade", "age", "region", "sex", "weight"]]
    return Predictions(
        columns.assign(y_true=table[TARGET].astype("int8"), y_score=score), model * 32, DATA, weight_column=weight
    )


def policy(evaluate: Mapping[str, Any] | None = None, **gate: Any) -> Policy:
    return Policy(Evaluate.model_validate(evaluate or {}), Gate.model_validate(gate))


TEST, TRAIN = applicants(), applicants(900, 10_001)
CHALLENGER, WEIGHTED = predictions(TEST, 0.1, "c1"), predictions(TEST, 0.1, "c1", "weight")
OLDER = predictions(TEST, 0.25, "0d")
SAW = Features(SCHEMA, TEST, TRAIN, ("late", "income"), params="5e" * 32, latest=date(2026, 11, 30))
HISTORY = [PastDecision(DATA, f"{model:02}" * 32, "9" * 64, "pass") for model in range(3)]


def _leaking() -> Features:
    test = TEST.copy()
    test.loc[:9, ["income", "grade", "late"]] = TRAIN.loc[:9, ["income", "grade", "late"]]
    return Features(SCHEMA, test.assign(late=test[TARGET] + 0.0), TRAIN, latest=date(2026, 12, 31))


def _upside_down_in(grade: str) -> Predictions:
    is_of_grade = (CHALLENGER.table["grade"] == grade).to_numpy()
    score = np.where(is_of_grade, 1 - CHALLENGER.y_score, CHALLENGER.y_score)
    table = CHALLENGER.table.assign(y_score=score, late_days=np.floor(80 * spread(0.15)).astype("int64") % 30)
    return Predictions(table, "c1" * 32, DATA)


GATES: dict[str, Callable[[], Document]] = {
    "all checks": lambda: judge(
        CHALLENGER, policy(LIMITS, champion=CHAMPION), champion=OLDER, features=SAW, history=HISTORY, source="compared"
    ),
    "all checks, by the bound": lambda: judge(
        CHALLENGER, policy(LIMITS, champion=CHAMPION, decide_on="bound"), champion=OLDER, features=SAW
    ),
    "weighted, and the champion is better": lambda: judge(
        predictions(TEST, 0.4, "c1", "weight"),
        policy(
            {**LIMITS, "confidence": 0.9, "slice_minimum": 40, "slice_floors": {"pr_auc": 0.3}},
            champion={**CHAMPION, "confidence": 0.8},
        ),
        champion=predictions(TEST, 0.0, "0d", "weight"),
    ),
    "a champion shown beside a margin of Brier alone": lambda: judge(
        CHALLENGER, policy(champion={"source": "file", "margins": {"brier": 0.0}}), champion=OLDER
    ),
    "another model of the same scores": lambda: judge(
        CHALLENGER, policy(champion=CHAMPION), champion=Predictions(CHALLENGER.table, "0d" * 32, DATA)
    ),
    "a champion nearly as good, by the bound": lambda: judge(
        CHALLENGER,
        policy(decide_on="bound", champion={"source": "registry", "margins": {"roc_auc": 0.001, "pr_auc": 0.2}}),
        champion=predictions(TEST, 0.08, "0d"),
    ),
    "the model unchanged": lambda: judge(CHALLENGER, policy(champion=CHAMPION), champion=CHALLENGER),
    "no champion where there must be one": lambda: judge(
        CHALLENGER, policy({"slices": ["grade"], "slice_floors": {"roc_auc": 0.8}}, champion=CHAMPION)
    ),
    "the first model": lambda: judge(CHALLENGER, policy(champion=CHAMPION), first_model=True),
    "stale": lambda: judge(
        CHALLENGER, policy(LIMITS, champion=CHAMPION), champion=OLDER, features=SAW, stale=["one", "two"]
    ),
    "plain leakage": lambda: judge(CHALLENGER, policy(), features=_leaking()),
    "leakage that is expected": lambda: judge(
        WEIGHTED, policy({"leakage": {"expected": ["late"], "other": "block"}}), features=_leaking()
    ),
    "without the training rows": lambda: judge(
        CHALLENGER, policy(), features=Features(SCHEMA, TEST, None, why_no_train="they are not there", latest=None)
    ),
    "too few rows for anything": lambda: judge(
        CHALLENGER.table.head(60), policy({"slices": ["grade"]}), audit_columns=["sex"], weight_column="weight"
    ),
    "a table without keys": lambda: judge(CHALLENGER.table.drop(columns="row_key"), table="scores.csv"),
    "scores that are all equal": lambda: judge(
        Predictions(CHALLENGER.table.assign(y_score=0.25), "c1" * 32, DATA), policy({"fairness": ["sex"]})
    ),
    "upside down": lambda: judge(
        Predictions(CHALLENGER.table.assign(y_score=1 - CHALLENGER.y_score), "c1" * 32, DATA),
        policy({"slices": ["grade"], "slice_floors": {"roc_auc": 0.5}, "floors": {"tjur_r2": 0.1}}),
    ),
    "under an exception to the policy": lambda: judge(
        CHALLENGER, policy(exception=EXCEPTION), today=date(2026, 12, 31)
    ),
    "under an exception that has ended": lambda: judge(CHALLENGER, policy(exception=EXCEPTION), today=date(2027, 1, 1)),
    "one slice upside down": lambda: judge(_upside_down_in("c"), policy({"slices": ["grade", "late_days"]})),
    "weighted, on a test set that judged this model before": lambda: judge(
        WEIGHTED,
        policy({"floors": {"roc_auc": 0.6}}, champion=CHAMPION, decide_on="bound", inconclusive="warn"),
        champion=predictions(TEST, 0.25, "0d", "weight"),
        history=[
            *HISTORY,
            PastDecision(DATA, "c1" * 32, "8" * 64, "block"),
            PastDecision("db" * 32, "e" * 64, "", "pass"),
        ],
        decision=Decision(threshold=0.3, favourable="above"),
        source="unreadable",
    ),
    "everything that a pass may hold": lambda: judge(
        CHALLENGER,
        policy(
            {
                **LIMITS,
                "floors": {"roc_auc": 0.6, "ks": 0.2},
                "ceilings": {"brier": 0.2, "log_loss": 0.6},
                "slice_floors": {"roc_auc": 0.6, "pr_auc": 0.3},
                "fairness_limits": {"equal_opportunity_difference": 0.6},
            },
            champion=CHAMPION,
        ),
        champion=OLDER,
        features=Features(SCHEMA, TEST, TRAIN, params="5e" * 32, latest=date(2026, 12, 31)),
        history=HISTORY,
        source="compared",
    ),
    "everything that a pass by the bound may hold": lambda: judge(
        WEIGHTED,
        policy(
            {
                "floors": {"roc_auc": 0.6},
                "ceilings": {"brier": 0.3},
                "slices": ["grade", "region"],
                "slice_floors": {"roc_auc": 0.3, "pr_auc": 0.1},
                "fairness": ["sex", "region"],
                "fairness_limits": {"false_positive_rate_difference": 0.9},
                "leakage": {"plain": "warn", "expected": ["late"]},
            },
            champion={"source": "registry", "margins": {"brier": 0.05, "roc_auc": 0.05}},
            decide_on="bound",
        ),
        champion=predictions(TEST, 0.25, "0d", "weight"),
        features=_leaking(),
    ),
}


def _scores(table: pd.DataFrame) -> np.ndarray:
    return table["chance"].to_numpy(dtype="float64")


PROFILE = build_profile(TRAIN, SCHEMA, Drift(), HeldOut(_scores(TEST), TEST[TARGET].to_numpy(dtype="float64")))
TONIGHT = applicants(500, 20_001)
MOVED = TONIGHT.assign(
    income=TONIGHT["income"] * 0.8,
    grade=TONIGHT["grade"].where(spread(0.1, 500) > 0.06, "d").where(spread(0.3, 500) > 0.02, "e"),
    late=TONIGHT["late"].where(spread(0.7, 500) > 0.2),
    default=np.where(spread(0.9, 500) < 0.3, 1.0, TONIGHT[TARGET]),
)
COMPARED = ["income", "grade", "late", "sex", "age", "region"]
DRIFTS: dict[str, Callable[[], Document]] = {
    "a night like the others": lambda: measure_against_profile(
        PROFILE, TONIGHT, scores=_scores(TONIGHT), model="c1" * 32, target=TARGET, note="as ever"
    ),
    "a night on which much moved": lambda: measure_against_profile(
        PROFILE, MOVED, scores=np.sqrt(_scores(MOVED)), target=TARGET
    ),
    "a rule that overlooks nothing": lambda: measure_against_profile(
        PROFILE,
        MOVED.assign(income=TONIGHT["income"] * 0.97, late=TONIGHT["late"].where(spread(0.7, 500) > 0.012)),
        scores=_scores(MOVED),
        target=TARGET,
        rule=DriftRule(0.0, 0.005, 0.4, 0.3, 50, 0.005),
    ),
    "neither scores nor labels": lambda: measure_against_profile(PROFILE, MOVED),
    "too few rows": lambda: measure_against_profile(
        PROFILE, MOVED.head(150), scores=_scores(MOVED.head(150)), target=TARGET
    ),
    "two tables": lambda: measure_tables(
        source_of_frame(TRAIN[COMPARED], "before.csv"),
        in_memory(source_of_frame(MOVED[COMPARED], "after.csv")),
        Drift.model_validate({"bins": 6, "effect_floor": 0.05, "family_error": 0.2}),
        note="by hand",
    ),
    "two tables that are alike": lambda: measure_tables(
        source_of_frame(TRAIN[["income", "late"]], "before.csv"),
        in_memory(source_of_frame(TRAIN[["late", "income"]], "after.csv")),
        Drift(),
    ),
}


# Verdicts that let through, which are read after each of many changes.
READ = (
    "everything that a pass may hold",
    "everything that a pass by the bound may hold",
    "a champion nearly as good, by the bound",
    "the model unchanged",
    "under an exception to the policy",
    "a table without keys",
)


def decision(name: str) -> Any:
    """One document, or the checks of one kind, as JSON with numbers of `DIGITS` significant digits."""
    if name in CHECKS:
        return _rounded({"checks": checks_of(name)})
    return _rounded(json.loads({**GATES, **DRIFTS}[name]().to_bytes()))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _text(record: dict[str, Any]) -> str:
    """JSON with a line for each entry of a document's lists, so that a difference shows what differs."""
    documents = []
    for name, document in record.items():
        fields = [f"    {json.dumps(key)}: {_entries(value)}" for key, value in document.items()]
        documents.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(fields) + "\n  }")
    return "{\n" + ",\n".join(documents) + "\n}\n"


def _entries(value: Any) -> str:
    if not isinstance(value, list) or not value or isinstance(value[0], str):
        return json.dumps(value, ensure_ascii=False)
    inner = ",\n".join(f"      {json.dumps(one, ensure_ascii=False)}" for one in value)
    return f"[\n{inner}\n    ]"


if __name__ == "__main__":
    decisions = {name: decision(name) for name in (*GATES, *DRIFTS, *CHECKS)}
    readings = {f"{READING}{name}": reading(decisions[name]) for name in READ}
    RECORD.write_text(_text({**decisions, **readings}))
