"""Whether a project is in order: its stages watch what they need, for this kit's results, and its lock is fresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lockgate.config.layout import PARAMS
from lockgate.config.results import RESULTS
from lockgate.config.yaml_file import read_yaml
from lockgate.dvc.lock import stale_stages
from lockgate.dvc.stages import (
    DVC_YAML,
    KITS_NATIVE,
    PREPARE,
    Needs,
    entry_names,
    fit_stages,
    read_kit_stages,
    read_needs,
    stated_results,
    unwatched_files,
)

DVC_LOCK = Path("dvc.lock")


def project_problems(folder: Path) -> list[str]:
    """What is wrong with the project in `folder`, a line each with how to fix it. Nothing is run, no data need be there.

    Raises InputError where params.yaml, dvc.yaml or dvc.lock cannot be read.
    """
    needs = read_needs(folder)
    if not (folder / DVC_YAML).is_file():
        return [f"{DVC_YAML} does not exist; run `lockgate reproduce`, which writes the kit's stages"]
    problems = [*stage_problems((folder / DVC_YAML).read_text(encoding="utf-8"), read_yaml(folder / DVC_YAML), needs)]
    if not (folder / DVC_LOCK).is_file():
        return [*problems, f"{DVC_LOCK} does not exist; run `lockgate reproduce` and commit it"]
    return [*problems, *(f"{DVC_LOCK}: {line}; run `dvc repro` and commit it" for line in stale_stages(folder))]


def stage_problems(text: str, document: Mapping[str, Any], needs: Needs) -> Iterator[str]:
    """What is wrong with a `dvc.yaml`: its text and its content, beside the content of params.yaml."""
    stages, number = document.get("stages") or {}, stated_results(document)
    if number != RESULTS:
        found = "names no number of results" if number is None else f"is for the results {number}"
        yield f"{DVC_YAML} {found}, and this version of Lockgate makes results {RESULTS}; set `vars: [results: {RESULTS}]`"
    watched = needs.watched if PREPARE in stages else {}
    unwatched = unwatched_files(entry_names((stages.get(PREPARE) or {}).get("deps")), watched)
    for key in unwatched:
        yield f"{DVC_YAML}: {key} ({watched[key]}) is no dependency of `{PREPARE}`; run `lockgate reproduce`"
    if not unwatched and fit_stages(text, needs) != text:
        yield f"{DVC_YAML} watches other parameters or files than {PARAMS} names; run `lockgate reproduce`"
    for name, kits in read_kit_stages().items():
        yield from _missing_entries(name, kits, stages.get(name))


def _missing_entries(name: str, kits: Mapping[str, Any], own: Mapping[str, Any] | None) -> Iterator[str]:
    """What a stage of the kit's name does not have of the kit's stage; other stages are the project's own affair."""
    if own is None:
        return
    for key, what in (("deps", "does not depend on"), ("outs", "has no output"), ("metrics", "has no metrics")):
        for entry in entry_names(kits.get(key)):
            if entry not in (*entry_names(own.get(key)), *KITS_NATIVE):
                yield f"{DVC_YAML}: the stage `{name}` {what} {entry}; add it under its {key}"
