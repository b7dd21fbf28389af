"""`drift.json`: how far the current batch is from the reference, feature by feature, and what that means for the score."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta

from lockgate.config.errors import InputError
from lockgate.documents.document import Count, Document, Name, Part, Sentence, Sha256, Share
from lockgate.documents.profile_json import SCORE, NotNegative, ProfileKind

DriftStatus = Literal["stable", "insufficient-data", "warn", "alert"]
DRIFT_STATUSES: tuple[DriftStatus, ...] = get_args(DriftStatus)  # from the best to the worst
MOVED: tuple[DriftStatus, ...] = ("warn", "alert")
MAX_FEATURES = 5000
# What a night judges, each with a status of its own.
DriftPart = Literal["features", "score", "label", "performance", "estimated", "model_drift", "segments"]


class BinShares(Part, frozen=True):
    """A bin with its smoothed share of the reference and of the current rows."""

    label: Name
    expected: Share
    actual: Share


# A mean score that moves by less is the same to whoever reads it with three digits.
LEAST_EFFECT = 0.0005
# Standard errors of the held-out rows within which an effect may be none.
NOISE = 3.0


class FeatureEffect(Part, frozen=True, kw_only=True):
    """What a feature's move does, all else going along: the held-out rows, reweighted from the reference's to the current bins.

    Each is the change of a mean over all rows: of the score, of the share of favourable decisions, and of the events that are
    expected among favourable decisions, by the held-out calibration; the last two are None where no decision is known. The
    errors are the standard errors that the held-out rows leave.
    """

    score: float
    score_error: NotNegative
    favourable: float | None = None
    favourable_error: NotNegative | None = None
    events: float | None = None

    @property
    def is_nil(self) -> bool:
        """Whether neither the mean score nor the share of favourable decisions changes by more than chance explains."""
        changes = [(self.score, self.score_error), (self.favourable or 0.0, self.favourable_error or 0.0)]
        return all(abs(change) <= max(LEAST_EFFECT, NOISE * error) for change, error in changes)


class FeatureDrift(Part, frozen=True, kw_only=True):
    """One feature, or the model's score.

    `rule` is the part of the rule that the status is owed to: "psi", "unseen" (values the reference never saw), "missing"
    (more rows without a value), "constant" (one value left), "rows" (too few of them), None where the feature is stable;
    `reason` says it in words. `effect` is None for the score, and where the reference has no held-out scores.
    """

    name: Name
    kind: ProfileKind
    psi: NotNegative
    threshold: NotNegative
    p_value: Share
    status: DriftStatus
    rule: Literal["psi", "unseen", "missing", "constant", "rows"] | None
    reason: Sentence
    effect: FeatureEffect | None = None
    missing_reference: Share
    missing_current: Share
    unseen_share: Share
    bins: tuple[BinShares, ...]

    @property
    def moved(self) -> bool:
        """Whether it warns or alerts."""
        return self.status in MOVED


class LabelRate(Part, frozen=True):
    """Known labels and their share of positives with its interval; `rate` is None where none is known."""

    n: Count
    positives: Count
    rate: Share | None
    low: Share
    high: Share


class LabelDrift(Part, frozen=True, kw_only=True):
    """Whether the rate of positives has changed; `error` is the error that the test was allowed."""

    name: Name
    status: DriftStatus
    rule: Literal["rows", "rate"] | None
    reason: Sentence
    p_value: Share | None
    error: Share
    confidence: Share
    reference: LabelRate | None
    current: LabelRate


class MetricInterval(Part, frozen=True):
    """A metric with its interval; None throughout where it is not defined."""

    value: Share | None
    low: Share | None
    high: Share | None

    @property
    def with_interval(self) -> str:
        """The value with its interval, as sentences have it; of one that is defined."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class EstimatedPerformance(Part, frozen=True, kw_only=True):
    """The metrics that the scores let expect, if what `assumes` says holds.

    `evidence` is "small-class" where hardly any row of a class is expected. Without labels it warns beyond the gate's threshold;
    it is `refuted` where known labels of the same batch contradict it. `reason` says either, and is empty otherwise.
    """

    n: Count
    expected_positives: NotNegative
    confidence: Share
    evidence: Literal["ok", "small-class"]
    roc_auc: MetricInterval
    brier: MetricInterval
    assumes: Sentence
    status: DriftStatus = "stable"
    reason: Sentence = ""
    refuted: bool = False


