"""A check of gate.json: what it is called, what it is held against, and the arithmetic of its status and of the verdict.

`decided` is the status that a number has against a threshold, `decide` the verdict that statuses add up to. The gate makes
its checks by them, and whoever reads a pass makes them again (`gate_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import ge, le
from typing import Literal

from lockgate.documents.document import Name, Part, Sentence, Share, Word

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
