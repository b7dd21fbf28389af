"""What the action quality-gate decides before the gate does: the base commit, its policy, and where the champion is from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

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

    base: str | None  # the commit that the change is measured against
    begins: bool  # whether this push makes the default branch
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


def base_of(stated: str, branch: str, default_branch: str) -> tuple[str | None, bool]:
    """The base commit (None where there is none), and whether this push makes the default branch.

    A push that makes a branch comes from nowhere, which GitHub writes as zeros. The one that makes the default branch
    brings a repository's first model; any other could be a change that avoids the comparison.
    """
    if stated.strip("0"):
        return stated, False
    return None, bool(stated) and branch == default_branch


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
    first = change.first_model == "true"
    if change.first_model == "auto":
        first = change.begins or (change.base is not None and not base_has_params)
    if first:
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
    """The params.yaml of the working directory as it is in a commit; None where it has none there.

    Raises InputError where the commit is neither in this clone nor can be fetched.
    """
    here = _git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    if here.returncode != 0 and _git("fetch", "--quiet", "--depth=1", "origin", "--", commit).returncode != 0:
        raise InputError(
            f"the base commit `{commit}` is not in this clone and cannot be fetched; check out with `fetch-depth: 0`"
        )
    shown = _git("show", f"{commit}:./{PARAMS}")
    return shown.stdout if shown.returncode == 0 else None


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607
