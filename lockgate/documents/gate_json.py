"""`gate.json`: the verdict on a model, the checks behind it, and the one rule by which anybody believes a pass.

What a verdict rests on is arithmetic, and stands once, in `gate_check`. Whoever reads a pass makes it again: each kind of
check has a rule there for its name, operator, threshold, range and status.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.document import Count, Document, Name, Part, Sentence, Sha256, Share, Word
from lockgate.documents.gate_check import (
    CHAMPION_DIRECTION,
    DECIDING,
    DIRECTION,
    EVENT_RATE,
    EXCEPTION,
    FUTURE_DATES,
    NO_FEATURES,
    RARER_CLASS,
    ROWS,
    SHARED_ROWS,
    STOPPING,
    STRONGEST_FEATURE,
    UNAVAILABLE_FEATURES,
    Check,
    Verdict,
    decide,
    is_close,
    problem_of,
)
from lockgate.documents.manifest_json import SourceCheck
from lockgate.documents.schema_json import DecisionRule


class AcceptedException(Part, frozen=True):
    """The policy's `gate.exception`: why it asks for less for a while, who approved that, and its last day, in UTC."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    approved_by: Annotated[str, Meta(min_length=1, max_length=200)]
    until: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]

    @property
    def sentence(self) -> str:
        """Who approved what, until when."""
        return f"approved by {self.approved_by} until {self.until}: {self.reason}"

    def has_ended(self, today: date) -> bool:
        """Whether the last day is over."""
        return today.isoformat() > self.until


class NewData(Part, frozen=True):
    """Why the model `champion` is comparable with the model `model` on no rows: its data are defined in another way.

    `differences` are sentences. `after_synthetic`: the champion's data are synthetic.
    """

    model: Sha256
    champion: Sha256
    after_synthetic: bool
    differences: Annotated[tuple[Sentence, ...], Meta(min_length=1, max_length=10)]

    @property
    def sentence(self) -> str:
        """All differences."""
        return "; ".join(self.differences)


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


class ThresholdRow(Part, frozen=True):
    """What a decision at `threshold` comes to on these rows.

    approval_rate: the share of rows with the favourable decision. precision: the share of events among the rows at or above,
    None where there are none. recall: the share of the events that is at or above. cost: of a row in the mean, None where the
    policy has no `evaluate.costs`.
    """

    threshold: Share
    approval_rate: Share
    precision: Share | None
    recall: Share
    cost: float | None


class Reuse(Part, frozen=True):
    """How many models the test set has judged, for how many within `tolerance` it is good (None: without end)."""

    test_set: Sha256
    models: Count
    supported: Count | None
    tolerance: float | None
    exhausted: bool


