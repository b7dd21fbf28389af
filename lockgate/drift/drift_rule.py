"""When a PSI is drift: a rule calibrated to the rows on both sides and to how many features are watched.

Under no drift a PSI is about (bins - 1)(1/n + 1/m), and near a chi-square with bins - 1 degrees of freedom times
(1/n + 1/m), n reference and m current rows. That is off where bins are nearly empty: rare categories, heavy ties, a
missing bin with nothing in it (its smoothed shares differ between 15,000 and 200 rows, 0.01 of PSI by themselves). For
30 skewed categories chi-square's false alarms run from none to three times what was promised. So the distribution is
simulated from the frozen counts. With Jeffreys' prior, the same half row a bin as in the smoothed shares, what the
reference leaves open about the true shares p is Dirichlet(counts + 1/2), and a batch without drift is Multinomial(m, p). The
draws' mean, variance and skewness give a Pearson type III tail (a shifted gamma, as chi-square is), since 24 features
at 5 % ask for probabilities of 0.002, which 4,000 draws alone estimate badly.

A value that the reference never saw is no drift by itself either: of a column with many rare values every batch brings
some. How many rows is estimated from the values that the reference saw once (Good 1953, Biometrika 40, 237-264).

Missing values are a bin among others, and one feed in a hundred that dies hardly moves a PSI; so a rise of their share is tested
by itself (Fisher's exact test, one tail). That all rows hold one value is drift unless the reference's own shares explain it.
A feature's error is divided among these parts: see `family_error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from lockgate.documents.drift_json import DRIFT_STATUSES, DriftStatus
from lockgate.documents.profile_json import DriftRule
from lockgate.drift.exact_test import exact_tails, scipy_special
from lockgate.drift.family_error import MISSING_VALUES, ONE_VALUE, PSI, UNSEEN_VALUES
from lockgate.drift.gamma_quantile import gamma_quantile
from lockgate.drift.psi import psi_terms

# The parts of the rule, the first of them first where several are equally grave.
Part = Literal["constant", "missing", "psi", "unseen"]

DRAWS = 4_000
SEED = 20_240_229
# Over simulated profiles the fitted tail at 0.002 was off by a factor of 0.8 to 1.3; p-values are raised by more.
TAIL_MARGIN = 1.5
# Of the rows: the first missing values of a feature that never had any are news before `unseen_share` is reached.
FIRST_MISSING_SHARE = 0.001
LEAST_SKEWNESS = 1e-3  # under it the shifted gamma is a normal distribution to every digit that matters


@dataclass(frozen=True)
class NullDistribution:
    """The PSI of batches without drift: a shifted gamma with this mean, standard deviation and skewness."""

    mean: float
    deviation: float
    skewness: float

    def p_value(self, psi: float) -> float:
        """Upper bound of the probability of at least this PSI without drift."""
        if self.deviation == 0.0:
            return 1.0
        shape = 4.0 / self.skewness**2
        place = shape + (psi - self.mean) / self.deviation * np.sqrt(shape)
        return min(1.0, TAIL_MARGIN * float(scipy_special().gammaincc(shape, max(place, 0.0))))

    def threshold(self, error: float) -> float:
        """The PSI with this `p_value`, for an error in (0, 1)."""
        shape = 4.0 / self.skewness**2
        place = gamma_quantile(shape, error / TAIL_MARGIN)
        return self.mean + self.deviation * (place - shape) / float(np.sqrt(shape))


@dataclass(frozen=True)
class Judgement:
    """What the rule says of one feature: the numbers, and which of its parts fired, the gravest first.

    `p_value` is the PSI's. Nothing that fired counts where there are too few rows.
    """

    psi: float
    threshold: float
    p_value: float
    status: DriftStatus
    fired: tuple[Part, ...]

    @property
    def rule(self) -> Part | Literal["rows"] | None:
        """What the status is owed to: "rows" where they are too few, None where the feature is stable."""
        if self.status == "insufficient-data":
            return "rows"
        return self.fired[0] if self.fired else None


@lru_cache(maxsize=4_096)
def null_distribution(reference: tuple[int, ...], rows: int) -> NullDistribution:
    """The PSI of `rows` current rows against these frozen counts where nothing changed; seeded, equal every time."""
    if rows == 0 or sum(reference) == 0:
        return NullDistribution(0.0, 0.0, LEAST_SKEWNESS)
    random = np.random.Generator(np.random.PCG64(SEED))
    shares = random.dirichlet(np.asarray(reference) + 0.5, size=DRAWS)
    draws = psi_terms(reference, random.multinomial(rows, shares)).sum(axis=-1)
    mean, deviation = float(draws.mean()), float(draws.std())
    skewness = float(np.mean((draws - mean) ** 3)) / deviation**3 if deviation > 0.0 else 0.0
    return NullDistribution(mean, deviation, max(skewness, LEAST_SKEWNESS))


def judge(
    reference: tuple[int, ...],
    current: tuple[int, ...],
    unseen: int,
    error: float,
    rule: DriftRule,
    *,
    is_constant: bool = False,
) -> Judgement:
    """Judge one feature from the rows in its bins (missing last) and the rows with values the reference never saw.

    Without drift it warns with a probability of at most `error`. Each part has to be significant, and warns where

    - the PSI is at least the effect floor;
    - the share of unseen values is above `rule.unseen_share`;
    - the share of missing ones has risen by more than that, or is at least a thousandth where there never were any.

    Each alerts from `rule.alert` on. All present rows with one value (`is_constant`) alert where that is no chance.
    Too few rows on either side: insufficient-data.
    """
    counted = sum(current)
    rows = counted + unseen
    psi = float(psi_terms(reference, current).sum())
    chance = null_distribution(reference, counted)
    threshold = max(rule.effect_floor, chance.threshold(error * PSI))
    severe: dict[Part, bool] = {}
    if is_constant and constant_p_value(reference, rows - current[-1]) <= error * ONE_VALUE:
        severe["constant"] = True
    rise = _missing_rise(reference, current, rows)
    floor = rule.unseen_share if reference[-1] else min(FIRST_MISSING_SHARE, rule.unseen_share)
    if rise > floor and missing_p_value(reference, current[-1], rows) <= error * MISSING_VALUES:
        severe["missing"] = rise >= rule.alert
    if counted and psi >= threshold:
        severe["psi"] = psi >= rule.alert
    share = unseen / rows if unseen else 0.0
    if share > rule.unseen_share and unseen_p_value(reference, rows, unseen) <= error * UNSEEN_VALUES:
        severe["unseen"] = share >= rule.alert
    status: DriftStatus = "stable"
    if min(sum(reference), rows) < rule.min_rows:
        status = "insufficient-data"
    elif severe:
        status = "alert" if any(severe.values()) else "warn"
    return Judgement(
        psi=psi,
        threshold=threshold,
        p_value=chance.p_value(psi),
        status=status,
        fired=tuple(sorted(severe, key=lambda part: not severe[part])),
    )


def _missing_rise(reference: tuple[int, ...], current: tuple[int, ...], rows: int) -> float:
    """By how much the share of missing values has risen; 0 where a side has no rows."""
    before = sum(reference)
    return current[-1] / rows - reference[-1] / before if rows and before else 0.0


def missing_p_value(reference: tuple[int, ...], missing: int, rows: int) -> float:
    """Probability that at least `missing` of `rows` are missing, without drift, given how many both sides have together."""
    return exact_tails(reference[-1], sum(reference), missing, rows)[1]


def constant_p_value(reference: tuple[int, ...], rows: int) -> float:
    """Upper bound of the probability that `rows` present values are all the same, without drift.

    A value's share is at most its bin's, so that is the sum over bins of share ** rows, at most the largest share ** (rows - 1);
    one row more stands for what the reference leaves open.
    """
    present = sum(reference[:-1])
    if rows == 0 or present == 0:
        return 1.0
    return float(((max(reference[:-1]) + 1) / (present + 1)) ** (rows - 1))


def unseen_p_value(reference: tuple[int, ...], rows: int, unseen: int) -> float:
    """Probability that at least `unseen` of `rows` hold values the reference lacks, without drift.

    Good and Turing's estimate of the share of such values is the share of rows whose value the reference saw once; one
    row more stands for what that leaves open. Of numbers' bins, which have no unseen values, it is not asked.
    """
    if unseen == 0:
        return 1.0
    once = sum(count == 1 for count in reference[:-1])
    return float(scipy_special().bdtrc(unseen - 1, rows, (once + 1) / (sum(reference) + 1)))


def grade(psi: float, rule: DriftRule) -> str:
    """How much has moved, in the words the field uses for PSI: slight, moderate or severe."""
    if psi >= rule.alert:
        return "severe"
    return "moderate" if psi >= rule.warn else "slight"


def overall(statuses: Sequence[DriftStatus]) -> DriftStatus:
    """The worst of the features; too few rows are worse than stable and never hide a warning."""
    return max(statuses, key=DRIFT_STATUSES.index, default="insufficient-data")
