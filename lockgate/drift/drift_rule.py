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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from lockgate.documents.drift_json import DRIFT_STATUSES, DriftStatus
from lockgate.documents.profile_json import DriftRule
from lockgate.drift.gamma_quantile import gamma_quantile
from lockgate.drift.psi import psi_terms

Rule = Literal["psi", "unseen", "rows"]

DRAWS = 4_000
SEED = 20_240_229
# Over simulated profiles the fitted tail at 0.002 was off by a factor of 0.8 to 1.3; p-values are raised by more.
TAIL_MARGIN = 1.5
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
    """What the rule says of one feature: the numbers, and which of its parts fired.

    `rule` is the part that the status is owed to: "psi", "unseen" (values the reference never saw), "rows" (too few of
    them), None where the feature is stable. Where both others fired it is the graver, PSI where they are equally grave.
    """

    psi: float
    threshold: float
    p_value: float
    status: DriftStatus
    psi_fired: bool
    unseen_fired: bool
    rule: Rule | None


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
    reference: tuple[int, ...], current: tuple[int, ...], unseen: int, error: float, rule: DriftRule
) -> Judgement:
    """Judge one feature from the rows in its bins (missing last) and the rows with values the reference never saw.

    Without drift it warns with a probability of at most `error`.
    A PSI warns that is significant and at least the effect floor, and alerts from `rule.alert` on. An unseen share
    warns that is significant and above `rule.unseen_share`, and alerts from `rule.alert` on. Too few rows on either
    side: insufficient-data.
    """
    counted = sum(current)
    psi = float(psi_terms(reference, current).sum())
    chance = null_distribution(reference, counted)
    threshold = max(rule.effect_floor, chance.threshold(error))
    p_value = chance.p_value(psi)
    share = unseen / (counted + unseen) if unseen else 0.0
    psi_fired = counted > 0 and psi >= threshold
    unseen_fired = share > rule.unseen_share and unseen_p_value(reference, counted + unseen, unseen) <= error
    status: DriftStatus = "stable"
    fired: Rule | None = None
    if min(sum(reference), counted + unseen) < rule.min_rows:
        status, fired = "insufficient-data", "rows"
    elif psi_fired or unseen_fired:
        severe = [psi_fired and psi >= rule.alert, unseen_fired and share >= rule.alert]
        status = "alert" if any(severe) else "warn"
        fired = "psi" if severe[0] or (psi_fired and not severe[1]) else "unseen"
    return Judgement(psi, threshold, p_value, status, psi_fired, unseen_fired, fired)


def unseen_p_value(reference: tuple[int, ...], rows: int, unseen: int) -> float:
    """Probability that at least `unseen` of `rows` hold values the reference lacks, without drift.

    Good and Turing's estimate of the share of such values is the share of rows whose value the reference saw once; one
    row more stands for what that leaves open. Of numbers' bins, which have no unseen values, it is not asked.
    """
    if unseen == 0:
        return 1.0
    once = sum(count == 1 for count in reference[:-1])
    return float(scipy_special().bdtrc(unseen - 1, rows, (once + 1) / (sum(reference) + 1)))


def scipy_special() -> Any:
    """Imported when it is needed: the service has no SciPy, and most commands that know drift measure none."""
    import scipy.special

    return scipy.special


def grade(psi: float, rule: DriftRule) -> str:
    """How much has moved, in the words the field uses for PSI: slight, moderate or severe."""
    if psi >= rule.alert:
        return "severe"
    return "moderate" if psi >= rule.warn else "slight"


def overall(statuses: Sequence[DriftStatus]) -> DriftStatus:
    """The worst of the features; too few rows are worse than stable and never hide a warning."""
    return max(statuses, key=DRIFT_STATUSES.index, default="insufficient-data")