class GateResult(Document, frozen=True, kw_only=True):
    """The content of gate.json.

    predictions: the table that was judged where no bundle of this project made it. data, policy, params: sha256 of the
    test data, of the policy, and of the settings that shaped the bundle (None for a table of predictions). weight: the
    column that says how much each row counts, None where all count equally. confidence, decide_on, inconclusive, exception:
    the policy's, as the report needs them. new_data: why no champion is comparable, where the data are defined anew;
    new_data_rule: what then decides by the policy. thresholds: what decisions at other scores than `decision`'s would come to,
    by threshold, that one among them. stale: why the predictions are not of the model, settings, source and data in
    hand. source: how the model's source was held against the one that is there now; None for a table of predictions.
    """

    HOW_TO_FIX: ClassVar[str] = "run `lockgate gate` again"

    schema: Literal[1] = 1
    verdict: Verdict
    model: Sha256
    data: Sha256
    predictions: Name | None
    policy: Sha256
    params: Sha256 | None
    n: Count
    positives: Count
    weight: Name | None
    confidence: Share
    decide_on: Literal["point", "bound"]
    inconclusive: Literal["block", "warn"]
    exception: AcceptedException | None
    champion: Sha256 | None
    first_model: bool
    new_data: NewData | None
    new_data_rule: Literal["thresholds", "block"] | None
    decision: DecisionRule
    checks: Annotated[tuple[Check, ...], Meta(max_length=2000)]
    slices: Slices | None
    operating: Annotated[tuple[ErrorRates, ...], Meta(max_length=100)]
    thresholds: Annotated[tuple[ThresholdRow, ...], Meta(max_length=100)]
    stale: tuple[Sentence, ...]
    source: SourceCheck | None
    test_set: Reuse | None

    @property
    def contradiction(self) -> str | None:
        """Why nobody believes the verdict, or None. A block is believed always: only what lets through can lie.

        The numbers have to be of one test set, each check one that a gate makes, with the status that its numbers give,
        and the verdict what the statuses add up to.
        """
        if self.verdict == "block":
            return None
        stopping = next((check for check in self.checks if check.status == "block"), None)
        if stopping is not None:
            return f"it says {self.verdict} beside the check `{stopping.name}`, which says block"
        if self.stale:
            return f"it says {self.verdict} on stale predictions ({self.stale[0]})"
        if not 0 < self.positives < self.n:
            return f"it says {self.verdict} on {self.n:,} rows with {self.positives:,} positives, which nothing can be measured on"
        if not 0 < self.confidence < 1:
            return f"its intervals have the confidence {self.confidence:g}"
        problem = next(filter(None, (problem_of(check, self) for check in self.checks)), None)
        if problem is not None:
            return problem
        if self.verdict != (sum_of_statuses := decide(self.checks)):
            if not any(check.kind in DECIDING and check.status in ("pass", "inconclusive") for check in self.checks):
                return f"it says {self.verdict}, but holds no check that could decide and passed"
            return f"it says {self.verdict}, but its checks add up to {sum_of_statuses}"
        return (
            self._incompleteness()
            or self._contradiction_about_the_champion()
            or self._contradiction_about_slices()
            or self._contradiction_about_error_rates()
        )

    def _incompleteness(self) -> str | None:
        """Which check is there twice, or is missing although every gate makes it."""
        found = Counter((check.name, check.slice) for check in self.checks)
        if twice := next((name for (name, _), times in found.items() if times > 1), None):
            return f"it holds the check `{twice}` twice"
        names = {check.name for check in self.checks}
        always = [ROWS, RARER_CLASS, DIRECTION]
        if NO_FEATURES not in names:
            always += [SHARED_ROWS, STRONGEST_FEATURE, UNAVAILABLE_FEATURES, EVENT_RATE, FUTURE_DATES]
        if self.exception is not None:
            always.append(EXCEPTION)
        missing = next((name for name in always if name not in names), None)
        return f"it lacks the check `{missing}`, which every gate makes" if missing else None

    def _contradiction_about_the_champion(self) -> str | None:
        of_champion = [check for check in self.checks if check.kind == "champion"]
        compared = any(check.status in ("pass", "inconclusive") for check in of_champion)
        if (self.new_data is None) != (self.new_data_rule is None):
            return "it says what decides on new data, or that the data are new, but not both"
        if self.new_data is not None:
            if self.first_model or self.champion is not None:
                return "it says that no champion is comparable, and names one or says that there is none yet"
            if self.new_data_rule == "block":
                return "its data are defined anew, and by its policy nothing decides on such"
            if self.new_data.model != self.model:
                return "it says that the data of another model are defined anew"
        if self.champion is None:
            if any(check.name == CHAMPION_DIRECTION for check in self.checks) or any(
                check.metric is not None for check in of_champion
            ):
                return "it holds a comparison with a champion that it does not name"
            return None
        if self.first_model:
            return "it says that the model is the first one, and names a champion"
        if self.champion == self.model:
            return "it compares the model with itself" if any(check.metric for check in of_champion) else None
        return None if compared else "it names a champion that no check compares with"

    def _contradiction_about_slices(self) -> str | None:
        judged = {check.slice for check in self.checks if check.kind == "slice"}
        rows = self.slices.rows if self.slices else ()
        if self.slices is None or judged - {row.slice for row in rows}:
            return "it holds checks of slices that it does not list" if judged else None
        compared = [row for row in rows if row.metrics]
        if self.slices.compared != len(compared) or not is_close(
            self.slices.confidence_each, 1 - (1 - self.confidence) / max(1, len(compared))
        ):
            return "its slices are not as many as their intervals are made for"
        if any(row.positives > row.n or row.n > self.n for row in rows):
            return "it holds a slice of more rows than there are"
        return None

    def _contradiction_about_error_rates(self) -> str | None:
        if self.champion is None and any(rates.rule == "champion" for rates in self.operating):
            return "it holds error rates of a comparison with a champion that it does not name"
        reuse = self.test_set
        if reuse is None:
            return None
        is_exhausted = reuse.supported is not None and reuse.models > reuse.supported
        if reuse.models < 1 or reuse.exhausted != is_exhausted:
            return "it miscounts how many models its test set has judged"
        return None

    def require_pass(
        self, digest: str, where: str | Path, how_to_fix: str | None = None, *, params: str | None = None
    ) -> None:
        """Raises unless this is a pass for exactly the model `digest` that its own checks bear out.

        params: the identity of the bundle's settings, where the bundle is at hand.
        InputError where it is about another model; GateBlockedError where it is no pass, or contradicts itself. Nothing
        else in the kit decides whether a pass is believed.
        """
        how_to_fix = how_to_fix or self.HOW_TO_FIX
        if self.model != digest:
            raise InputError(f"{where} is a verdict on another model than {digest[:12]}; {how_to_fix}")
        if params is not None and self.params != params:
            raise InputError(f"{where} is a verdict on a model of other settings than {digest[:12]} has; {how_to_fix}")
        if self.contradiction is not None:
            raise GateBlockedError(f"{where} is not believed: {self.contradiction}; {how_to_fix}")
        if self.verdict != "pass":
            raise GateBlockedError(f"{where} says {self.verdict}, not pass; {how_to_fix}")

    def blocking_reasons(self) -> list[str]:
        """What stands in the way, a line a check: name and reason."""
        stopping = [f"{check.name}: {check.reason}" for check in self.checks if check.status in STOPPING]
        return stopping or ([] if self.verdict == "pass" else ["no check passed that could decide"])
