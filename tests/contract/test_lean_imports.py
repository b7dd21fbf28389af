"""Each environment of the actions has what its commands import, and no more packages beside a token than needed."""

from __future__ import annotations

import pytest
from locked import absent_modules, import_with, loaded

MODULES = {
    "judge": ("ci", "champion", "drift", "evaluate", "gate", "plan", "policy", "report", "release_bundle"),
    "github": ("comment", "nightly", "retrain"),
    "release": ("release", "release_image", "release_publish", "smoke"),
    "service": ("serve",),
}


REGISTRY = ("register", "promote", "release_production", "release_roll_back")


def test_the_environment_that_moves_production_has_what_its_commands_import() -> None:
    assert "click" in loaded(import_with("registry", *(f"lockgate.cli.{module}" for module in REGISTRY)))


@pytest.mark.parametrize("lock", MODULES)
def test_an_environment_has_what_its_commands_import(lock: str) -> None:
    assert "click" in loaded(import_with(lock, *(f"lockgate.cli.{module}" for module in MODULES[lock])))


@pytest.mark.parametrize("lock", MODULES)
def test_what_an_environment_does_not_have_is_refused_here(lock: str) -> None:
    assert {"mlflow", "dvc", "evidently", "lightgbm", "sklearn"} <= absent_modules(lock)
    assert "mlflow is not installed here" in import_with(lock, "mlflow").stderr