JudgedMetric = Literal["roc_auc", "pr_auc", "brier", "calibration_intercept", "calibration_slope"]


class MetricDrift(Part, frozen=True, kw_only=True):
    """One metric of the batch, against the gate's threshold and against its value at registration.

    `threshold` is the floor or ceiling of today's `evaluate`, None where there is none; `reference` is the value on the held-out
    rows at training (0 and 1 for the intercept and slope of their calibration); `change` is the value minus the reference, with
    its interval. `expected` is what the calibrated scores of the same rows let expect, and `p_expected` the probability of a value
    as bad where that holds. `p_value` is that of the change for the worse that is judged: of ROC-AUC against the reference, of
    PR-AUC and Brier, which depend on the rows, against what is expected; of intercept and slope two-sided. `rule` is what the
    status is owed to: "threshold" (beyond it, for certain), "change" (worse than before), "both", "rows" (too few), None where it
    is stable. `error` is the error that each test was allowed.
    """

    metric: JudgedMetric
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None
    reference: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    p_value: Share | None
    expected: Share | None = None
    p_expected: Share | None = None
    error: Share
    status: DriftStatus
    rule: Literal["threshold", "change", "both", "rows"] | None
    reason: Sentence


class PerformanceDrift(Part, frozen=True, kw_only=True):
    """What known labels show of the model; `status` is the worst of the metrics', and `reason` its sentence; no metric where known
    labels are of one class. Of a decision log both are those of its worst month, where one is worse than all together."""

    n: Count
    positives: Count
    confidence: Share
    status: DriftStatus
    reason: Sentence
    metrics: tuple[MetricDrift, ...]

    def metric(self, name: JudgedMetric) -> MetricDrift | None:
        """The metric of this name."""
        return next((one for one in self.metrics if one.metric == name), None)


class ModelDrift(Part, frozen=True, kw_only=True):
    """Whether rows go through the model otherwise than the held-out ones did: what no single feature need show.

    `method` is "leaves" (the leaves of every tree), or "pairs" (two features at a time, for a model without trees);
    `statistic` is compared with what rows without drift give, `expected` on average and `limit` at the error allowed.
    `features` are those that the moved leaves or pairs ask about, most first; `unseen` says what this cannot see.
    """

    method: Literal["leaves", "pairs"]
    n_reference: Count
    statistic: NotNegative
    expected: NotNegative
    limit: NotNegative
    p_value: Share
    status: DriftStatus
    reason: Sentence
    features: Annotated[tuple[Name, ...], Meta(max_length=20)]
    unseen: Sentence

    @property
    def moved(self) -> bool:
        """Whether it warns."""
        return self.status in MOVED


class SegmentDrift(Part, frozen=True, kw_only=True):
    """A move that is found in one value of a column: `feature` there, against the training rows with that value.

    `only` says that outside of the moved values of this column the feature is as it was; else it moved far more there. `reason` is
    the sentence of all that moved in the same values: of several moves it is the same. `share` is
    that of the current rows with the value, `error` what the test was allowed after the number of segments looked at is paid for.
    """

    column: Name
    value: Name
    feature: Name
    rows: Count
    share: Share
    psi: NotNegative
    psi_elsewhere: NotNegative
    p_value: Share
    error: Share
    only: bool
    status: DriftStatus
    reason: Sentence


class Vintage(Part, frozen=True, kw_only=True):
    """The model's decisions of one month (UTC), and what is known of their outcomes by the time of the measurement.

    `matured` are old enough for their outcomes to count; of them the labels of `known` are there, `events` among these, and of
    `missing` not. `expected_rate` is the mean score of the known ones, `roc_auc` and `brier` are theirs. `mature_on` is the day on
    which the last of the decisions is mature. `evidence` says why there is nothing to see, or too little; `status` is that of the
    month's performance, judged as a night's is.
    """

    month: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}$")]
    decisions: Count
    matured: Count
    known: Count
    missing: Count
    events: Count
    expected_rate: Share | None
    roc_auc: MetricInterval
    brier: MetricInterval
    mature_on: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    evidence: Literal["ok", "small-class", "one-class", "no-labels", "immature"]
    status: DriftStatus
    reason: Sentence

    @property
    def event_rate(self) -> float | None:
        """The share of events among the known outcomes."""
        return self.events / self.known if self.known else None


