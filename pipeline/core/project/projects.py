"""Reproducing a project in a folder, whoever made its `dvc.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.core.common.files import write_file
from pipeline.core.project.reproduction import (
    Stage,
    is_kit,
    make_repository,
    process_environment,
    reproduce_stages,
)
from pipeline.core.project.stages import DVC_YAML, KIT, kit_identity, project_stages


def reproduce_project(
    folder: Path,
    kit_yaml: Path | None,
    show: Callable[[str], None],
    targets: tuple[str, ...] = (),
    cache: Path | None = None,
) -> list[Stage]:
    """Run the stages of the project in `folder`; without a `dvc.yaml` there, those of `kit_yaml`.

    `cache` is the folder of DVC's cache where it is not the project's own.
    """
    make_repository(folder, cache)
    if kit_yaml and not (folder / DVC_YAML).exists():
        write_file(folder / KIT, kit_identity())
        write_file(folder / DVC_YAML, project_stages(kit_yaml, folder))
    return reproduce_stages(folder, targets, process_environment(folder, is_kit(folder)), show)
