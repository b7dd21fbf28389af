"""`profile.json`: what the training rows looked like, bin by bin, and by which rule a change of them is drift."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta

from lockgate.documents.document import MAX_COUNT, Count, Document, Name, Part, Share
from lockgate.documents.schema_json import Kind, first_repeated

SCORE: Final = "score"
MISSING = "missing"

ProfileKind = Literal["numeric", "categorical", "score"]
PositiveCount = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Units = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # nine billion rows with a score of 1
NotNegative = Annotated[float, Meta(ge=0)]


class BinScores(Part, frozen=True, kw_only=True):
    """What the model made of the held-out rows in each bin of a feature, a number a bin: integers, so that they add up exactly.

    `rows` counts them; `score` sums their scores and `squares` the squares of these, in units of 1e-9. `favourable` counts the
    rows whose decision is favourable, and `events` sums their calibrated probabilities in units of 1e-9; both are empty where no
    decision is known.
    """

    rows: tuple[Count, ...]
    score: tuple[Units, ...]
    squares: tuple[Units, ...]
    favourable: tuple[Count, ...] = ()
    events: tuple[Units, ...] = ()

    def __post_init__(self) -> None:
        bins = len(self.rows)
        if not len(self.score) == len(self.squares) == bins:
            raise ValueError("the held-out scores are not a number for each bin")
        if {len(self.favourable), len(self.events)} not in ({0}, {bins}):
            raise ValueError("the held-out decisions are not a number for each bin")


class FeatureProfile(Part, frozen=True):
    """One feature's bins, and the rows in each; the last bin counts the missing values.

    `edges` are the inner edges of right-closed bins (kinds numeric and score), `categories` the known values. `scores` are of the
    held-out rows in each bin; None for the score itself, and where no held-out rows were at hand.
    """

    name: Name
    kind: ProfileKind
    edges: tuple[float, ...]
    categories: tuple[Name, ...]
    counts: tuple[Count, ...]
    scores: BinScores | None = None

    def __post_init__(self) -> None:
        bins = len(self.categories) + 1 if self.kind == "categorical" else len(self.edges) + 2
        if self.edges and self.kind == "categorical":
            raise ValueError(f"feature {self.name} is categorical and has edges")
        if self.categories and self.kind != "categorical":
            raise ValueError(f"feature {self.name} is of numbers and has categories")
        if twice := first_repeated(self.categories):
            raise ValueError(f"feature {self.name}: category {twice} stands twice")
        if not all(before < after for before, after in pairwise(self.edges)):
            raise ValueError(f"feature {self.name}: its edges do not increase")
        if len(self.counts) != bins:
            raise ValueError(f"feature {self.name}: counts are not {bins} numbers")
        if self.scores is not None and len(self.scores.rows) != bins:
            raise ValueError(f"feature {self.name}: scores are not of {bins} bins")

    @property
    def n(self) -> int:
        """Rows counted, missing ones included."""
        return sum(self.counts)

    @property
    def bin_names(self) -> tuple[str, ...]:
        """What to call each bin, in the order of `counts`; no two are called the same."""
        named = self.categories if self.kind == "categorical" else interval_names(self.edges)
        missing = MISSING
        while missing in named:  # somebody's category
            missing = f"({missing})"
        return (*named, missing)


class LabelCounts(Part, frozen=True):
    """Rows whose label is known, and how many of them are positive."""

    n: Count
    positives: Count

    def __post_init__(self) -> None:
        if self.positives > self.n:
            raise ValueError("there are more positives than labels")

    @property
    def rate(self) -> float:
        """Share of positives, 0 where no label is known."""
        return self.positives / self.n if self.n else 0.0


class Calibration(Part, frozen=True):
    """P(positive | score) = expit(intercept + slope * logit(score)), fitted on `n` rows the model did not learn from.

    `covariance` is that of the estimates: of the intercept, of the two together, of the slope.
    """

    n: Count
    intercept: float
    slope: float
    covariance: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.covariance[0] < 0 or self.covariance[2] < 0:
            raise ValueError("the calibration has a negative variance")


class MetricEstimate(Part, frozen=True):
    """A metric of held-out rows and the variance of that estimate."""

    value: Share
    variance: NotNegative


class HeldOutPerformance(Part, frozen=True, kw_only=True):
    """How good the model was on the `n` labelled rows that it did not learn from; what later batches are held against.

    The variances are DeLong's for ROC-AUC, the linearised one for PR-AUC, that of a mean for Brier.
    """

    n: PositiveCount
    positives: PositiveCount
    roc_auc: MetricEstimate
    pr_auc: MetricEstimate
    brier: MetricEstimate


class LeafCounts(Part, frozen=True):
    """How many of `n` held-out rows fall into each leaf of each tree of the model: integers, no row of anybody."""

    n: PositiveCount
    trees: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        if any(sum(leaves) != self.n for leaves in self.trees):
            raise ValueError(f"the leaves of a tree do not count {self.n} rows")


class FeatureGroups(Part, frozen=True):
    """A feature whose bins are taken together in a few groups: `groups` has the number of each bin's group, from 0 on."""

    name: Name
    groups: tuple[Count, ...]

    def __post_init__(self) -> None:
        if len(set(self.groups)) != self.size:  # not held against a range, which a document could make of any length
            raise ValueError(f"the groups of {self.name} leave out a number")

    @property
    def size(self) -> int:
        """How many groups there are."""
        return max(self.groups, default=-1) + 1


