"""The one rule by which a pass is believed: every way to say pass without one is refused."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace
from verdicts import CHAMPION, COMPARED, DIGEST, FAIRNESS, check, verdict

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.gate_check import EXCEPTION, Check
from lockgate.documents.gate_json import AcceptedException, ErrorRates, Estimate, GateResult, Reuse, SliceRow, Slices

BELIED = "with numbers that do not"
UNKNOWN = "is none that a gate makes"
FLOOR = check()
DIFFERENCE, CHAMPIONS_DIRECTION = COMPARED
WARNING = Check("rows shared by train and test", "leakage", value=0.1, op="<=", threshold=0.0, status="warn")

EVENT_RATE = Check("event rate against training", "event-rate", value=1.1, op="<=", threshold=4.0, status="pass")
DATES = Check("rows dated in the future", "dates", value=0.0, op="<=", threshold=0.0, status="pass")
SLOPE = Check("calibration slope", "calibration", "calibration_slope", None, 1.2, 0.9, 1.5, "=", 1.0, "pass")


def passing(*checks: Check, **changes: Any) -> GateResult:
    """A pass that compares with CHAMPION."""
    return verdict("pass", *(checks or (FLOOR, *COMPARED, FAIRNESS)), **{"champion": CHAMPION, **changes})


def with_check(name: str, /, **changes: Any) -> GateResult:
    """That pass with one check changed."""
    whole = passing()
    assert name in [check.name for check in whole.checks]
    return replace(
        whole, checks=tuple(replace(check, **changes) if check.name == name else check for check in whole.checks)
    )


ACCEPTED = AcceptedException("the bureau changed its score", "the model risk committee", "2026-12-31")
HOLDS = Check(EXCEPTION, "exception", status="pass", reason=ACCEPTED.sentence)


def test_a_pass_for_this_model_is_believed() -> None:
    for fine in (
        passing(),
        passing(FLOOR, *COMPARED, HOLDS, exception=ACCEPTED),
        verdict("pass", FLOOR),
        verdict("pass", FLOOR, first_model=True),
        passing(FLOOR, Check("champion", "champion", reason="model unchanged"), champion=DIGEST),
        verdict(
            "pass", check(kind="ceiling", metric="brier", name="brier ceiling", op="<=", value=0.1, low=0.1, high=0.2)
        ),
        passing(FLOOR, DIFFERENCE, CHAMPIONS_DIRECTION, *_shown_only("pr_auc", "brier")),
        verdict("pass", FLOOR, EVENT_RATE, DATES, SLOPE, WARNING),
    ):
        assert fine.contradiction is None
        fine.require_pass(DIGEST, "gate.json")


def _shown_only(*metrics: str) -> list[Check]:
    return [
        replace(DIFFERENCE, name=f"{metric} champion", metric=metric, op="", threshold=None, status="not-applicable")
        for metric in metrics
    ]


def test_a_pass_for_another_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"gate\.json is a verdict on another model than ffffffffffff"):
        verdict("pass", FLOOR).require_pass("f" * 64, "gate.json")


INCONCLUSIVE = verdict("inconclusive", check("inconclusive", low=0.69), decide_on="bound")


@pytest.mark.parametrize("result", [verdict("block", check("block", value=0.6)), INCONCLUSIVE])
def test_what_is_no_pass_is_refused(result: GateResult) -> None:
    words = rf"^gate\.json says {result.verdict}, not pass; run `lockgate gate` again$"
    with pytest.raises(GateBlockedError, match=words):
        result.require_pass(DIGEST, "gate.json")


@pytest.mark.parametrize(
    ("result", "why"),
    [
        # The statuses
        (passing(FLOOR, replace(FLOOR, status="block")), "beside the check `roc_auc floor`, which says block"),
        (passing(INCONCLUSIVE.checks[0], decide_on="bound", champion=None), "but its checks add up to inconclusive"),
        (passing(FLOOR, DIFFERENCE, CHAMPIONS_DIRECTION, FAIRNESS, verdict="inconclusive"), "add up to pass"),
        (verdict("pass"), "no check that could decide"),
        (verdict("pass", WARNING), "no check that could decide"),
        (passing(FLOOR, stale=("the predictions are of another model",), champion=None), "stale predictions"),
        # The test set
        (replace(passing(), n=0, positives=0), "on 0 rows with 0 positives"),
        (replace(passing(), positives=0), "5,000 rows with 0 positives"),
        (replace(passing(), positives=5000), "5,000 rows with 5,000 positives"),
        (replace(passing(), n=10**9), "`rows` is none"),
        (replace(passing(), confidence=1.0), "confidence 1"),
        (with_check("rows", value=4999), UNKNOWN),
        (with_check("rows", threshold=1.0), UNKNOWN),
        (with_check("rows", threshold=200.5), UNKNOWN),
        (with_check("rows", threshold=5001), BELIED),
        (with_check("rows", op="<="), UNKNOWN),
        (with_check("rows", metric="roc_auc"), UNKNOWN),
        (with_check("rows", name="lines"), UNKNOWN),
        (with_check("rows of the rarer class", value=3897), UNKNOWN),
        # Which checks there are
        *(
            (replace(passing(), checks=tuple(one for one in passing().checks if one.name != name)), f"lacks the check `{name}`")
            for name in ("rows", "rows of the rarer class", "ranking direction")
        ),
        (
            replace(passing(), checks=tuple(one for one in passing().checks if one.name != "leakage")),
            "lacks the check `rows shared by train and test`",
        ),
        (passing(FLOOR, FLOOR, *COMPARED), "holds the check `roc_auc floor` twice"),
        # Floors and ceilings
        (with_check("roc_auc floor", value=0.69, low=0.6), BELIED),
        (with_check("roc_auc floor", value=None, low=None, high=None), BELIED),
        (with_check("roc_auc floor", threshold=0.79), BELIED),
        (with_check("roc_auc floor", status="not-applicable"), BELIED),
        (replace(with_check("roc_auc floor", low=0.69), decide_on="bound"), BELIED),
        (with_check("roc_auc floor", threshold=None), UNKNOWN),
        (with_check("roc_auc floor", threshold=-0.1), UNKNOWN),
        (with_check("roc_auc floor", op="<="), UNKNOWN),
        (with_check("roc_auc floor", op=""), UNKNOWN),
        (with_check("roc_auc floor", value=1.5, high=1.6), UNKNOWN),
        (with_check("roc_auc floor", low=0.781), UNKNOWN),
        (with_check("roc_auc floor", high=0.779), UNKNOWN),
        (with_check("roc_auc floor", high=None), UNKNOWN),
        (with_check("roc_auc floor", metric="brier", name="brier floor"), UNKNOWN),
        (with_check("roc_auc floor", metric="a_metric_of_nobody", name="a_metric_of_nobody floor"), UNKNOWN),
        (with_check("roc_auc floor", name="roc_auc bar"), UNKNOWN),
        (with_check("roc_auc floor", slice="sex = f"), UNKNOWN),
        (with_check("roc_auc floor", confidence=0.5), UNKNOWN),
        (with_check("roc_auc floor", kind="ceiling", name="roc_auc ceiling"), UNKNOWN),
        # An exception to the policy
        (passing(exception=ACCEPTED), "lacks the check `exception to the policy`"),
        (passing(FLOOR, *COMPARED, HOLDS), UNKNOWN),
        (passing(FLOOR, *COMPARED, replace(HOLDS, name="exception"), exception=ACCEPTED), UNKNOWN),
        (passing(FLOOR, *COMPARED, replace(HOLDS, value=1.0), exception=ACCEPTED), UNKNOWN),
        (passing(FLOOR, *COMPARED, replace(HOLDS, metric="roc_auc"), exception=ACCEPTED), UNKNOWN),
        (passing(FLOOR, *COMPARED, replace(HOLDS, status="not-applicable"), exception=ACCEPTED), BELIED),
        # The champion
        (with_check("roc_auc champion", low=-0.011), BELIED),
        (with_check("roc_auc champion", threshold=0.01), UNKNOWN),
        (with_check("roc_auc champion", low=None, high=None), BELIED),
        (with_check("roc_auc champion", value=None), UNKNOWN),
        (with_check("roc_auc champion", value=1.1, high=1.2), UNKNOWN),
        (with_check("roc_auc champion", op="<="), UNKNOWN),
        (with_check("roc_auc champion", metric="gini"), UNKNOWN),
        (with_check("roc_auc champion", confidence=None), UNKNOWN),
        (with_check("roc_auc champion", confidence=1.0), UNKNOWN),
        (passing(FLOOR), "names a champion that no check compares with"),
        (passing(champion=None), "a champion that it does not name"),
        (passing(FLOOR, CHAMPIONS_DIRECTION, champion=None), "a champion that it does not name"),
        (passing(first_model=True), "the first one, and names a champion"),
        (passing(champion=DIGEST), "compares the model with itself"),
        (
            verdict("pass", FLOOR, operating=(ErrorRates("champion", "roc_auc", 0.1, None, 0.1, 0.1, 0.1, 0.1),)),
            "error rates of a comparison with a champion that it does not name",
        ),
        # What describes
        (with_check("adverse impact ratio", status="pass"), BELIED),
        (with_check("adverse impact ratio", status="not-applicable"), BELIED),
        (with_check("adverse impact ratio", value=1.2, high=1.3), UNKNOWN),
        (with_check("adverse impact ratio", op="<="), UNKNOWN),
        (with_check("adverse impact ratio", threshold=1.1), UNKNOWN),
        (with_check("adverse impact ratio", slice=None), UNKNOWN),
        (with_check("adverse impact ratio", confidence=0.9), UNKNOWN),
        (with_check("adverse impact ratio", name="equal opportunity difference"), UNKNOWN),
        (with_check("ranking direction", value=0.4, low=0.3, high=0.49), BELIED),
        (with_check("ranking direction", threshold=0.1), UNKNOWN),
        (with_check("ranking direction", high=None, low=None), UNKNOWN),
        (with_check("leakage", status="pass"), BELIED),
        (verdict("pass", FLOOR, replace(WARNING, status="pass")), BELIED),
        (verdict("pass", FLOOR, replace(WARNING, status="not-applicable")), BELIED),
        (verdict("pass", FLOOR, replace(WARNING, value=0.4, threshold=0.5, status="pass")), UNKNOWN),
        (verdict("pass", FLOOR, replace(WARNING, value=0.6)), UNKNOWN),
        (verdict("pass", FLOOR, replace(WARNING, value=None, op="", threshold=None, status="not-applicable")), BELIED),
        (verdict("pass", FLOOR, replace(WARNING, name="strongest single feature", metric="roc_auc")), UNKNOWN),
        (verdict("pass", FLOOR, replace(EVENT_RATE, value=5.0)), BELIED),
        (verdict("pass", FLOOR, replace(EVENT_RATE, value=0.5)), UNKNOWN),
        (verdict("pass", FLOOR, replace(EVENT_RATE, threshold=1.0)), UNKNOWN),
        (verdict("pass", FLOOR, replace(DATES, value=1.0)), BELIED),
        (verdict("pass", FLOOR, replace(DATES, value=1.0, threshold=9.0)), UNKNOWN),
        (verdict("pass", FLOOR, replace(SLOPE, low=1.1)), BELIED),
        (verdict("pass", FLOOR, replace(SLOPE, threshold=1.2)), UNKNOWN),
        (verdict("pass", FLOOR, replace(SLOPE, metric="calibration_intercept")), UNKNOWN),
        # How far it can be relied on
        (passing(test_set=Reuse("b2" * 32, 3, 2, 0.02, False)), "miscounts"),
        (passing(test_set=Reuse("b2" * 32, 0, 2, 0.02, False)), "miscounts"),
    ],
)  # fmt: skip
def test_a_pass_that_its_own_checks_do_not_bear_out_is_refused(result: GateResult, why: str) -> None:
    assert why in str(result.contradiction)
    with pytest.raises(GateBlockedError, match=r"^gate\.json is not believed: .*; run `lockgate gate` again$"):
        result.require_pass(DIGEST, "gate.json")


STRONGEST = Check("strongest single feature", "leakage", "roc_auc", None, 0.9, op="<=", threshold=0.98, status="pass")
EXPECTED = replace(STRONGEST, name="feature expected to be strong", slice="late", value=0.99, status="not-applicable")
UNAVAILABLE = Check("features unavailable at the decision", "leakage", value=0.0, op="<=", threshold=0.0, status="pass")
# With features there is no check that says that there are none.
WITH_FEATURES = (replace(WARNING, value=0.0, status="pass"), STRONGEST, UNAVAILABLE, EVENT_RATE, DATES)


def with_features(name: str, /, **changes: Any) -> GateResult:
    """A pass on a model whose features were looked at, with one check changed or added."""
    checks = {check.name: check for check in verdict("pass", FLOOR, *WITH_FEATURES).checks if check.name != "leakage"}
    checks[name] = replace({**checks, EXPECTED.name: EXPECTED}[name], **changes)
    return verdict("pass", checks=tuple(checks.values()))


def fairness(**changes: Any) -> GateResult:
    return passing(FLOOR, *COMPARED, replace(FAIRNESS, **changes))


def slope(**changes: Any) -> GateResult:
    return verdict("pass", FLOOR, replace(SLOPE, **changes))


def unchanged(**changes: Any) -> GateResult:
    """A pass of the model that is champion already."""
    return passing(FLOOR, replace(Check("champion", "champion"), **changes), champion=DIGEST)


def reused(models: int, supported: int | None, exhausted: bool) -> GateResult:
    return passing(test_set=Reuse("b2" * 32, models, supported, 0.02, exhausted))


rows, rarer = partial(with_check, "rows"), partial(with_check, "rows of the rarer class")
floor, champion = partial(with_check, "roc_auc floor"), partial(with_check, "roc_auc champion")
direction, no_features = partial(with_check, "ranking direction"), partial(with_check, "leakage")
shared, strongest = partial(with_features, WARNING.name), partial(with_features, STRONGEST.name)
expected, unavailable = partial(with_features, EXPECTED.name), partial(with_features, UNAVAILABLE.name)
event_rate, dates = partial(with_features, EVENT_RATE.name), partial(with_features, DATES.name)
UNKNOWABLE: dict[str, Any] = {"value": None, "threshold": None, "op": ""}
NO_RATE: dict[str, Any] = {"value": None, "low": None, "high": None, "interval": None, "confidence": None}


GAP: dict[str, Any] = {
    "name": "equal opportunity difference", "metric": "equal_opportunity_difference", "op": "<=", "threshold": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("at_the_edge", "beyond", "why"),
    [
        # Rows and the rarer class
        (rows(threshold=2.0), rows(threshold=1.0), UNKNOWN),
        (rows(threshold=5000.0), rows(threshold=5001.0), BELIED),
        (rarer(threshold=1.0), rarer(threshold=0.0), UNKNOWN),
        (rows(), rows(name="lines", value=1, threshold=1.0), UNKNOWN),
        (rows(), rows(name="lines", value=-1, threshold=0.0), UNKNOWN),
        (rows(), rows(confidence=0.9), UNKNOWN),
        (rows(), rows(slice="sex = f"), UNKNOWN),
        (rows(), rows(interval="ok"), UNKNOWN),
        (rows(), rows(threshold=None), UNKNOWN),
        (rows(), rows(low=4999, high=5001), UNKNOWN),
        (rows(), rows(status="warn"), BELIED),
        # Floors and ceilings
        (floor(threshold=0.78), floor(threshold=0.7801), BELIED),
        (floor(threshold=0.0), floor(threshold=-0.001), UNKNOWN),
        (floor(value=1.0, high=1.0), floor(value=1.001, high=1.001), UNKNOWN),
        (floor(low=0.0), floor(low=-0.001), UNKNOWN),
        (floor(low=0.78, high=0.78), floor(low=0.7801), UNKNOWN),
        (floor(low=0.78, interval="small-class"), floor(low=0.8), UNKNOWN),
        (floor(low=0.785, interval="biased"), floor(low=0.785), UNKNOWN),
        (floor(low=None, high=None), floor(low=None), UNKNOWN),
        (replace(floor(low=0.7), decide_on="bound"), replace(floor(low=0.699), decide_on="bound"), BELIED),
        # The champion
        (champion(low=-0.01), champion(low=-0.0101), BELIED),
        (champion(threshold=0.0, low=0.0), champion(threshold=0.001, low=0.001), UNKNOWN),
        (champion(threshold=-1.0), champion(threshold=-1.001), UNKNOWN),
        (champion(value=1.0, low=-0.01, high=1.0), champion(value=1.001, low=-0.01, high=1.001), UNKNOWN),
        (champion(confidence=0.001), champion(confidence=0.0), UNKNOWN),
        (champion(confidence=0.999), champion(confidence=1.0), UNKNOWN),
        (champion(), champion(slice="sex = f"), UNKNOWN),
        (champion(), champion(name="pr_auc champion"), UNKNOWN),
        (champion(), champion(status="warn"), BELIED),
        (
            replace(champion(low=-0.02, status="inconclusive"), decide_on="bound", verdict="inconclusive"),
            replace(champion(low=None, high=None, status="inconclusive"), decide_on="bound", verdict="inconclusive"),
            BELIED,
        ),
        (
            passing(FLOOR, *COMPARED, *_shown_only("brier")),
            passing(FLOOR, *COMPARED, replace(_shown_only("brier")[0], status="warn")),
            BELIED,
        ),
        (unchanged(), unchanged(value=0.1), UNKNOWN),
        (unchanged(), unchanged(name="a champion"), UNKNOWN),
        (unchanged(), unchanged(status="pass"), BELIED),
        # Fairness
        (fairness(value=0.8, high=0.9, status="pass"), fairness(value=0.7999, high=0.9, status="pass"), BELIED),
        (fairness(value=0.0, low=0.0), fairness(value=-0.001, low=-0.001), UNKNOWN),
        (fairness(value=1.0, high=1.2, status="pass"), fairness(value=1.001, high=1.2, status="pass"), UNKNOWN),
        (fairness(threshold=1.0), fairness(threshold=1.001), UNKNOWN),
        (fairness(threshold=0.0, status="pass"), fairness(threshold=-0.001, status="pass"), UNKNOWN),
        (fairness(confidence=0.95), fairness(confidence=0.949), UNKNOWN),
        (fairness(confidence=0.999), fairness(confidence=1.0), UNKNOWN),
        (fairness(), fairness(confidence=None), UNKNOWN),
        (fairness(), fairness(low=None, high=None), UNKNOWN),
        (fairness(), fairness(threshold=None), UNKNOWN),
        (fairness(), fairness(metric="roc_auc"), UNKNOWN),
        (fairness(low=-1.0), fairness(low=-1.001), UNKNOWN),
        (fairness(**NO_RATE, status="not-applicable"), fairness(**NO_RATE, status="pass"), BELIED),
        (
            fairness(**NO_RATE, status="not-applicable"),
            fairness(value=None, low=None, high=None, interval=None, status="not-applicable"),
            UNKNOWN,
        ),
        (
            fairness(**GAP, value=0.1, low=0.05, high=0.15, status="pass"),
            fairness(**GAP, value=0.2, low=0.1, high=0.3, status="pass"),
            BELIED,
        ),
        (fairness(**GAP, value=0.2, low=0.1, high=0.3), fairness(**{**GAP, "op": ">="}, value=0.2, low=0.1, high=0.3), UNKNOWN),
        (
            replace(fairness(low=0.6, high=0.79, status="warn"), decide_on="bound"),
            replace(fairness(low=0.6, high=0.79, status="pass"), decide_on="bound"),
            BELIED,
        ),
        (
            replace(fairness(threshold=0.7, value=0.75, low=0.7, status="pass"), decide_on="bound"),
            replace(fairness(threshold=0.7, value=0.75, low=0.69, status="pass"), decide_on="bound"),
            BELIED,
        ),
        # Direction
        (direction(value=0.4, low=0.3, high=0.5), direction(value=0.4, low=0.3, high=0.4999), BELIED),
        (direction(value=1.0, low=0.0, high=1.0), direction(value=1.001, low=0.0, high=1.001), UNKNOWN),
        (direction(), direction(op="<="), UNKNOWN),
        (direction(), direction(metric="gini"), UNKNOWN),
        (direction(), direction(slice="sex = f"), UNKNOWN),
        (direction(), direction(confidence=0.9), UNKNOWN),
        (direction(), direction(value=None), UNKNOWN),
        (direction(), direction(status="not-applicable"), BELIED),
        # Leakage, the event rate and dates
        (no_features(), no_features(threshold=0.0), UNKNOWN),
        (no_features(), no_features(metric="roc_auc"), UNKNOWN),
        (strongest(), strongest(value=0.9801), BELIED),
        (strongest(value=0.98), strongest(value=1.001), UNKNOWN),
        (strongest(value=0.5), strongest(value=0.4999), UNKNOWN),
        (strongest(value=1.0, status="warn"), strongest(threshold=0.5, value=0.5), UNKNOWN),
        (strongest(), strongest(metric=None), UNKNOWN),
        (strongest(), strongest(slice="late"), UNKNOWN),
        (strongest(), strongest(op=">="), UNKNOWN),
        (strongest(), strongest(confidence=0.9), UNKNOWN),
        (strongest(), strongest(interval="ok"), UNKNOWN),
        (strongest(), strongest(low=0.9, high=0.9), UNKNOWN),
        (strongest(**UNKNOWABLE, status="not-applicable"), strongest(**UNKNOWABLE, status="warn"), BELIED),
        (strongest(**UNKNOWABLE, status="not-applicable"), strongest(value=None, op="", status="not-applicable"), UNKNOWN),
        (
            strongest(**UNKNOWABLE, status="not-applicable"),
            strongest(value=None, threshold=None, status="not-applicable"),
            UNKNOWN,
        ),
        (expected(value=0.5), expected(value=0.4999), UNKNOWN),
        (expected(value=1.0), expected(status="pass"), BELIED),
        (expected(), expected(slice=None), UNKNOWN),
        (shared(value=0.5, status="warn"), shared(value=0.5001, status="warn"), UNKNOWN),
        (shared(value=1.0, threshold=0.5, status="warn"), shared(value=1.001, threshold=0.5, status="warn"), UNKNOWN),
        (shared(**UNKNOWABLE, status="warn"), shared(**UNKNOWABLE, status="not-applicable"), BELIED),
        (strongest(), shared(value=0.0, threshold=0.5), UNKNOWN),
        (unavailable(value=2.0, status="warn"), unavailable(value=1.0), BELIED),
        (strongest(), unavailable(value=-1.0), UNKNOWN),
        (event_rate(value=4.0), event_rate(value=4.001), BELIED),
        (event_rate(value=1.0), event_rate(value=0.999), UNKNOWN),
        (event_rate(value=1.0, threshold=1.001), event_rate(value=1.0, threshold=1.0), UNKNOWN),
        (strongest(), event_rate(op=">="), UNKNOWN),
        (strongest(), event_rate(metric="roc_auc"), UNKNOWN),
        (event_rate(**UNKNOWABLE, status="not-applicable"), event_rate(value=None, op="", status="not-applicable"), UNKNOWN),
        (event_rate(**UNKNOWABLE, status="not-applicable"), event_rate(**UNKNOWABLE, status="pass"), BELIED),
        (strongest(), dates(op=">="), UNKNOWN),
        (strongest(), dates(threshold=1.0), UNKNOWN),
        (strongest(), dates(value=0.5), BELIED),
        (strongest(), dates(value=-1.0), UNKNOWN),
        (strongest(), dates(metric="roc_auc"), UNKNOWN),
        (dates(**UNKNOWABLE, status="not-applicable"), dates(**UNKNOWABLE, status="warn"), BELIED),
        (dates(**UNKNOWABLE, status="not-applicable"), dates(value=None, op="", status="not-applicable"), UNKNOWN),
        # Calibration
        (slope(low=1.0), slope(low=1.0001), BELIED),
        (slope(value=0.9, low=0.8, high=1.0), slope(value=0.9, low=0.8, high=0.9999), BELIED),
        (slope(), slope(op="<="), UNKNOWN),
        (slope(), slope(slice="sex = f"), UNKNOWN),
        (slope(), slope(confidence=0.9), UNKNOWN),
        (slope(), slope(name="slope"), UNKNOWN),
        (slope(low=None, high=None, status="not-applicable"), slope(low=None, high=None), BELIED),
        (slope(value=None, status="not-applicable"), slope(value=None, status="warn"), BELIED),
        # How far it can be relied on
        (reused(2, 2, False), reused(2, 2, True), "miscounts"),
        (reused(1, None, False), reused(1, None, True), "miscounts"),
        (reused(3, 2, True), reused(0, 2, False), "miscounts"),
    ],
)  # fmt: skip
def test_what_lies_at_an_edge_is_believed_and_what_lies_beyond_is_not(
    at_the_edge: GateResult, beyond: GateResult, why: str
) -> None:
    assert at_the_edge.contradiction is None
    assert why in str(beyond.contradiction)


SLICE_ROW = SliceRow("sex = f", 3000, 600, 0.2, 0.21, None, {"roc_auc": Estimate(0.75, 0.7, 0.79, "ok")})
SLICES = Slices(30, 1, 0.95, "sex = f", (SLICE_ROW,))
SLICE = Check("roc_auc slice", "slice", "roc_auc", "sex = f", 0.75, 0.7, 0.79, ">=", 0.78, "pass", "", "ok", 0.95)
SLICE_FLOOR = replace(SLICE, name="roc_auc slice floor", threshold=0.74)


@pytest.mark.parametrize(
    ("changes", "slices", "why"),
    [
        ({}, SLICES, None),
        ({"threshold": 0.79}, SLICES, None),
        ({"threshold": 0.791, "status": "warn"}, SLICES, None),
        ({"threshold": 0.791}, SLICES, BELIED),
        ({"value": 0.76}, SLICES, UNKNOWN),
        ({"low": 0.71}, SLICES, UNKNOWN),
        ({"confidence": 0.9}, SLICES, UNKNOWN),
        ({"op": "<="}, SLICES, UNKNOWN),
        ({"metric": "brier", "name": "brier slice"}, SLICES, UNKNOWN),
        ({"threshold": 1.1, "status": "warn"}, SLICES, UNKNOWN),
        ({}, None, UNKNOWN),
        ({}, replace(SLICES, rows=(replace(SLICE_ROW, slice="sex = m"),)), UNKNOWN),
        ({}, replace(SLICES, compared=2), "not as many as their intervals are made for"),
        ({"confidence": 0.99}, replace(SLICES, confidence_each=0.99), "not as many as their intervals are made for"),
        ({}, replace(SLICES, rows=(replace(SLICE_ROW, n=5001),)), "more rows than there are"),
        ({}, replace(SLICES, rows=(replace(SLICE_ROW, positives=3001),)), "more rows than there are"),
    ],
)
def test_a_slice_says_what_its_row_says(changes: dict[str, Any], slices: Slices | None, why: str | None) -> None:
    result = verdict("pass", FLOOR, replace(SLICE, **changes), slices=slices)
    assert result.contradiction is None if why is None else why in str(result.contradiction)


@pytest.mark.parametrize(
    ("threshold", "decide_on", "status"),
    [
        (0.70, "bound", "pass"),
        (0.71, "bound", "inconclusive"),
        (0.75, "point", "pass"),
        (0.76, "point", "warn"),
        (0.80, "point", "block"),
    ],
)
def test_a_slice_floor_has_the_one_status_that_its_numbers_give(threshold: float, decide_on: str, status: str) -> None:
    for claimed in ("pass", "warn", "inconclusive", "not-applicable"):
        check = replace(SLICE_FLOOR, threshold=threshold, status=claimed)
        stated = "inconclusive" if claimed == "inconclusive" else "pass"
        result = verdict(stated, FLOOR, check, slices=SLICES, decide_on=decide_on)
        assert (result.contradiction is None) == (claimed == status), claimed


def test_a_loss_may_be_higher_by_the_margin() -> None:
    loss = replace(DIFFERENCE, metric="brier", name="brier champion", op="<=", threshold=0.01)
    assert passing(FLOOR, loss, CHAMPIONS_DIRECTION).contradiction is None
    worse = replace(loss, high=0.011)
    assert BELIED in str(passing(FLOOR, worse, CHAMPIONS_DIRECTION).contradiction)


def test_inconclusive_beside_a_block_is_not_believed_and_a_block_always_is() -> None:
    assert verdict("inconclusive", check("block")).contradiction is not None
    assert INCONCLUSIVE.contradiction is None
    assert verdict("block").contradiction is None


def test_a_verdict_in_few_bytes_is_none() -> None:
    content = {"model": DIGEST, "verdict": "pass", "checks": [{"kind": "champion", "status": "pass"}]}
    with pytest.raises(InputError, match="lacks the key"):
        GateResult.read(json.dumps(content).encode(), "gate.json")


def test_nothing_stands_after_the_verdict() -> None:
    with pytest.raises(InputError, match="is not valid JSON"):
        GateResult.read(verdict("pass", FLOOR).to_bytes() + b"{}", "gate.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "PASS"}, r"`\$\.verdict`"),
        ({"verdict": None}, r"`\$\.verdict`"),
        ({"model": "a1"}, r"`\$\.model`"),
        ({"checks": [{"name": "x"}]}, r"lacks the key `\$\.checks\[0\]\.kind`"),
        ({"vardict": "pass"}, "did you mean `verdict`"),
        ({"schema": 2}, "a newer Lockgate wrote it"),
    ],
)
def test_what_is_no_gate_json_says_nothing(change: dict[str, Any], words: str) -> None:
    content = json.loads(verdict("pass", check()).to_bytes()) | change
    with pytest.raises(InputError, match=words):
        GateResult.read(json.dumps(content).encode(), "gate.json")


def test_a_key_that_is_missing_says_nothing() -> None:
    whole = json.loads(verdict("pass", check()).to_bytes())
    for key in whole:
        content = {name: value for name, value in whole.items() if name != key}
        with pytest.raises(InputError, match=key):
            GateResult.read(json.dumps(content).encode(), "gate.json")
    del whole["checks"][0]["status"]
    with pytest.raises(InputError, match=r"lacks the key `\$\.checks\[0\]\.status`"):
        GateResult.read(json.dumps(whole).encode(), "gate.json")
