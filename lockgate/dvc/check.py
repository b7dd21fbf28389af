"""Whether a project is in order: its stages watch what they need, for this kit's results, and its lock is fresh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lockgate.config.layout import PARAMS
from lockgate.config.results_number import RESULTS
from lockgate.dvc.lock import DVC_LOCK, differing_files, other_bytes_line, read_lock, stale_stages
from lockgate.dvc.stages import (
    DVC_YAML,
    KITS_NATIVE,
    PREPARE,
    Needs,
    Pipeline,
    Stage,
    entry_names,
    fit_stages,
    read_kit_stages,
    read_needs,
    read_pipeline,
    unwatched_files,
)


def project_problems(folder: Path) -> list[str]:
    """What is wrong with the project in `folder`, a line each with how to fix it. Nothing is run, no data need be there.

    Raises InputError where params.yaml, dvc.yaml or dvc.lock cannot be read.
    """
    needs = read_needs(folder)
    if not (folder / DVC_YAML).is_file():
        return [f"{DVC_YAML} does not exist; run `lockgate reproduce`, which writes the kit's stages"]
    pipeline = read_pipeline(folder / DVC_YAML)
    problems = [*stage_problems((folder / DVC_YAML).read_text(encoding="utf-8"), pipeline, needs)]
    if not (folder / DVC_LOCK).is_file():
        return [*problems, f"{DVC_LOCK} does not exist; run `lockgate reproduce` and commit it"]
    problems += [f"{DVC_LOCK}: {line}; run `dvc repro` and commit it" for line in stale_stages(folder)]
    for path, found, locked in differing_files(read_lock(folder / DVC_LOCK), folder):
        problems.append(f"{other_bytes_line(path, found, locked, DVC_LOCK)}; delete it and run `lockgate reproduce`")
    return problems


def stage_problems(text: str, pipeline: Pipeline, needs: Needs) -> Iterator[str]:
    """What is wrong with a `dvc.yaml`: its text and its content, beside what the settings need."""
    if pipeline.results != RESULTS:
        found = "names no number of results" if pipeline.results is None else f"is for the results {pipeline.results}"
        yield f"{DVC_YAML} {found}, and this version of Lockgate makes results {RESULTS}; set `vars: [results: {RESULTS}]`"
    prepare = pipeline.stage(PREPARE)
    unwatched = unwatched_files(entry_names(prepare.deps), needs.watched) if prepare else []
    for key in unwatched:
        yield f"{DVC_YAML}: {key} ({needs.watched[key]}) is no dependency of `{PREPARE}`; run `lockgate reproduce`"
    if not unwatched and fit_stages(text, needs) != text:
        yield f"{DVC_YAML} watches other parameters or files than {PARAMS} names; run `lockgate reproduce`"
    for name, kits in read_kit_stages().items():
        if own := pipeline.stage(name):
            yield from _missing_entries(name, kits, own)


def _missing_entries(name: str, kits: Stage, own: Stage) -> Iterator[str]:
    """What a stage of the kit's name does not have of the kit's stage; other stages are the project's own affair."""
    for key, what, wanted, listed in (
        ("deps", "does not depend on", kits.deps, own.deps),
        ("outs", "has no output", kits.outs, own.outs),
        ("metrics", "has no metrics", kits.metrics, own.metrics),
    ):
        for entry in entry_names(wanted):
            if entry not in (*entry_names(listed), *KITS_NATIVE):
                yield f"{DVC_YAML}: the stage `{name}` {what} {entry}; add it under its {key}"
