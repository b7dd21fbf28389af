"""The checks of each kind on evidence that is made for them: every status, every edge and every reason, without a bootstrap."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from msgspec.structs import astuple, replace
from verdicts import schema_of

from lockgate.config.errors import InputError
from lockgate.config.params import Evaluate, Gate
from lockgate.documents.gate_check import Check
from lockgate.gate.checks.calibration import calibration_checks
from lockgate.gate.checks.champion import beside_both, champion_checks, check_of_difference, compare_with_champion
from lockgate.gate.checks.dates import date_checks
from lockgate.gate.checks.direction import champion_direction, direction_checks
from lockgate.gate.checks.event_rate import event_rate_checks
from lockgate.gate.checks.exception import exception_checks
from lockgate.gate.checks.fairness import fairness_checks
from lockgate.gate.checks.groups import Group
from lockgate.gate.checks.leakage import leakage_checks
from lockgate.gate.checks.sample import sample_checks
from lockgate.gate.checks.slice import Slice, _comparison, _floor_check, slice_checks
from lockgate.gate.checks.threshold import ceiling_checks, floor_checks
from lockgate.gate.evidence import Evidence, Features, Policy
from lockgate.metrics.interval import Interval
from lockgate.model.predictions import Predictions

ROWS = 40
SCHEMA = replace(schema_of("y", x=(), c=("a", "b")), time_column="day")
STALE = ("one", "two")


def _spread(step: float) -> np.ndarray:
    return np.asarray(np.modf(np.arange(1, ROWS + 1) * step)[0])


SCORE, LUCK, WEIGHT = _spread(0.61803398875), _spread(0.75487766625), 0.5 + _spread(0.56984029099)
LABEL = (LUCK < SCORE).astype("int8")


def _predictions(
    score: np.ndarray = SCORE, model: str | None = "c1", weight: str | None = None, **columns: Any
) -> Predictions:
    table = pd.DataFrame({"row_key": np.arange(len(score)), "y_true": LABEL[: len(score)], "y_score": score})
    return Predictions(table.assign(weight=WEIGHT[: len(score)], **columns), model, "da", weight)


def _policy(evaluate: Mapping[str, Any] | None = None, **gate: Any) -> Policy:
    return Policy(Evaluate.model_validate(evaluate or {}), Gate.model_validate(gate))


def _evidence(found: Predictions | None = None, metrics: Mapping[str, float] | None = None, **rest: Any) -> Evidence:
    return Evidence(found or _predictions(), metrics or {}, **rest)


def _interval(value: float | None, low: float | None = None, high: float | None = None, status: str = "ok") -> Interval:
    return Interval(value, low, high, None, status)


# Floors and ceilings: the value and its interval at, above, below and around a threshold of 0.5.
ENDS = ((None, None), (0.4, 0.49), (0.4, 0.5), (0.45, 0.55), (0.5, 0.6), (0.51, 0.6), (None, 0.6), (0.4, None))


def _threshold_checks(decide_on: str) -> Iterable[Check]:
    policy = _policy({"floors": {"roc_auc": 0.5}, "ceilings": {"brier": 0.5}}, decide_on=decide_on)
    for value, (low, high) in product((0.49, 0.5, 0.51), ENDS):
        for status in ("ok", "biased", "small-class") if value == 0.5 else ("ok",):
            intervals = {name: _interval(value, low, high, status) for name in ("roc_auc", "brier")}
            seen = _evidence(metrics={"roc_auc": value, "brier": value}, intervals=intervals)
            yield from (*floor_checks(seen, policy), *ceiling_checks(seen, policy))


def _thresholds_that_nothing_meets() -> Iterable[Check]:
    policy = _policy({"floors": {"roc_auc": 0.5}, "ceilings": {"brier": 0.5}}, decide_on="bound")
    none = policy.evaluate.model_copy(update={"floors": {"roc_auc": float("nan")}, "ceilings": {"brier": float("nan")}})
    measured = {"roc_auc": 0.7, "brier": 0.1}
    for seen, asked in (
        (_evidence(), policy),
        (_evidence(metrics=dict.fromkeys(measured, float("nan"))), policy),
        (_evidence(metrics=measured), policy),
        (_evidence(metrics=measured, stale=STALE), policy),
        (_evidence(metrics=measured), Policy(none, policy.gate)),
    ):
        yield from (*floor_checks(seen, asked), *ceiling_checks(seen, asked))


def _calibrations() -> Iterable[Check]:
    for name, right in (("calibration_slope", 1.0), ("calibration_intercept", 0.0)):
        for found in (
            _interval(None, status="no-line"),
            _interval(right, status="none"),
            _interval(right, low=right - 1, status="one-end"),
            _interval(right, high=right + 1, status="one-end"),
            _interval(right + 0.1, right, right + 0.2),
            _interval(right - 0.1, right - 0.2, right),
            _interval(right + 0.2, right + 0.1, right + 0.3),
            _interval(right - 0.2, right - 0.3, right - 0.1),
        ):
            yield from calibration_checks(_evidence(intervals={name: found}), _policy())
    yield from calibration_checks(_evidence(intervals={"calibration_slope": _interval(1.0)}, stale=STALE), _policy())


def _differences() -> Iterable[Check]:
    rule = _policy(champion={"source": "file", "margins": {"roc_auc": 0.02, "brier": 0.01}, "confidence": 0.9})
    for metric, by_bound in product(("roc_auc", "pr_auc", "brier"), (True, False)):
        for value, low, high in (
            (0.0, -0.01, 0.01),
            (-0.01, -0.02, 0.0),
            (-0.01, -0.021, 0.011),
            (-0.03, -0.04, -0.02),
            (-0.03, -0.04, -0.021),
            (0.02, 0.0101, 0.03),
        ):
            yield check_of_difference(metric, _interval(value, low, high), rule.gate.champion, by_bound)
        for found in (
            _interval(None, status="one-class"),
            _interval(0.0, high=1.0, status="half"),
            _interval(0.0, low=0.0, status="half"),
            _interval(0.0, 0.0, 0.0, "identical-ranking"),
            _interval(0.0, 0.0, 0.0, "identical-scores"),
            _interval(0.0, 0.0, 0.0, "small-class"),
        ):
            yield check_of_difference(metric, found, rule.gate.champion, by_bound)
    check = check_of_difference("roc_auc", _interval(0.0, 0.0, 0.0), rule.gate.champion, True)
    for equal, alike in product((True, False), (None, 0.0, 0.98765)):
        yield beside_both(check, 0.76543, 0.75432, equal, alike)


def _champions() -> Iterable[Check]:
    other = _predictions(1 - SCORE, "0d")
    for source in ("none", "base", "registry", "file"):
        policy = _policy(champion={"source": source, "margins": {"roc_auc": 0.02}})
        for rest in ({}, {"first_model": True}, {"stale": STALE}):
            yield from champion_checks(_evidence(**rest), policy)
    policy = _policy(champion={"source": "file", "margins": {"roc_auc": 0.02}})
    yield from champion_checks(_evidence(champion=other, stale=STALE), policy)
    yield from compare_with_champion(_predictions(), _predictions(), policy)
    for weight, decide_on in product((None, "weight"), ("point", "bound")):
        asked = _policy(decide_on=decide_on, champion={"source": "file", "margins": {"roc_auc": 0.02}})
        for score in (SCORE, np.clip(SCORE + 0.2 * LABEL, 0, 1), 1 - SCORE):
            yield from compare_with_champion(_predictions(score, weight=weight), _predictions(model="0d"), asked)


def _other_rows(own: Predictions, other: Predictions) -> Callable[[], Iterable[Check]]:
    policy = _policy(champion={"source": "file", "margins": {"roc_auc": 0.02}})
    return lambda: compare_with_champion(own, other, policy)


OWN, OTHER = _predictions(), _predictions(model="0d")


def _another(**columns: Any) -> Predictions:
    return dataclasses.replace(OTHER, table=OTHER.table.assign(**columns))


def _without_keys(found: Predictions) -> Predictions:
    return dataclasses.replace(found, table=found.table.drop(columns="row_key"))


def _directions() -> Iterable[Check]:
    for found in (_interval(0.4, 0.3, 0.5), _interval(0.4, 0.3, 0.4999), _interval(0.6, 0.5, 0.7), _interval(None)):
        yield from direction_checks(_evidence(intervals={"roc_auc": found}), _policy())
        yield champion_direction(found)
    intervals = {"roc_auc": _interval(0.6, 0.5, 0.7)}
    for weight, confidence in ((None, 0.95), ("weight", 0.8)):
        policy = _policy({"confidence": confidence})
        for other in (_predictions(1 - SCORE, "0d"), _predictions()):
            seen = _evidence(_predictions(weight=weight), intervals=intervals, champion=other)
            yield from direction_checks(seen, policy)
    yield from direction_checks(_evidence(intervals=intervals, stale=STALE), _policy())


def _features(days: list[Any] | None = None, **rest: Any) -> Features:
    half = ROWS // 2
    table = pd.DataFrame(
        {
            "x": np.where(np.arange(ROWS) % 7 == 0, np.nan, np.round(SCORE + 0.5 * LUCK, 2)),
            "c": pd.Series(np.where(WEIGHT < 0.7, "a", np.where(WEIGHT < 1.3, "b", None)), dtype="str"),
            "y": LABEL,
        }
    )
    days = (["2026-01-01", "2026-11-30"] * half)[:ROWS] if days is None else (days * ROWS)[:ROWS]
    train = table.assign(x=table["x"] + 10, y=1 - LABEL)
    return Features(**{"schema": SCHEMA, "test": table.assign(day=days), "train": train, **rest})


def _dates() -> Iterable[Check]:
    last = date(2026, 11, 30)
    for features in (
        None,
        _features(),
        _features(latest=last),
        _features(["2026-11-30T23:59:59", "2026-12-01T00:30:00+01:00"], latest=last),
        _features(["2026-12-01", "2026-11-30", "2027-03-04"], latest=last),
        _features(["neither", "2026-11-30"], latest=last),
        _features([2099, 2100], latest=last),
        _features(schema=replace(SCHEMA, time_column=None), latest=last),
    ):
        yield from date_checks(_evidence(features=features), _policy())
    yield from date_checks(_evidence(features=_features(["2027-01-01"], latest=last), stale=STALE), _policy())


def _event_rates() -> Iterable[Check]:
    for positives in (0, 1, 10, 20, 30, 39, 40):
        train = pd.DataFrame({"y": np.arange(ROWS) < positives})
        for ratio in (1.5, 4.0):
            seen = _evidence(features=_features(train=train))
            yield from event_rate_checks(seen, _policy({"event_rate_ratio": ratio}))
    for rest in ({"features": None}, {"features": _features(train=None, why_no_train="they are gone")}):
        yield from event_rate_checks(_evidence(**rest), _policy())
    yield from event_rate_checks(_evidence(features=_features(), stale=STALE), _policy())


def _exceptions() -> Iterable[Check]:
    exception = {"reason": "the bureau changed its score", "approved_by": "the committee", "until": "2026-12-31"}
    for today in (None, date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1)):
        for policy in (_policy(), _policy(exception=exception)):
            yield from exception_checks(_evidence(today=today), policy)


def _samples() -> Iterable[Check]:
    policy = _policy(sample={"rows": 100, "per_class": 30})
    for rows, positives in ((100, 30), (99, 29), (100, 70), (100, 71), (5000, 4999), (0, 0)):
        seen = _evidence(metrics={"n": float(rows), "positives": float(positives)})
        yield from sample_checks(seen, policy)
    yield from sample_checks(_evidence(metrics={"n": 1.0, "positives": 0.0}, stale=STALE), policy)


def _leakages(**leakage: Any) -> Callable[[], Iterable[Check]]:
    def found() -> Iterable[Check]:
        known, half = _features(), ROWS // 2
        copied, trained = known.test.drop(columns="day"), pd.DataFrame(known.train)
        for features in (
            known,
            _features(train=None, why_no_train="they are gone", unavailable=("x", "c", "another")),
            _features(train=copied, unavailable=("c",)),
            _features(train=pd.concat([copied[: half + 1], trained[half + 1 :]])),
            _features(train=pd.concat([copied[:half], trained[half:]])),
            _features(test=known.test.assign(x=np.where(LABEL == 1, np.nan, SCORE))),
            _features(test=known.test.assign(x=-1.0 * LABEL)),
            _features(test=known.test.assign(x=np.nan)),
        ):
            for weight in (None, "weight"):
                seen = _evidence(_predictions(weight=weight), features=features)
                yield from leakage_checks(seen, _policy({"leakage": leakage}))
        yield from leakage_checks(_evidence(), _policy({"leakage": leakage}))
        yield from leakage_checks(_evidence(features=known, stale=STALE), _policy({"leakage": leakage}))

    return found


def _fairness(**evaluate: Any) -> Callable[[], Iterable[Check]]:
    def found() -> Iterable[Check]:
        groups = {
            "sex": np.where(LUCK < 0.5, "f", "m"),
            "region": np.array(["n", "s", "e", "w"])[(4 * WEIGHT - 2).astype(int)],
            "one": "same",
        }
        for decide_on, weight, score in (
            ("point", None, SCORE),
            ("bound", "weight", SCORE),
            ("bound", None, 0.5 * SCORE),
            ("point", "weight", np.full(ROWS, 0.9)),
        ):
            policy = _policy({"slice_minimum": 3, "confidence": 0.9, **evaluate}, decide_on=decide_on)
            seen = _evidence(
                _predictions(score, weight=weight, **groups), audit_columns=("sex", "region", "sex", "one")
            )
            yield from fairness_checks(seen, policy)
        yield from fairness_checks(_evidence(audit_columns=("sex",), stale=STALE), _policy())

    return found


def _slices() -> Iterable[Check]:
    whole = Group("region", "north", np.arange(9))
    for value, low, high in (
        (0.6, 0.5, 0.7),
        (0.6, 0.5, 0.6999),
        (0.7, 0.6, 0.8),
        (0.69, 0.6, 0.8),
        (0.8, 0.7, 0.9),
        (0.8, 0.71, 0.9),
        (0.0, 0.0, 0.8),
        (0.65, None, None),
        (0.75, None, None),
        (None, None, None),
    ):
        found = _interval(value, low, high, "ok" if low is not None else "one-class")
        part = Slice(whole, 9, 3, 0.99, 0.3, 0.3, {"roc_auc": found}, "")
        yield _comparison(part, "roc_auc", 0.7)
        for by_bound in (True, False):
            yield _floor_check(part, "roc_auc", 0.7, by_bound)


def _slices_of_columns() -> Iterable[Check]:
    columns = {
        "side": np.where(LUCK < 0.5, "l", "r"),
        "few": np.where(np.arange(ROWS) < 3, "one", "rest"),
        "number": SCORE,
    }
    metrics = {"roc_auc": 0.9, "pr_auc": 0.9, "brier": 0.2}
    for weight, decide_on in product((None, "weight"), ("point", "bound")):
        seen = _evidence(_predictions(weight=weight, **columns), metrics)
        for floors in ({}, {"pr_auc": 0.5}, {"roc_auc": 0.6}):
            asked = {"slices": ["side", "few", "number", "side"], "slice_minimum": 3, "slice_floors": floors}
            yield from slice_checks(seen, _policy(asked, decide_on=decide_on))
    yield from slice_checks(_evidence(_predictions(**columns), stale=STALE), _policy({"slices": ["side"]}))


CHECKS: dict[str, Callable[[], Iterable[Check]]] = {
    "floors and ceilings by the estimate": lambda: _threshold_checks("point"),
    "floors and ceilings by the bound": lambda: _threshold_checks("bound"),
    "floors and ceilings that nothing meets": _thresholds_that_nothing_meets,
    "calibration": _calibrations,
    "differences to the champion": _differences,
    "champions": _champions,
    "a champion without keys": _other_rows(OWN, _without_keys(OTHER)),
    "predictions without keys": _other_rows(_without_keys(OWN), OTHER),
    "a champion with a row twice": _other_rows(OWN, _another(row_key=OTHER.table["row_key"].replace(1, 0))),
    "a champion of other rows": _other_rows(OWN, _another(row_key=OTHER.table["row_key"] + 5)),
    "a champion of other labels": _other_rows(OWN, _another(y_true=1 - LABEL)),
    "a champion whose rows stand in another order": _other_rows(
        OWN, dataclasses.replace(OTHER, table=_another(y_score=WEIGHT / 2).table.iloc[::-1])
    ),
    "a champion without a margin": lambda: compare_with_champion(
        _predictions(), _predictions(model="0d"), _policy(champion={"source": "none", "margins": {}})
    ),
    "directions": _directions,
    "dates": _dates,
    "event rates": _event_rates,
    "exceptions": _exceptions,
    "sample": _samples,
    "leakage": _leakages(),
    "leakage that warns": _leakages(plain="warn", other="block", expected=["c"]),
    "leakage that is all expected": _leakages(expected=["x", "c", "x"]),
    "leakage of a feature that is none": _leakages(expected=["cc"]),
    "fairness": _fairness(),
    "fairness with limits": _fairness(
        fairness_limits={
            "adverse_impact_ratio": 0.7, "equal_opportunity_difference": 0.3, "false_positive_rate_difference": 0.9,
        }
    ),
    "fairness of named columns": _fairness(fairness=["one", "sex", "one"]),
    "fairness of a column that is not there": _fairness(fairness=["sexx"]),
    "a slice against the whole and against a floor": _slices,
    "slices": _slices_of_columns,
}  # fmt: skip


def checks_of(name: str) -> list[Any]:
    """Each check as the list of its fields, in their order; or the words of the refusal."""
    try:
        return [list(astuple(check)) for check in CHECKS[name]()]
    except InputError as refusal:
        return [str(refusal)]
