"""Lockgate carries a binary classifier on tabular data from a file to a gated, registered, served and watched model.

This is the public Python interface. The functions take and give values (data frames, documents), know no paths and raise
`InputError` where something is wrong that the caller can fix:

    import lockgate

    params = lockgate.Params(prepare={"target": "defaulted"})
    dataset = lockgate.prepare(frame, params.prepare)
    trained = lockgate.train(dataset.train, dataset.schema, params)
    evaluation = lockgate.evaluate(trained.bundle, dataset.test, params)

`Project` reads and writes the files that the stages hand on. A name is imported when it is first used, so that
`import lockgate` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lockgate.config.version import __version__ as __version__

if TYPE_CHECKING:
    from lockgate.cli.command import Command as Command
    from lockgate.cli.stage import stage_options as stage_options
    from lockgate.config.errors import GateBlockedError as GateBlockedError
    from lockgate.config.errors import InputError as InputError
    from lockgate.config.params import Params as Params
    from lockgate.config.params import read_params as read_params
    from lockgate.data.dataset import Dataset as Dataset
    from lockgate.data.dataset import prepare as prepare
    from lockgate.data.tables import Table as Table
    from lockgate.gate.evaluation import Evaluation as Evaluation
    from lockgate.gate.evaluation import evaluate as evaluate
    from lockgate.model.bundle import Bundle as Bundle
    from lockgate.model.bundle import verify_bundle as verify_bundle
    from lockgate.model.training import Trained as Trained
    from lockgate.model.training import train as train
    from lockgate.project import Project as Project
    from lockgate.registry.register import register as register

_HOMES = {
    "Bundle": "lockgate.model.bundle",
    "Command": "lockgate.cli.command",
    "Dataset": "lockgate.data.dataset",
    "Evaluation": "lockgate.gate.evaluation",
    "GateBlockedError": "lockgate.config.errors",
    "InputError": "lockgate.config.errors",
    "Params": "lockgate.config.params",
    "Project": "lockgate.project",
    "Table": "lockgate.data.tables",
    "Trained": "lockgate.model.training",
    "evaluate": "lockgate.gate.evaluation",
    "prepare": "lockgate.data.dataset",
    "register": "lockgate.registry.register",
    "read_params": "lockgate.config.params",
    "stage_options": "lockgate.cli.stage",
    "train": "lockgate.model.training",
    "verify_bundle": "lockgate.model.bundle",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lockgate' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
