"""`drift.json`: how far the current batch is from the reference, feature by feature, and what that means for the score."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta

from lockgate.config.errors import InputError
from lockgate.documents.document import Count, Document, Name, Part, Sentence, Sha256, Share
from lockgate.documents.profile_json import NotNegative, ProfileKind

DriftStatus = Literal["stable", "insufficient-data", "warn", "alert"]
DRIFT_STATUSES: tuple[DriftStatus, ...] = get_args(DriftStatus)  # from the best to the worst
MOVED: tuple[DriftStatus, ...] = ("warn", "alert")


class BinShares(Part, frozen=True):
    """A bin with its smoothed share of the reference and of the current rows."""

    label: Name
    expected: Share
    actual: Share


class FeatureDrift(Part, frozen=True, kw_only=True):
    """One feature, or the model's score.

    `rule` is the part of the rule that the status is owed to: "psi", "unseen" (values the reference never saw), "rows"
    (too few of them), None where the feature is stable; `reason` says it in words.
    """

    name: Name
    kind: ProfileKind
    psi: NotNegative
    threshold: NotNegative
    p_value: Share
    status: DriftStatus
    rule: Literal["psi", "unseen", "rows"] | None
    reason: Sentence
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


class EstimatedPerformance(Part, frozen=True, kw_only=True):
    """The metrics that the scores let expect, if what `assumes` says holds."""

    n: Count
    expected_positives: NotNegative
    confidence: Share
    status: Literal["ok", "small-class"]
    roc_auc: MetricInterval
    brier: MetricInterval
    assumes: Sentence


class ActualPerformance(Part, frozen=True, kw_only=True):
    """The metrics that known labels show."""

    n: Count
    positives: Count
    confidence: Share
    status: Literal["ok", "small-class"]
    roc_auc: MetricInterval
    brier: MetricInterval


class DriftResult(Document, frozen=True, kw_only=True):
    """The whole result: features in the profile's order, the score last where there is one.

    `model` is the bundle's digest, None for two tables without a bundle; `current` the sha256 of the current batch's file,
    None for a batch that came as values or from elsewhere than the project; `warn` and `alert` grade how bad a PSI is.
    `label` and `actual` are None where no label is known, `estimated` where there are no scores.
    """

    HOW_TO_FIX: ClassVar[str] = "make it with `lockgate drift`"

    schema: Literal[2] = 2
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
    actual: ActualPerformance | None
    features: Annotated[tuple[FeatureDrift, ...], Meta(max_length=5000)]

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
    def moved(self) -> tuple[FeatureDrift, ...]:
        """The features that warn or alert."""
        return tuple(feature for feature in self.features if feature.moved)

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