class PairCounts(Part, frozen=True):
    """How many of `n` training rows have which groups of two features, for a model without trees: integers, no row of anybody.

    `counts` has an entry for each pair of `features`, (0, 1), (0, 2), ..., (1, 2), ...: the rows with each group of the first and
    each of the second, those of the second side by side.
    """

    n: PositiveCount
    features: tuple[FeatureGroups, ...]
    counts: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        sizes = [one.size * other.size for one, other in combinations(self.features, 2)]
        if [len(cells) for cells in self.counts] != sizes:
            raise ValueError("the pairs have other counts than their features have groups")
        if any(sum(cells) != self.n for cells in self.counts):
            raise ValueError(f"the counts of a pair are not of {self.n} rows")


class Segments(Part, frozen=True, kw_only=True):
    """The training rows of each value of one column, counted in every feature's bins.

    `values` are the texts that were counted apart, or, of a column of numbers, the names of right-closed bands with the inner
    edges `edges`; of `left_out` others there are too few rows, or there was no room. `rows` are the training rows with each
    value. `counts[i][j]` has those of value i in the bins of feature j, in the profile's order without the score.
    """

    column: Name
    kind: Kind
    edges: tuple[float, ...]
    values: tuple[Name, ...]
    left_out: Count
    rows: tuple[Count, ...]
    counts: tuple[tuple[tuple[Count, ...], ...], ...]

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.rows) == len(self.counts):
            raise ValueError(f"the segments of {self.column} are not {len(self.values)} in each list")
        if twice := first_repeated(self.values):
            raise ValueError(f"the segments of {self.column} have {twice} twice")
        if not all(before < after for before, after in pairwise(self.edges)):
            raise ValueError(f"the segments of {self.column}: their edges do not increase")
        if self.kind == "numeric" and not set(self.values) <= set(interval_names(self.edges)):
            raise ValueError(f"the segments of {self.column} are not bands of its edges")
        if any(sum(bins) != rows for rows, features in zip(self.rows, self.counts, strict=True) for bins in features):
            raise ValueError(f"the segments of {self.column} count other rows than they have")


class DriftRule(Part, frozen=True):
    """The settings by which a change of the data is drift, as `params.yaml` had them at training; see `drift.drift_rule`.

    The nightly run goes by today's `params.yaml`, the service and its alerts by these.
    """

    effect_floor: NotNegative
    warn: NotNegative
    alert: Annotated[float, Meta(gt=0)]
    family_error: Annotated[float, Meta(gt=0, lt=1)]
    min_rows: PositiveCount
    unseen_share: Share


class Profile(Document, frozen=True, kw_only=True):
    """The training rows' number and every feature in the schema's order, the score last.

    `labels` counts the training rows' outcomes; `calibration` and `performance` are of the held-out scores, `leaves` of the
    held-out rows. None where not known; `leaves` where the model has no trees, and `pairs` where it has.
    """

    HOW_TO_FIX: ClassVar[str] = "take the bundle whole from where it was made, or run `lockgate train` again"

    schema: Literal[3] = 3
    n: PositiveCount
    labels: LabelCounts | None = None
    calibration: Calibration | None = None
    performance: HeldOutPerformance | None = None
    leaves: LeafCounts | None = None
    pairs: PairCounts | None = None
    segments: tuple[Segments, ...] = ()
    rule: DriftRule
    features: tuple[FeatureProfile, ...]

    def __post_init__(self) -> None:
        if [one.kind for one in self.features].count(SCORE) != 1 or self.features[-1].kind != SCORE:
            raise ValueError("the score does not stand once and last")
        if twice := first_repeated([one.name for one in self.features[:-1]]):
            raise ValueError(f"two features have the same name, {twice}")
        for one in self.features[:-1]:
            if one.n != self.n:
                raise ValueError(f"feature {one.name} counts {one.n} rows, not {self.n}")
        bins = {one.name: len(one.counts) for one in self.features[:-1]}
        for pair in self.pairs.features if self.pairs is not None else ():
            if len(pair.groups) != bins.get(pair.name):
                raise ValueError(f"the pairs group {pair.name} in other bins than it has")
        if self.labels is not None and self.labels.n > self.n:
            raise ValueError("it counts more labels than rows")
        shape = [len(one.counts) for one in self.features[:-1]]
        for segments in self.segments:
            if any([len(bins) for bins in features] != shape for features in segments.counts):
                raise ValueError(f"the segments of {segments.column} are not counted in the features' bins")


def just_below(value: float) -> float:
    """The largest float64 under `value`; under 0 a normal one, since some libraries flush subnormal numbers to 0."""
    tiny = sys.float_info.min
    return -tiny if 0.0 <= value < tiny else math.nextafter(value, -math.inf)


def interval_names(edges: Sequence[float]) -> tuple[str, ...]:
    """`(-inf, a]`, `(a, b]`, ..., `(z, inf)`; a bin that holds the single value v is `[v, v]`.

    Numbers have six significant digits, and more where two edges would read the same.
    """
    isolating = [here == just_below(after) for here, after in pairwise(edges)] + [False]
    shown = [edge for edge, isolates in zip(edges, isolating, strict=False) if not isolates]
    for digits in (6, 9, 12, 17):
        rounded = [float(f"{edge:.{digits}g}") for edge in shown]
        if len(set(rounded)) == len(rounded):
            break
    names = dict(zip(shown, map(repr, rounded), strict=True))
    labels, left = [], "(-inf"
    for position, edge in enumerate(edges):
        if isolating[position]:
            value = names[edges[position + 1]]
            labels.append(f"{left}, {value})")
            left = f"[{value}"
        else:
            labels.append(f"{left}, {names[edge]}]")
            left = f"({names[edge]}"
    return (*labels, f"{left}, inf)")
