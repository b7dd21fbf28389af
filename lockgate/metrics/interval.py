"""An estimate with its two-sided interval, and a name for what stands in the way of promising its coverage."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from statistics import NormalDist

from lockgate.config.errors import InputError

OK = "ok"
SMALL_CLASS = "small-class"
SMALL_CLASS_ROWS = 10


@dataclass(frozen=True)
class Interval:
    """`value` with a two-sided interval `low` to `high`; never NaN or infinite.

    `status` is "ok" where the coverage is the one asked for, else the name of the reason why it is not (the module
    that made the interval lists its names). `standard_error` is None where it cannot be estimated. Where the value
    itself is not defined, `value`, `low` and `high` are None too.
    """

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    status: str = OK


def check_confidence(confidence: float) -> float:
    """The confidence level. Raises InputError outside 0..1 or at its ends."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; give a level between 0 and 1, such as 0.95")
    return confidence


def normal_quantile(confidence: float) -> float:
    """How many standard errors a two-sided normal interval of this confidence spans on either side."""
    return NormalDist().inv_cdf((1 + check_confidence(confidence)) / 2)


def logit_interval(value: float, error: float, confidence: float) -> tuple[float, float]:
    """Two-sided normal interval of a value within 0..1, made on the logit scale, where it stays within; `error` is the value's."""
    reach = exp(-normal_quantile(confidence) * error / (value * (1 - value)))
    return value * reach / (value * reach + 1 - value), value / (value + (1 - value) * reach)
