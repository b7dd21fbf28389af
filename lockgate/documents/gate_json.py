"""`gate.json`: the verdict on a model, the checks behind it, and the one rule by which anybody believes a pass."""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, le
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.metric_names import METRICS
from lockgate.documents.document import Count, Document, Name, Part, Sentence, Sha256, Share, Word
from lockgate.documents.manifest_json import SourceCheck
from lockgate.documents.schema_json import DecisionRule

Verdict = Literal["pass", "block", "inconclusive"]
Status = Literal["pass", "block", "inconclusive", "warn", "not-applicable"]
Kind = Literal["sample", "floor", "ceiling", "champion", "slice", "calibration", "fairness", "leakage"]
Operator = Literal["", ">=", "<=", "="]

DECIDING: tuple[Kind, ...] = ("floor", "ceiling", "champion")  # a verdict rests on these: the others describe
_STOPPING: tuple[Status, ...] = ("block", "inconclusive")
_HOLDS: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le}


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

    @property
    def contradicts_itself(self) -> bool:
        """Whether it says pass with numbers that do not."""
        if self.status != "pass" or self.kind not in (*DECIDING, "sample", "fairness", "leakage"):
            return False
        if self.kind in DECIDING and self.op != self._rightful_op:
            return True
        # A comparison with a champion is decided by the end of its interval, everything else by the value at least.
        decided = self.value if self.kind != "champion" else self.low if self.op == ">=" else self.high
        if decided is None or self.value is None or self.threshold is None or self.op not in _HOLDS:
            return True
        return not _HOLDS[self.op](decided, self.threshold)

    @property
    def _rightful_op(self) -> Operator:
        if self.kind == "champion" and self.metric in METRICS:
            return ">=" if METRICS[self.metric].direction == "higher" else "<="
        return {"floor": ">=", "ceiling": "<="}.get(self.kind, "")  # type: ignore[return-value]


class Estimate(Part, frozen=True):
    """A value with its interval; see `Check.interval` for its status."""

    value: float | None
    low: float | None
    high: float | None
    interval: Word | None


class SliceRow(Part, frozen=True):
    """One slice: its rows, the observed rate and the mean score, and its metrics, or `note`: why there are none."""

    slice: Name
    n: Count
    positives: Count
    observed: Share | None
    mean_score: Share | None
    note: Sentence | None
    metrics: Annotated[dict[Word, Estimate], Meta(max_length=100)]


class Slices(Part, frozen=True):
    """All slices. `compared` of them were judged, each interval with the confidence `confidence_each`."""

    minimum: Count
    compared: Count
    confidence_each: Share
    worst: Name | None
    rows: Annotated[tuple[SliceRow, ...], Meta(max_length=1000)]


class ErrorRates(Part, frozen=True):
    """How often a rule blocks a good model and passes one `worse_by` worse, on test sets like this one."""

    rule: Literal["floor", "champion"]
    metric: Word
    standard_error: float | None
    score_correlation: float | None
    margin: float | None
    blocks_good: Share | None
    passes_worse: Share | None
    worse_by: float | None


class Reuse(Part, frozen=True):
    """How many models the test set has judged, for how many within `tolerance` it is good (None: without end)."""

    test_set: Sha256
    models: Count
    supported: Count | None
    tolerance: float | None
    exhausted: bool


class GateResult(Document, frozen=True, kw_only=True):
    """The content of gate.json.

    predictions: the table that was judged where no bundle of this project made it. data, policy: sha256 of the test data
    and of the policy. confidence, decide_on, inconclusive: the policy's, as the report needs them. stale: why the
    predictions are not of the model, settings, source and data in hand. source: how the model's source was held against
    the one that is there now; None for a table of predictions.
    """

    HOW_TO_FIX: ClassVar[str] = "run `lockgate gate` again"

    schema: Literal[1] = 1
    verdict: Verdict
    model: Sha256
    data: Sha256
    predictions: Name | None
    policy: Sha256
    n: Count
    positives: Count
    confidence: Share
    decide_on: Literal["point", "bound"]
    inconclusive: Literal["block", "warn"]
    champion: Sha256 | None
    first_model: bool
    decision: DecisionRule
    checks: Annotated[tuple[Check, ...], Meta(max_length=2000)]
    slices: Slices | None
    operating: Annotated[tuple[ErrorRates, ...], Meta(max_length=100)]
    stale: tuple[Sentence, ...]
    source: SourceCheck | None
    test_set: Reuse | None

    @property
    def contradiction(self) -> str | None:
        """Why nobody believes the verdict, or None. A block is believed always: only what lets through can lie.

        The checks have to bear a pass out: none of them stops, one that decides passed, and the numbers of each that
        passed say so.
        """
        if self.verdict == "block":
            return None
        stopping = [check for check in self.checks if check.status in _STOPPING and check.status != self.verdict]
        if stopping:
            return f"it says {self.verdict} beside the check `{stopping[0].name}`, which says {stopping[0].status}"
        if self.verdict == "inconclusive":
            return None
        if self.stale:
            return f"it says pass on stale predictions ({self.stale[0]})"
        wrong = next((check for check in self.checks if check.contradicts_itself), None)
        if wrong is not None:
            return f"its check `{wrong.name}` says pass with numbers that do not"
        if not any(check.status == "pass" and check.kind in DECIDING for check in self.checks):
            return "it says pass, but holds no check that could decide and passed"
        return self._contradiction_about_the_champion()

    def _contradiction_about_the_champion(self) -> str | None:
        compared = any(check.status == "pass" and check.kind == "champion" for check in self.checks)
        if self.champion is None:
            return "it holds a comparison with a champion that it does not name" if compared else None
        if self.first_model:
            return "it says that the model is the first one, and names a champion"
        return None if compared else "it names a champion that no check compares with"

    def require_pass(self, digest: str, where: str | Path, how_to_fix: str | None = None) -> None:
        """Raises unless this is a pass for exactly the model `digest` that its own checks bear out.

        InputError where it is about another model; GateBlockedError where it is no pass, or contradicts itself. Nothing
        else in the kit decides whether a pass is believed.
        """
        how_to_fix = how_to_fix or self.HOW_TO_FIX
        if self.model != digest:
            raise InputError(f"{where} is a verdict on another model than {digest[:12]}; {how_to_fix}")
        if self.contradiction is not None:
            raise GateBlockedError(f"{where} is not believed: {self.contradiction}; {how_to_fix}")
        if self.verdict != "pass":
            raise GateBlockedError(f"{where} says {self.verdict}, not pass; {how_to_fix}")

    def blocking_reasons(self) -> list[str]:
        """What stands in the way, a line a check: name and reason."""
        stopping = [f"{check.name}: {check.reason}" for check in self.checks if check.status in _STOPPING]
        return stopping or ([] if self.verdict == "pass" else ["no check passed that could decide"])
