"""How the error that a whole night is allowed, `drift.family_error`, is divided among what is judged.

Without drift the probability that anything warns is at most the sum of the parts (Bonferroni), whatever depends on what. The
parts are fixed, and do not depend on which of them a night can judge, so that a feature's threshold is the same with labels and
without, and the same in the running service as at night.
"""

from __future__ import annotations

FEATURES = 1 / 2  # every feature, the score and the label's rate
PERFORMANCE = 3 / 16  # measured where labels are known, estimated where not
VINTAGES = 1 / 16  # the same of each month of a decision log
MODEL = 1 / 8
SEGMENTS = 1 / 8

# Three thresholds and three changes (ROC-AUC, PR-AUC, Brier), intercept and slope; counted whether or not a night makes them all.
PERFORMANCE_TESTS = 8


def feature_error(family_error: float, features: int) -> float:
    """The error of one of `features` features (the score counted), or of the label's rate."""
    return family_error * FEATURES / (features + 1)


# Of a feature's error, by the part of the rule that may fire: most of it for the move of its bins.
PSI = 5 / 8
UNSEEN_VALUES = 1 / 8
MISSING_VALUES = 1 / 8
ONE_VALUE = 1 / 8


def psi_error(family_error: float, features: int) -> float:
    """The error of the PSI of one of `features` features (the score counted), at night as in the running service."""
    return feature_error(family_error, features) * PSI


def vintage_family_error(family_error: float, months: int) -> float:
    """The family error by which the performance of each of `months` months is judged, as if it were a night's own."""
    return family_error * VINTAGES / PERFORMANCE / max(months, 1)


def performance_error(family_error: float) -> float:
    """The error of each test of performance; that of thresholds and ranking is one-sided."""
    return family_error * PERFORMANCE / PERFORMANCE_TESTS