class DriftResult(Document, frozen=True, kw_only=True):
    """The whole result: features in the profile's order, the score last where there is one.

    `model` is the bundle's digest, None for two tables without a bundle; `current` the sha256 of the current batch's file,
    None for a batch that came as values or from elsewhere than the project; `warn` and `alert` grade how bad a PSI is.
    `label` and `performance` are None where no label is known, `estimated` where there are no scores, `model_drift` where the
    reference has nothing to compare with. `segments` are the moves that were found in a part of the rows. `vintages` are the
    months of a decision log, the oldest first; `selection` says where outcomes are known of a part of the decisions only.
    `batch` is the sha256 of what the batch arrived as, by which a later night knows it again: None where no other batch is to be
    expected, as of synthetic applicants or of the test rows. `newest` is the day of its newest row, None where no column says.
    """

    HOW_TO_FIX: ClassVar[str] = "make it with `lockgate drift`"

    schema: Literal[3] = 3
    status: DriftStatus
    model: Sha256 | None
    current: Sha256 | None
    time: Annotated[str, Meta(max_length=40)] | None = None
    n_reference: Count
    n_current: Count
    warn: NotNegative
    alert: NotNegative
    note: Sentence | None
    label: LabelDrift | None
    estimated: EstimatedPerformance | None
    performance: PerformanceDrift | None = None
    model_drift: ModelDrift | None = None
    segments: Annotated[tuple[SegmentDrift, ...], Meta(max_length=1000)] = ()
    vintages: Annotated[tuple[Vintage, ...], Meta(max_length=120)] = ()
    selection: Sentence | None = None
    batch: Sha256 | None = None
    newest: date | None = None
    features: Annotated[tuple[FeatureDrift, ...], Meta(max_length=MAX_FEATURES)]

    def __post_init__(self) -> None:
        if self.time is not None and _parsed_time(self.time) is None:
            raise ValueError("its time is not an ISO 8601 time with its zone")

    def require_batch(self, sha256: str) -> None:
        """Raises InputError where this is the drift of another file than the current batch's, whose sha256 is given.

        A batch that came as values, or was named by hand, has no sha256 here and is not compared.
        """
        if self.current is not None and self.current != sha256:
            raise InputError(
                f"reports/drift.json is of another batch (sha256 {self.current[:12]}) than data/current.parquet "
                f"({sha256[:12]}); run `lockgate drift`"
            )

    @property
    def parts(self) -> dict[DriftPart, DriftStatus]:
        """The status of each part that was judged: of several features, or segments, the worst."""
        judged: dict[DriftPart, list[DriftStatus]] = {
            "features": [one.status for one in self.features if one.kind != SCORE],
            "score": [one.status for one in self.features if one.kind == SCORE],
            "segments": [one.status for one in self.segments],
        }
        single: dict[DriftPart, LabelDrift | PerformanceDrift | EstimatedPerformance | ModelDrift | None] = {
            "label": self.label,
            "performance": self.performance,
            "estimated": self.estimated,
            "model_drift": self.model_drift,
        }
        judged |= {part: [one.status] for part, one in single.items() if one is not None}
        return {part: max(statuses, key=DRIFT_STATUSES.index) for part, statuses in judged.items() if statuses}

    @property
    def moved(self) -> tuple[FeatureDrift, ...]:
        """The features that warn or alert."""
        return tuple(feature for feature in self.features if feature.moved)

    @property
    def by_effect(self) -> tuple[FeatureDrift, ...]:
        """The features: first what moved, the score and then what changes it most; of those that change nothing the largest PSI."""

        def place(feature: FeatureDrift) -> tuple[bool, bool, float, float, str]:
            effect = feature.effect
            change = 0.0 if effect is None or effect.is_nil else abs(effect.score)
            is_score = feature.kind == "score"
            return (
                not feature.moved,
                not (feature.moved and is_score),
                -change * feature.moved,
                -feature.psi,
                feature.name,
            )

        return tuple(sorted(self.features, key=place))

    @property
    def where(self) -> tuple[tuple[DriftStatus, str], ...]:
        """What moved in a part of the rows: each sentence once with the worst status of its moves, the largest move first."""
        worst: dict[str, DriftStatus] = {}
        for one in self.segments:
            worst[one.reason] = max(worst.get(one.reason, "stable"), one.status, key=DRIFT_STATUSES.index)
        return tuple((status, reason) for reason, status in worst.items())

    @property
    def measured_at(self) -> datetime | None:
        """`time` in UTC."""
        return None if self.time is None else _parsed_time(self.time)


def _parsed_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
