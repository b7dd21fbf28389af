"""What the action quality-gate decides before the gate does: the base commit's policy, and where the champion is from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lockgate.ci.base import Base
from lockgate.config.errors import InputError
from lockgate.config.layout import PARAMS

ChampionSource = Literal["base", "registry", "file", "none"]
FirstModel = Literal["auto", "true", "false"]
CHAMPION_SOURCES: tuple[ChampionSource, ...] = get_args(ChampionSource)
FIRST_MODEL: tuple[FirstModel, ...] = get_args(FirstModel)

# What the report says of a pipeline, and what of anybody's table of predictions.
TABLE_DOCUMENTS = ("gate.json", "metrics.json", "policy.json")
PIPELINE_DOCUMENTS = (*TABLE_DOCUMENTS, "drift.json", "train.json")
BUNDLE_DOCUMENTS = ("schema.json", "manifest.json")


@dataclass(frozen=True)
class Change:
    """What is judged: a table of predictions or else the project's bundle, and what the caller says of its champion."""

    base: Base  # the commit that the change is measured against
    predictions: Path | None
    champion: ChampionSource | None  # None: what the policy says
    champion_predictions: Path | None
    first_model: FirstModel
    weight: str | None = None  # the column of the table that says how much each row counts


@dataclass(frozen=True)
class Champion:
    """Where the gate has its champion from; all three unset means that the gate has to do without one, and may block."""

    first_model: bool = False
    predictions: Path | None = None
    scored: bool = False  # by `lockgate champion`, from the base commit or the registry


def require_consistent(change: Change) -> None:
    """Raises InputError where two inputs of the action contradict each other."""
    if change.champion == "file" and change.champion_predictions is None:
        raise InputError("`champion: file` needs the input `champion-predictions`")
    if change.champion == "base" and change.predictions is not None:
        raise InputError(
            "a table of predictions has no base commit's model; give `champion: file` and `champion-predictions`, or `none`"
        )


def champion_of(change: Change, base_has_params: bool) -> Champion:
    """Where the champion is from. `base_has_params`: whether the base commit has a params.yaml, so had a model."""
    nothing_before = change.base.is_known and not (change.base.commit and base_has_params)
    if change.first_model == "true" or (change.first_model == "auto" and nothing_before):
        return Champion(first_model=True)
    if change.champion_predictions is not None:
        return Champion(predictions=change.champion_predictions)
    return Champion(scored=change.predictions is None)


def documents_of(change: Change, reports: Path, models: Path) -> dict[str, Path]:
    """The JSON files that the report is made of, by their place in the artifact; those that are there.

    The files of a pipeline tell nothing about somebody's table.
    """
    names = TABLE_DOCUMENTS if change.predictions is not None else PIPELINE_DOCUMENTS
    found = {name: reports / name for name in names}
    if change.predictions is None:
        found |= {name: models / name for name in BUNDLE_DOCUMENTS}
    found |= {f"plots/{path.name}": path for path in sorted((reports / "plots").glob("*.json"))}
    return {name: path for name, path in found.items() if path.is_file()}


def params_at(commit: str) -> bytes | None:
    """The params.yaml of the working directory as it is in a commit that is here; None where it has none there."""
    shown = subprocess.run(["git", "show", f"{commit}:./{PARAMS}"], capture_output=True, check=False)  # noqa: S603, S607
    return shown.stdout if shown.returncode == 0 else None
