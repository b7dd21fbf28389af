"""Running `dvc repro` and telling what each stage did."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.files import write_file
from lockgate.config.layout import PARAMS
from lockgate.config.params import read_params
from lockgate.config.yaml_file import read_yaml
from lockgate.data.download import is_url
from lockgate.documents.reproduction_json import StageRun
from lockgate.dvc.child_process import ANEW, SECONDS_VARIABLE, ProcessResult, run_child, seconds_limit
from lockgate.dvc.stages import (
    DVC_YAML,
    PREPARE,
    entry_names,
    fit_stages,
    kit_stages,
    read_needs,
    read_pipeline,
    unwatched_files,
)

NOT_FOR_STAGES = ("DVC_ROOT", "DVC_STAGE", "LOCKGATE_DVC_CONFIG", "PYTHONSAFEPATH")
LOCAL_FILES = "/cache\n/tmp\n/config.local\n"


def make_repository(folder: Path, cache: Path | None = None) -> None:
    """Make `folder` a DVC repository if it is none; with `cache`, one that shares this cache and what lies beside it.

    `config.local` is there: what this machine alone knows of a remote, such as how to log in.
    """
    settings = folder / ".dvc"
    settings.mkdir(exist_ok=True)
    if not (settings / "config").exists():
        inside = subprocess.run(["git", "rev-parse"], cwd=folder, capture_output=True, check=False)  # noqa: S607
        without_git = "    no_scm = true\n" if inside.returncode != 0 else ""
        (settings / "config").write_text(f"[core]\n    analytics = false\n{without_git}")
        (settings / ".gitignore").write_text(LOCAL_FILES)
    if cache:
        local = configparser.RawConfigParser()
        local.read(cache.parent / "config.local", encoding="utf-8")
        local.read_dict({"cache": {"dir": str(cache.resolve())}})
        with (settings / "config.local").open("w", encoding="utf-8") as stream:
            local.write(stream)


def write_local_settings(folder: Path, text: str) -> None:
    """Write `.dvc/config.local`, which git does not have and nobody else may read."""
    make_repository(folder)
    file = folder / ".dvc/config.local"
    file.touch(mode=0o600)
    file.write_text(f"{text.rstrip()}\n", encoding="utf-8")


def reproduce_stages(
    folder: Path,
    targets: tuple[str, ...],
    environment: Mapping[str, str],
    show: Callable[[str], None],
    *,
    anew: bool = False,
) -> list[StageRun]:
    """`dvc repro` of the targets (all stages where there is none), in the order in which stages were looked at.

    With `anew` the targets run whether or not something changed; what they need does not.

    What is missing comes from cache or remote, and no stage uses what is not as dvc.lock says. A stage that fails does not
    stop those that do not need it; which failed is in the answer, never an exception.
    Raises InputError where there is no DVC, where DVC cannot read the project, where a remote refuses or does not
    answer, and where data differ from their hash.
    """
    seconds_limit()  # one that is no number is refused before anything runs
    with tempfile.TemporaryDirectory(prefix="lockgate-dvc-") as name:
        file = Path(name, "result.json")
        code = run_child(
            [*dvc_python(), "-m", "lockgate.dvc.stage_process", str(file), *((ANEW,) if anew else ()), *targets],
            show,
            folder=folder,
            environment={**environment, "PYTHONUNBUFFERED": "1"},
        )
        if not file.exists():
            raise InputError(f"DVC ended with exit code {code}; its message is above")
        result = msgspec.json.decode(file.read_bytes(), type=ProcessResult)
    if result.problem:
        raise InputError(result.problem)
    return list(result.stages)


def update_imports(names: Sequence[str], show: Callable[[str], None]) -> None:
    """Bring imported data up to date, by the names of their `.dvc` files; `show` gets what DVC says.

    Raises InputError where DVC cannot, or waits for longer than LOCKGATE_DVC_SECONDS.
    """
    for name in names:
        limit = seconds_limit()
        try:
            code = run_child([*dvc_python(), "-m", "dvc", "update", "--", name], show, seconds=limit)
        except TimeoutError:
            raise InputError(
                f"`dvc update` of `{name}` took longer than {limit:g} s; check that its source answers, or give it longer "
                f"with {SECONDS_VARIABLE}"
            ) from None
        if code != 0:
            raise InputError(f"`dvc update` failed for `{name}`; its message is above")


def dvc_python() -> list[str]:
    """The Python that has DVC. Raises InputError where it is not installed."""
    if not is_installed("dvc"):
        raise InputError(f"DVC is not installed; {how_to_install('dvc')}")
    # -P: no folder of the project answers for a package of DVC's.
    return [sys.executable, "-P"]


def stage_environment() -> dict[str, str]:
    """The environment for a project's stages: `python` and `lockgate` are those that run here.

    What DVC or an action set for this process is not for the project's own code.
    """
    kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_STAGES}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def fit_project(folder: Path) -> list[str]:
    """Make the project's `dvc.yaml` watch the files and parameters that its params.yaml names; the kit's stages where
    there is none.

    Returns a line for each data file that DVC does not watch.
    """
    file = folder / DVC_YAML
    needs, prepare = read_needs(folder), read_params(folder / PARAMS).prepare
    if file.exists():
        read_yaml(file)  # one clear line where it cannot be read
    before = file.read_text(encoding="utf-8") if file.exists() else None
    after = fit_stages(before or kit_stages(), needs)
    if after != before:
        write_file(file, after.encode())
    named = {"prepare.source": prepare.source, "prepare.current": prepare.current or ""}
    others = {key: name for key, name in named.items() if is_url(name) and key not in needs.watched}
    stage = read_pipeline(file).stage(PREPARE)
    return [
        f"{key} is a URL, whose content DVC does not watch; add it to the deps of `{PREPARE}` in {DVC_YAML} where its server "
        "gives an etag, or fetch it with `dvc import-url`, and name the file"
        for key in unwatched_files(entry_names(stage.deps) if stage else [], others)
    ]


def reproduce_project(
    folder: Path,
    show: Callable[[str], None],
    targets: tuple[str, ...] = (),
    cache: Path | None = None,
    *,
    anew: bool = False,
) -> list[StageRun]:
    """Run the stages of the project in `folder`; without a `dvc.yaml` there, the kit's.

    `cache` is the folder of DVC's cache where it is not the project's own. With `anew` the targets run whether or not
    DVC sees that something changed.
    """
    make_repository(folder, cache)
    for line in fit_project(folder):
        show(line)
    return reproduce_stages(folder, targets, stage_environment(), show, anew=anew)
