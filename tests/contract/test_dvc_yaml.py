"""dvc.yaml names everything a stage depends on, and dvc.lock is of the tree as it is."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
STAGES = ("prepare", "train", "evaluate", "drift")


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(ROOT / name)
    return document


def module_file(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def imported(path: Path) -> set[Path]:
    """Files of this project that `path` imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {file for name in names if name.startswith("pipeline") and (file := module_file(name))}
    return found


def needed(stage: str) -> set[Path]:
    """All files of this project that the stage's command can run."""
    found: set[Path] = set()
    waiting = {ROOT / f"pipeline/{stage}.py"}
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported(file) - found
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_it_runs(stage: str) -> None:
    dependencies = [ROOT / dependency for dependency in load("dvc.yaml")["stages"][stage]["deps"]]
    missing = [
        str(file.relative_to(ROOT))
        for file in sorted(needed(stage))
        if file.name != "__init__.py" and not any(file == one or one in file.parents for one in dependencies)
    ]
    assert not missing, f"add these, or their folder, to the deps of the stage {stage} in dvc.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_folder_that_it_does_not_use(stage: str) -> None:
    code = needed(stage)
    for dependency in load("dvc.yaml")["stages"][stage]["deps"]:
        path = ROOT / dependency
        if dependency.startswith("pipeline/"):
            assert path in code or any(path in file.parents for file in code), f"{dependency} is not used"


@pytest.mark.parametrize("stage", STAGES)
def test_the_locked_results_are_of_the_files_and_parameters_as_they_are(stage: str) -> None:
    """Stale: run `dvc repro` and commit dvc.lock."""
    locked = load("dvc.lock")["stages"][stage]
    params = load("params.yaml")
    for file, values in locked.get("params", {}).items():
        assert file == "params.yaml"
        for key, value in values.items():
            current = params
            for part in key.split("."):
                current = current[part]
            assert current == value, f"dvc.lock is stale: {key} of stage {stage} changed; run `dvc repro`"
    results = {out["path"]: out["md5"] for one in load("dvc.lock")["stages"].values() for out in one["outs"]}
    for dependency in locked["deps"]:
        now = results.get(dependency["path"]) or md5(ROOT / dependency["path"])
        assert now == dependency["md5"], (
            f"dvc.lock is stale: {dependency['path']} changed; run `dvc repro` and commit it"
        )


def md5(path: Path) -> str:
    """What DVC calls a file's or a folder's md5."""
    if path.is_file():
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    entries = [
        {"md5": md5(file), "relpath": file.relative_to(path).as_posix()}
        for file in path.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"
