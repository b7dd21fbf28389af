"""Which kinds of model there are: the one table that a new kind is entered into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named, is_installed
from lockgate.model.protocol import TrainedModel


@dataclass(frozen=True)
class Flavour:
    """A kind of model: its name in `train.model`, where its code is, and what it needs.

    `native` is the bundle's file with the model in the library's own form; `library` is imported by that code, and is
    installed by one of `packages`, which the extra `extra` of this package brings.
    """

    name: str
    module: str
    implementation: str
    native: str
    library: str
    packages: tuple[str, ...]
    extra: str

    def load(self) -> type[TrainedModel]:
        """The implementation; raises InputError naming the extra where its library is not installed."""
        if not self.is_installed():
            raise InputError(
                f"a model of the kind {self.name} needs the package {self.library}, which is not installed; "
                f"run pip install 'lockgate[{self.extra}]'"
            )
        with extras_named():
            found: type[TrainedModel] = getattr(import_module(self.module), self.implementation)
        return found

    def is_installed(self) -> bool:
        """Whether the library is there, without importing it."""
        return is_installed(self.library)


FLAVOURS: Mapping[str, Flavour] = {
    one.name: one
    for one in (
        Flavour(
            name="xgboost",
            module="lockgate.model.flavours.xgboost",
            implementation="XGBoostModel",
            native="model.json",
            library="xgboost",
            packages=("xgboost-cpu", "xgboost"),
            extra="xgboost-cpu",
        ),
        Flavour(
            name="lightgbm",
            module="lockgate.model.flavours.lightgbm",
            implementation="LightGBMModel",
            native="model.txt",
            library="lightgbm",
            packages=("lightgbm",),
            extra="lightgbm",
        ),
        Flavour(
            name="scorecard",
            module="lockgate.model.flavours.scorecard",
            implementation="ScorecardModel",
            native="scorecard.json",
            library="sklearn",
            packages=("scikit-learn",),
            extra="scorecard",
        ),
    )
}


def native_flavour(files: Mapping[str, bytes]) -> Flavour | None:
    """The flavour of a bundle's files: the one whose native file is among them, if its library is installed."""
    found = next((one for one in FLAVOURS.values() if one.native in files), None)
    return found if found and found.is_installed() else None


def native_model(files: Mapping[str, bytes], threads: int | None = None) -> TrainedModel | None:
    """The model in a bundle's files in its library's own form; None where `native_flavour` is."""
    flavour = native_flavour(files)
    return flavour.load().from_files(files, threads) if flavour else None


def installed_libraries() -> dict[str, str]:
    """The installed packages that train models, with their versions."""
    found = {}
    for package in (package for one in FLAVOURS.values() for package in one.packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
