"""A check of gate.json: its kinds, what it is held against, the arithmetic of its status, and how it is believed.

`decided` is the status that a number has against a threshold, `decide` the verdict that statuses add up to. The gate makes
its checks by them. Whoever reads a pass makes them again: `_RULES` has for each kind whether a check is one that a gate makes,
and which statuses its numbers allow. "block" is never among those: a pass beside a check that blocks is refused before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isclose
from operator import ge, le
from typing import TYPE_CHECKING, Literal

from lockgate.config.metric_names import CUSTOMARY_FAIRNESS, FOR_CHAMPIONS, FOR_SLICES, IMPACT_RATIO, METRICS
from lockgate.documents.document import Name, Part, Sentence, Share, Word

if TYPE_CHECKING:
    from lockgate.documents.gate_json import GateResult

Verdict = Literal["pass", "block", "inconclusive"]
Status = Literal["pass", "block", "inconclusive", "warn", "not-applicable"]
Kind = Literal[
    "sample", "floor", "ceiling", "champion", "slice", "calibration", "fairness", "leakage", "direction", "event-rate",
    "dates", "exception",
]  # fmt: skip
Operator = Literal["", ">=", "<=", "="]

DECIDING: tuple[Kind, ...] = ("floor", "ceiling", "champion")  # a verdict rests on these: the others describe
STOPPING: tuple[Status, ...] = ("block", "inconclusive")
_HOLDS: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le}

# The checks of a kind by name, where a gate has no others.
ROWS = "rows"
RARER_CLASS = "rows of the rarer class"
SHARED_ROWS = "rows shared by train and test"
STRONGEST_FEATURE = "strongest single feature"
EXPECTED_FEATURE = "feature expected to be strong"
UNAVAILABLE_FEATURES = "features unavailable at the decision"
NO_FEATURES = "leakage"
DIRECTION = "ranking direction"
CHAMPION_DIRECTION = "ranking direction of the champion"
EVENT_RATE = "event rate against training"
FUTURE_DATES = "rows dated in the future"
EXCEPTION = "exception to the policy"
# What the kit holds a check against, whatever the policy.
MAX_SHARED_ROWS = 0.5
MAX_FEATURE_AUC = 0.98
RANDOM_AUC = 0.5
RIGHT_CALIBRATION: Mapping[str, float] = {"calibration_slope": 1.0, "calibration_intercept": 0.0}


def decided(value: float, low: float | None, high: float | None, op: str, threshold: float, by_bound: bool) -> Status:
    """Pass, block or inconclusive, of a value that must be `op` the threshold; `by_bound`: its whole interval must."""
    sign = 1 if op == ">=" else -1
    if not by_bound:
        return "pass" if sign * value >= sign * threshold else "block"
    if low is None or high is None:
        return "inconclusive"
    worst, best = (low, high) if op == ">=" else (high, low)
    if sign * worst >= sign * threshold:
        return "pass"
    return "block" if sign * best < sign * threshold else "inconclusive"


def decide(checks: Sequence[Check]) -> Verdict:
    """One block blocks; no threshold or champion that could decide is no verdict, and no verdict does not ship."""
    statuses = [check.status for check in checks]
    could_decide = any(check.kind in DECIDING and check.status in ("pass", "inconclusive") for check in checks)
    if "block" in statuses or not could_decide:
        return "block"
    return "inconclusive" if "inconclusive" in statuses else "pass"


class Check(Part, frozen=True):
    """One line of the verdict.

    `low` and `high` are the interval of `value`, None where not known; `interval` is its status: "ok" where its coverage
    is promised, else the reason why not; `confidence` is that coverage where it is not the policy's own.
    """

    name: Name
    kind: Kind
    metric: Word | None = None
    slice: Name | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    op: Operator = ""
    threshold: float | None = None
    status: Status = "not-applicable"
    reason: Sentence = ""
    interval: Word | None = None
    confidence: Share | None = None

    @property
    def margin(self) -> float | None:
        """How far the value is on the right side of its threshold, negative where on the wrong one; None: no side."""
        if self.value is None or self.threshold is None or self.op not in _HOLDS:
            return None
        return self.value - self.threshold if self.op == ">=" else self.threshold - self.value

    @property
    def straddles(self) -> bool:
        """Whether the threshold of a deciding check lies inside the interval, so that chance could have turned it."""
        if self.kind not in DECIDING or self.low is None or self.high is None or self.threshold is None:
            return False
        return self.low < self.threshold < self.high


def problem_of(check: Check, gate: GateResult) -> str | None:
    """What is wrong with a check of `gate`, or None."""
    is_ordered = check.low is None if check.high is None else check.low is not None and check.low <= check.high
    shape, allowed = _RULES[check.kind](check, gate)
    if not is_ordered or not shape:
        return f"its check `{check.name}` is none that a gate makes"
    if check.status not in allowed:
        return f"its check `{check.name}` says {check.status} with numbers that do not"
    return None


Rule = tuple[bool, tuple[Status, ...]]


def _sample(check: Check, gate: GateResult) -> Rule:
    counts = {ROWS: (gate.n, 2), RARER_CLASS: (min(gate.positives, gate.n - gate.positives), 1)}
    if check.name not in counts:
        return False, ()
    found, least = counts[check.name]
    threshold = _number(check.threshold)
    shape = _is_plain(check) and check.op == ">=" and check.value == found
    shape = shape and threshold >= least and threshold.is_integer()
    return shape, ("pass",) if found >= threshold else ()


def _floor(check: Check, gate: GateResult) -> Rule:
    return _threshold(check, gate, "higher", ">=")


def _ceiling(check: Check, gate: GateResult) -> Rule:
    return _threshold(check, gate, "lower", "<=")


def _threshold(check: Check, gate: GateResult, direction: str, op: Operator) -> Rule:
    metric = METRICS.get(check.metric or "")
    if metric is None or metric.direction != direction or check.name != f"{metric.name} {check.kind}":
        return False, ()
    limits = metric.valid_range
    shape = check.op == op and check.slice is None and check.confidence is None and _is_around(check, limits)
    shape = shape and check.threshold is not None and limits[0] <= check.threshold <= limits[1]
    if check.value is None or check.threshold is None:
        return shape, ()
    by_bound = gate.decide_on == "bound"
    return shape, (decided(check.value, check.low, check.high, check.op, check.threshold, by_bound),)


def _champion(check: Check, gate: GateResult) -> Rule:
    if check.metric is None:
        return _is_plain(check) and check.name == "champion" and _is_empty(check), ("not-applicable",)
    if check.metric not in FOR_CHAMPIONS or check.name != f"{check.metric} champion":
        return False, ()
    metric = METRICS[check.metric]
    span = metric.valid_range[1] - metric.valid_range[0]
    shape = check.slice is None and check.confidence is not None and 0 < check.confidence < 1
    shape = shape and _is_around(check, (-span, span))
    if check.op == "" and check.threshold is None:
        return shape, ("not-applicable",)
    op, sign = (">=", -1) if metric.direction == "higher" else ("<=", 1)
    shape = shape and check.op == op and check.threshold is not None and 0 <= sign * check.threshold <= span
    if check.value is None or check.low is None or check.threshold is None:
        return shape, ()
    status = decided(check.value, check.low, check.high, op, check.threshold, by_bound=True)
    return shape, () if status == "inconclusive" and gate.decide_on == "point" else (status,)


def _slice(check: Check, gate: GateResult) -> Rule:
    has_floor = check.name == f"{check.metric} slice floor"
    shape = check.metric in FOR_SLICES and (has_floor or check.name == f"{check.metric} slice")
    row = next((row for row in gate.slices.rows if row.slice == check.slice), None) if gate.slices else None
    if row is None or not shape or check.metric is None or check.op != ">=":
        return False, ()
    if check.threshold is not None and not 0 <= check.threshold <= 1:
        return False, ()
    if check.metric not in row.metrics:
        return not has_floor and _is_empty(check, threshold=check.threshold), ("not-applicable",)
    found = row.metrics[check.metric]
    same = (found.value, found.low, found.high, found.interval) == (check.value, check.low, check.high, check.interval)
    shape = same and check.confidence == gate.slices.confidence_each if gate.slices else False
    shape = shape and _is_around(check, (0, 1)) and check.threshold is not None
    if check.value is None or check.low is None or check.high is None or check.threshold is None:
        return shape, () if has_floor else ("not-applicable",)
    if not has_floor:
        return shape, ("pass",) if check.high >= check.threshold else ("warn",)
    status = decided(check.value, check.low, check.high, ">=", check.threshold, by_bound=True)
    if status == "inconclusive" and gate.decide_on == "point":
        status = "pass" if check.value >= check.threshold else "warn"
    return shape, (status,)


def _calibration(check: Check, gate: GateResult) -> Rule:
    right = RIGHT_CALIBRATION.get(check.metric or "")
    shape = right is not None and check.name == str(check.metric).replace("_", " ") and check.op == "="
    shape = shape and check.threshold == right and check.slice is None and check.confidence is None
    if right is None or check.value is None or check.low is None or check.high is None:
        return shape, ("not-applicable",)
    return shape, ("pass",) if check.low <= right <= check.high else ("warn",)


def _fairness(check: Check, gate: GateResult) -> Rule:
    shape = check.metric in CUSTOMARY_FAIRNESS and check.name == str(check.metric).replace("_", " ")
    op = ">=" if check.metric == IMPACT_RATIO else "<="
    shape = shape and check.slice is not None and check.op == op and check.threshold is not None
    if not shape or check.threshold is None or not 0 <= check.threshold <= 1:
        return False, ()
    if check.value is None:
        return _is_empty(check, threshold=check.threshold), ("not-applicable",)
    shape = 0 <= check.value <= 1 and _is_around(check, (-1.0, float("inf")))
    shape = shape and check.low is not None and check.confidence is not None and gate.confidence <= check.confidence < 1
    by_estimate = decided(check.value, check.low, check.high, op, check.threshold, by_bound=False)
    if gate.decide_on == "point":
        # Beyond the policy's own limit blocks; beyond the customary one, where the policy sets none, warns.
        return shape, ("pass",) if by_estimate == "pass" else ("warn",)
    by_bound = decided(check.value, check.low, check.high, op, check.threshold, by_bound=True)
    if check.threshold != CUSTOMARY_FAIRNESS[str(check.metric)]:
        return shape, (by_bound,)
    return shape, (by_bound, "pass" if by_estimate == "pass" else "warn")


# The range of each value of a check of leakage, and the thresholds that it is held against.
_LEAKAGE: Mapping[str, tuple[tuple[float, float], tuple[float, ...]]] = {
    SHARED_ROWS: ((0.0, 1.0), (0.0, MAX_SHARED_ROWS)),
    STRONGEST_FEATURE: ((0.5, 1.0), (MAX_FEATURE_AUC,)),
    EXPECTED_FEATURE: ((0.5, 1.0), (MAX_FEATURE_AUC,)),
    UNAVAILABLE_FEATURES: ((0.0, float("inf")), (0.0,)),
}


def _leakage(check: Check, gate: GateResult) -> Rule:
    if check.name == NO_FEATURES:
        return _is_plain(check) and _is_empty(check), ("not-applicable",)
    limits, thresholds = _LEAKAGE.get(check.name, ((0.0, 0.0), ()))
    metric = "roc_auc" if check.name in (STRONGEST_FEATURE, EXPECTED_FEATURE) else None
    shape = check.metric == metric and (check.slice is not None) == (check.name == EXPECTED_FEATURE)
    shape = shape and check.confidence is None and check.interval is None and check.low is None
    if check.value is None:
        # Shared rows that cannot be counted are never harmless; without features there is none to be strongest.
        unjudged: tuple[Status, ...] = ("not-applicable",) if check.name == STRONGEST_FEATURE else ("warn",)
        return shape and check.threshold is None and check.op == "", unjudged
    shape = shape and check.op == "<=" and check.threshold in thresholds and limits[0] <= check.value <= limits[1]
    if check.name == EXPECTED_FEATURE:
        return shape, ("not-applicable",)
    if check.name == SHARED_ROWS and (check.threshold == 0) == (check.value > MAX_SHARED_ROWS):
        return False, ()  # more than half is held against a half, any less against none
    return shape, ("pass",) if check.value <= _number(check.threshold) else ("warn",)


def _direction(check: Check, gate: GateResult) -> Rule:
    shape = check.name in (DIRECTION, CHAMPION_DIRECTION) and check.metric == "roc_auc" and check.slice is None
    shape = shape and check.op == ">=" and check.threshold == RANDOM_AUC and check.confidence is None
    if check.value is None or check.high is None:
        return False, ()
    return shape and _is_around(check, (0, 1)), ("pass",) if check.high >= RANDOM_AUC else ()


def _event_rate(check: Check, gate: GateResult) -> Rule:
    if check.value is None:
        return check.name == EVENT_RATE and _is_plain(check) and _is_empty(check), ("not-applicable",)
    limit = _number(check.threshold)
    shape = check.name == EVENT_RATE and _is_plain(check) and check.op == "<=" and check.value >= 1 and limit > 1
    return shape, ("pass",) if check.value <= limit else ()


def _dates(check: Check, gate: GateResult) -> Rule:
    if check.value is None:
        return check.name == FUTURE_DATES and _is_plain(check) and _is_empty(check), ("not-applicable",)
    shape = check.name == FUTURE_DATES and _is_plain(check) and check.op == "<=" and check.threshold == 0
    return shape and 0 <= check.value <= gate.n, ("pass",) if check.value == 0 else ()


def _exception(check: Check, gate: GateResult) -> Rule:
    return gate.exception is not None and check.name == EXCEPTION and _is_plain(check) and _is_empty(check), ("pass",)


_RULES: Mapping[Kind, Callable[[Check, GateResult], Rule]] = {
    "sample": _sample,
    "floor": _floor,
    "ceiling": _ceiling,
    "champion": _champion,
    "slice": _slice,
    "calibration": _calibration,
    "fairness": _fairness,
    "leakage": _leakage,
    "direction": _direction,
    "event-rate": _event_rate,
    "dates": _dates,
    "exception": _exception,
}


def _is_plain(check: Check) -> bool:
    """Whether it is of no metric and no slice, and has a value without an interval."""
    return (check.metric, check.slice, check.low, check.interval, check.confidence) == (None,) * 5


def _is_empty(check: Check, threshold: float | None = None) -> bool:
    """Whether it has no number but perhaps its threshold."""
    return (check.value, check.low, check.interval, check.confidence) == (None,) * 4 and check.threshold == threshold


def _is_around(check: Check, limits: tuple[float, float]) -> bool:
    """Whether value and interval lie within `limits`, and a promised interval around the value."""
    numbers = [number for number in (check.low, check.value, check.high) if number is not None]
    if check.value is None:
        return not numbers
    is_around = check.interval != "ok" or numbers == sorted(numbers)
    return is_around and all(limits[0] - _ROUNDING <= number <= limits[1] + _ROUNDING for number in numbers)


_ROUNDING = 1e-9  # what adding up a million rows may be off by


def is_close(one: float, other: float) -> bool:
    """Equal but for the last digits of sums."""
    return isclose(one, other, rel_tol=_ROUNDING)


def _number(value: float | None) -> float:
    """NaN for None: no comparison holds."""
    return float("nan") if value is None else float(value)
