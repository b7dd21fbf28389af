"""Running `dvc repro` and telling what each stage did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.dvc.stages import DVC_YAML, KIT, kit_identity, project_stages

How = Literal["ran", "restored", "unchanged", "failed"]
_SAYS: tuple[tuple[re.Pattern[str], How], ...] = (
    (re.compile(r"^Running stage '([^']+)'"), "ran"),
    (re.compile(r"^Stage '([^']+)' is cached"), "restored"),
    (re.compile(r"^Stage '([^']+)' didn't change"), "unchanged"),
    (re.compile(r"^(?:ERROR: )?[Ff]ailed to reproduce '([^']+)'"), "failed"),
)
LOCAL_FILES = "/cache\n/tmp\n/config.local\n"


@dataclass(frozen=True)
class Stage:
    """What one stage did, and the seconds it took by the clock."""

    name: str
    how: How
    seconds: float

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


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
) -> list[Stage]:
    """`dvc repro` of the targets (all stages where there is none), in the order in which stages were looked at.

    A stage that fails does not stop those that do not need it; which failed is in the answer, never an exception.
    Raises InputError where there is no `dvc` to run.
    """
    program = shutil.which("dvc", path=environment.get("PATH"))
    if program is None:
        raise InputError("there is no program `dvc`; install the kit's environment `pipeline`")
    command = [program, "repro", "--keep-going", *(["--pull"] if has_remote(folder) else []), *targets]
    begun: list[tuple[str, How, float]] = []
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
        Stage(name, "failed" if name in failed else how, end - start)
        for (name, how, start), end in zip(begun, ends, strict=True)
    ]
    never_begun = sorted(failed - {name for name, _, _ in begun})
    if process.returncode != 0 and not failed:
        never_begun = ["dvc"]
    stages += [Stage(name, "failed", 0.0) for name in never_begun]
    return stages


def process_environment(folder: Path, kits_own: bool) -> dict[str, str]:
    """The environment for a project's stages; in a checkout of the kit itself its own code answers, not the installed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DVC_ROOT")}
    return {**environment, **({"PYTHONPATH": str(folder.resolve())} if kits_own else {})}


def is_kit(folder: Path) -> bool:
    """Whether `folder` is a checkout of the kit, whose stages depend on the code beside them."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return False
    return project.get("name") == "lockgate" and (folder / "lockgate/cli/main.py").is_file()


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
