"""What `scripts/simulate vintages` measures, in small: matured outcomes show the model as it is, the others do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import vintages

    monkeypatch.setattr(vintages, "TRUE_LOANS", 300_000)
    return vintages


def test_matured_outcomes_have_no_bias_and_immature_ones_do(simulation: Any) -> None:
    (immature, matured), holds = simulation.table(rounds=40, rows=3_000, days=180, seed=3)
    assert holds, matured
    assert float(immature.split("|")[3].split()[0]) > 0.05
    assert immature.split("|")[-3].strip().startswith("100.0 %")


def test_a_maturity_that_is_too_short_is_noticed(simulation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "MATURITY", 45)
    _, holds = simulation.table(rounds=40, rows=3_000, days=180, seed=3)
    assert not holds
