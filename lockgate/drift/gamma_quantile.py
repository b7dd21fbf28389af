"""The quantile of a gamma distribution without SciPy, whose `gammainccinv` it is: the image would be half as large again."""

from __future__ import annotations

import math

EPSILON = 5e-16  # relative: what changes a sum or a product by less is left out


def gamma_quantile(shape: float, tail: float) -> float:
    """The place that a gamma distribution of this shape and scale 1 exceeds with the probability `tail`, in (0, 1)."""
    low, high = 0.0, shape + 1.0
    while _tail(shape, high) > tail:
        low, high = high, 2.0 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _tail(shape, middle) > tail else (low, middle)
    return (low + high) / 2.0


def _tail(shape: float, place: float) -> float:
    """The probability that such a distribution exceeds `place`, which is above 0."""
    density = math.exp(shape * math.log(place) - place - math.lgamma(shape))
    return 1.0 - density * _series(shape, place) if place < shape + 1.0 else density * _fraction(shape, place)


def _series(shape: float, place: float) -> float:
    """NIST's Digital Library of Mathematical Functions, 8.11.4."""
    term = total = 1.0 / shape
    factor = shape
    while term > EPSILON * total:
        factor += 1.0
        term *= place / factor
        total += term
    return total


def _fraction(shape: float, place: float) -> float:
    """The continued fraction of 8.9.2 there, by Lentz's method."""
    below = place + 1.0 - shape
    ratio, inverse = math.inf, 1.0 / below
    found = inverse
    step = 0
    change = 0.0
    while abs(change - 1.0) > EPSILON:
        step += 1
        numerator = step * (shape - step)
        below += 2.0
        inverse = 1.0 / (numerator * inverse + below)
        ratio = below + numerator / ratio
        change = inverse * ratio
        found *= change
    return found
