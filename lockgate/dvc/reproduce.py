"""Running `dvc repro` and telling what each stage did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.files import write_file
from lockgate.config.layout import PARAMS
from lockgate.config.params import read_params
from lockgate.config.yaml_file import read_yaml
from lockgate.data.download import is_url
from lockgate.documents.reproduction_json import StageOutcome, StageRun
from lockgate.dvc.stages import DVC_YAML, fit_stages, kit_stages, read_needs

_SAYS: tuple[tuple[re.Pattern[str], StageOutcome], ...] = (
    (re.compile(r"^Running stage '([^']+)'"), "ran"),
    (re.compile(r"^Stage '([^']+)' is cached"), "restored"),
    (re.compile(r"^Stage '([^']+)' didn't change"), "unchanged"),
    (re.compile(r"^(?:ERROR: )?[Ff]ailed to reproduce '([^']+)'"), "failed"),
)
LOCAL_FILES = "/cache\n/tmp\n/config.local\n"


def make_repository(folder: Path, cache: Path | None = None) -> None:
    """Make `folder` a DVC repository if it is none, its cache the folder given."""
    settings = folder / ".dvc"
    settings.mkdir(exist_ok=True)
    if not (settings / "config").exists():
        inside = subprocess.run(["git", "rev-parse"], cwd=folder, capture_output=True, check=False)  # noqa: S607
        without_git = "    no_scm = true\n" if inside.returncode != 0 else ""
        (settings / "config").write_text(f"[core]\n    analytics = false\n{without_git}")
        (settings / ".gitignore").write_text(LOCAL_FILES)
    if cache:
        (settings / "config.local").write_text(f"[cache]\n    dir = {cache.resolve()}\n")


def has_remote(folder: Path) -> bool:
    """Whether a DVC remote is configured that missing data may come from."""
    files = (folder / ".dvc/config", folder / ".dvc/config.local")
    return any("[remote" in file.read_text().replace("['", "[") for file in files if file.exists())


def reproduce_stages(
    folder: Path, targets: tuple[str, ...], environment: Mapping[str, str], show: Callable[[str], None]
) -> list[StageRun]:
    """`dvc repro` of the targets (all stages where there is none), in the order in which stages were looked at.

    A stage that fails does not stop those that do not need it; which failed is in the answer, never an exception.
    Raises InputError where there is no `dvc` to run.
    """
    command = [*dvc_program(), "repro", "--keep-going", *(["--pull"] if has_remote(folder) else []), *targets]
    begun: list[tuple[str, StageOutcome, float]] = []
    failed: set[str] = set()
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            show(line.rstrip("\n"))
            for pattern, how in _SAYS:
                if match := pattern.match(line):
                    if how == "failed":
                        failed.add(match[1])
                    else:
                        begun.append((match[1], how, time.monotonic()))
    ends = [start for _, _, start in begun[1:]] + [time.monotonic()]
    stages = [
        StageRun(name, "failed" if name in failed else how, round(end - start, 1))
        for (name, how, start), end in zip(begun, ends, strict=True)
    ]
    never_begun = sorted(failed - {name for name, _, _ in begun})
    if process.returncode != 0 and not failed:
        never_begun = ["dvc"]
    stages += [StageRun(name, "failed", 0.0) for name in never_begun]
    return stages


def update_imports(names: Sequence[str]) -> None:
    """Bring imported data up to date, by the names of their `.dvc` files; what DVC says goes to the output.

    Raises InputError where DVC cannot.
    """
    for name in names:
        ended = subprocess.run([*dvc_program(), "update", "--", name], check=False)  # noqa: S603
        if ended.returncode != 0:
            raise InputError(f"`dvc update` failed for `{name}`; its message is above")


def dvc_program() -> list[str]:
    """The command that runs DVC. Raises InputError where it is not installed."""
    if not is_installed("dvc"):
        raise InputError(f"DVC is not installed; {how_to_install('dvc')}")
    # -P: no folder of the project answers for a package of DVC's.
    return [sys.executable, "-P", "-m", "dvc"]


def stage_environment() -> dict[str, str]:
    """The environment for a project's stages: `python` and `lockgate` are those that run here.

    What DVC or an action set for this process is not for the project's own code.
    """
    kept = {
        name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DVC_STAGE", "PYTHONSAFEPATH")
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def fit_project(folder: Path) -> list[str]:
    """Make the project's `dvc.yaml` watch the files and parameters that its params.yaml names; the kit's stages where
    there is none.

    Returns a line for each data file that DVC cannot watch.
    """
    file = folder / DVC_YAML
    needs, prepare = read_needs(folder), read_params(folder / PARAMS).prepare
    if file.exists():
        read_yaml(file)  # one clear line where it cannot be read
    before = file.read_text(encoding="utf-8") if file.exists() else None
    after = fit_stages(before or kit_stages(), needs)
    if after != before:
        write_file(file, after.encode())
    return [
        f"{key} is a URL, whose content DVC does not watch; fetch it with `dvc import-url`, and name the file"
        for key, name in (("prepare.source", prepare.source), ("prepare.current", prepare.current or ""))
        if is_url(name)
    ]


def reproduce_project(
    folder: Path, show: Callable[[str], None], targets: tuple[str, ...] = (), cache: Path | None = None
) -> list[StageRun]:
    """Run the stages of the project in `folder`; without a `dvc.yaml` there, the kit's.

    `cache` is the folder of DVC's cache where it is not the project's own.
    """
    make_repository(folder, cache)
    for line in fit_project(folder):
        show(line)
    return reproduce_stages(folder, targets, stage_environment(), show)
