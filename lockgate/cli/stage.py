"""The options of a stage, as the project that they name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from lockgate.cli.command import params_option, results_option
from lockgate.project import Project


def stage_options(stage: Callable[..., None]) -> Callable[..., None]:
    """Gives a Click command `--params` and `--results`, and the function that it runs the project as first argument."""

    @params_option
    @results_option
    @wraps(stage)
    def command(params_path: Path, **options: Any) -> None:
        stage(Project(settings=params_path), **options)

    return command
