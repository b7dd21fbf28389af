"""Which kinds of model there are: the one table that a new kind is entered into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named, is_installed
from lockgate.documents.schema_json import Schema
from lockgate.model.flavours.native_form import HOW_TO_FIX, read_form
from lockgate.model.protocol import NativeForm, TrainedModel


@dataclass(frozen=True)
class Flavour:
    """A kind of model: its name in `train.model`, where its code is (module:class), and what it needs.

    `model` trains with `library`, which is installed by one of `packages`, which the extra `extra` of this package
    brings. `native` is the bundle's file with the model in the library's own form; `form` reads it and explains, without
    the library. `in_parts` and `on_workers` train on rows that no memory holds, here and on Dask's workers, where the kind can.
    """

    name: str
    model: str
    form: str
    native: str
    library: str
    packages: tuple[str, ...]
    extra: str
    in_parts: str | None = None
    on_workers: str | None = None

    def load(self) -> type[TrainedModel]:
        """The implementation; raises InputError naming the extra where its library is not installed."""
        found: type[TrainedModel] = self.load_code(self.model)
        return found

    def load_code(self, name: str) -> Any:
        """What `model`, `in_parts` or `on_workers` names; raises as `load` does."""
        if not self.is_installed():
            raise InputError(
                f"a model of the kind {self.name} needs the package {self.library}, which is not installed; "
                f"run pip install 'lockgate[{self.extra}]'"
            )
        with extras_named():
            return _imported(name)

    def is_installed(self) -> bool:
        """Whether the library is there, without importing it."""
        return is_installed(self.library)


FLAVOURS: Mapping[str, Flavour] = {
    one.name: one
    for one in (
        Flavour(
            name="xgboost",
            model="lockgate.model.flavours.xgboost:XGBoostModel",
            form="lockgate.model.flavours.xgboost_json:XGBoostForm",
            native="model.json",
            library="xgboost",
            packages=("xgboost-cpu", "xgboost"),
            extra="xgboost-cpu",
            in_parts="lockgate.model.flavours.xgboost_blocks:fit_from_disk",
            on_workers="lockgate.model.flavours.xgboost_dask:fit_on_workers",
        ),
        Flavour(
            name="lightgbm",
            model="lockgate.model.flavours.lightgbm:LightGBMModel",
            form="lockgate.model.flavours.lightgbm_text:LightGBMForm",
            native="model.txt",
            library="lightgbm",
            packages=("lightgbm",),
            extra="lightgbm",
        ),
        Flavour(
            name="scorecard",
            model="lockgate.model.flavours.scorecard:ScorecardModel",
            form="lockgate.model.flavours.scorecard_points:ScorecardForm",
            native="scorecard.json",
            library="sklearn",
            packages=("scikit-learn",),
            extra="scorecard",
        ),
    )
}


def native_flavour(files: Iterable[str]) -> Flavour | None:
    """The flavour whose native file is among the names; raises InputError where several are."""
    found = [one for one in FLAVOURS.values() if one.native in files]
    if len(found) > 1:
        raise InputError(f"a bundle has one of {' and '.join(one.native for one in found)}, not both; {HOW_TO_FIX}")
    return found[0] if found else None


def require_same_model(files: Mapping[str, bytes], served: bytes, schema: bytes, folder: Path) -> NativeForm | None:
    """The native form among a bundle's files, the same model as `served`, its model.onnx; None where there is none.

    It is converted anew, and has to give `served` byte for byte: our own converter writes every byte, so that this needs
    no library, and holds wherever a bundle is read.
    Raises InputError where the form is damaged, or another model.
    """
    flavour = native_flavour(files)
    if flavour is None:
        return None
    kind: type[NativeForm] = _imported(flavour.form)
    features = Schema.read(schema, folder / "schema.json").features
    form = read_form(kind, files[flavour.native], features, folder / flavour.native)
    if form.onnx() != served:
        raise InputError(
            f"{folder / flavour.native} is not the model in model.onnx: converted anew it gives another one, so what "
            f"explains would not be what scores; {HOW_TO_FIX}"
        )
    return form


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def installed_libraries() -> dict[str, str]:
    """The installed packages that train models, with their versions."""
    found = {}
    for package in (package for one in FLAVOURS.values() for package in one.packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
