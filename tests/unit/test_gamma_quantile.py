"""The quantile of a gamma distribution is SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammainccinv

from lockgate.drift.gamma_quantile import gamma_quantile


@given(
    shape=st.floats(-1, 6.7).map(lambda power: 10.0**power),
    tail=st.one_of(st.floats(1e-6, 0.999), st.floats(-100, -6).map(lambda power: 10.0**power)),
)
def test_it_is_scipys(shape: float, tail: float) -> None:
    assert gamma_quantile(shape, tail) == pytest.approx(float(gammainccinv(shape, tail)), rel=1e-9)


def test_of_an_exponential_distribution_it_is_the_logarithm() -> None:
    assert gamma_quantile(1.0, 0.25) == pytest.approx(1.3862943611198906, rel=1e-14)
