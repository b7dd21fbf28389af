"""`lockgate doctor`: what stands in the way of a project on this machine, and how to fix it."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Literal, NamedTuple, get_args

import click

from lockgate.ci.callers import WORKFLOWS
from lockgate.cli.command import Command, say
from lockgate.config import layout
from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.extras import EXTRAS, how_to_install, is_installed
from lockgate.config.version import __version__
from lockgate.data.tables import read_stage_table
from lockgate.data.validation import Role
from lockgate.dvc.check import project_problems
from lockgate.dvc.child_process import run_child
from lockgate.dvc.lock import DVC_LOCK
from lockgate.dvc.reproduce import dvc_python
from lockgate.dvc.stages import DVC_YAML
from lockgate.engine.open_engine import engine_settings, open_engine
from lockgate.model.flavours.table import FLAVOURS
from lockgate.project import STAGE_DATA, Project
from lockgate.registry.mlflow_client import DATABASE, connect, tracking_uri

State = Literal["ok", "note", "broken"]
REMOTE_SECONDS = 60.0
GITHUB = "https://github.com"
CALL = re.compile(r"uses:\s*['\"]?([\w.-]+/[\w.-]+)/\.github/([\w./-]+)@([\w./-]+)")
OF_THE_KIT = {
    "workflows/model.yml",
    "workflows/retrain-model.yml",
}  # its repository is known by these, whatever its name
CALLED_ROOT_ACTION = re.compile(r"uses:\s*['\"]?[\w.-]+/lockgate@([\w./-]+)")
RUNNER = (2, 336, 0)  # the first that knows `$/` and cache-mode
RUNNER_PROGRAM = Path("bin/Runner.Listener")
RUNNER_SECONDS = 20.0
TOGETHER_WITH_EVIDENTLY = (3, 1)  # from this version of pandas on Evidently does not import


class Finding(NamedTuple):
    """What one check found; `text` ends with how to fix it where it is broken."""

    state: State
    text: str


@click.command(cls=Command)
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Look at packages, git, settings, stages, data, bundle, MLflow, DVC's remote, GitHub and workflows; change nothing.

    A line for each, with how to fix what is broken; then the exit code is 2. What is only noted works as it is. A remote of DVC,
    a scheduler of Dask, an MLflow server and GitHub are asked where the settings or the environment name them.

    \b
    Example:
        lockgate doctor
    """
    broken: set[str] = set()
    for subject, check in CHECKS.items():
        if "settings" in broken and subject in NEED_SETTINGS:
            continue
        for finding in _found(check):
            if finding.state == "broken":
                broken.add(subject)
            say(f"{subject:<12} {finding.state:<7} {finding.text}")
    if broken:
        ctx.exit(EXIT_BAD_INPUT)


def _found(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (InputError, GateBlockedError) as error:
        yield Finding("broken", " ".join(str(error).split()))


def _versions() -> Iterator[Finding]:
    yield Finding("ok", f"lockgate {__version__}, Python {python_version()}")
    if _version("xgboost") and _version("xgboost-cpu"):
        yield Finding(
            "broken",
            "xgboost and xgboost-cpu are the same module in one folder; run pip uninstall on both, install one",
        )
    pandas = _version("pandas") or ""
    if _version("evidently") and tuple(map(int, pandas.split(".")[:2])) >= TOGETHER_WITH_EVIDENTLY:
        yield Finding(
            "broken", f"Evidently does not import with pandas {pandas}; run pip install 'lockgate[evidently]'"
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _extras() -> Iterator[Finding]:
    model = Project().params_or_defaults.train.model
    needed = FLAVOURS[model].library if model in FLAVOURS else None
    modules = {**EXTRAS, **{one.library: one.extra for one in FLAVOURS.values()}}
    absent = sorted({extra for module, extra in modules.items() if not is_installed(module)})
    if needed and not is_installed(needed):
        yield Finding(
            "broken", f"train.model is {model}, which is not installed; run pip install 'lockgate[{modules[needed]}]'"
        )
    elif absent:
        yield Finding(
            "note", f"not installed: {', '.join(absent)}; pip install 'lockgate[NAME]' brings one that you need"
        )
    else:
        yield Finding("ok", "all are installed")


def _engine() -> Iterator[Finding]:
    chosen = engine_settings(Project().params_or_defaults.engine)
    if chosen.name == "local":
        yield Finding("ok", f"local: {chosen.workers} threads")
    elif not is_installed("distributed"):
        yield Finding("broken", f"engine.name is dask, which is not installed; {how_to_install('distributed')}")
    elif chosen.scheduler is None:
        yield Finding("ok", f"dask: a stage starts {chosen.workers} workers of {chosen.memory} here")
    else:
        with open_engine(chosen, lambda _: None) as engine:
            workers = engine.workers
        yield Finding(
            "ok", f"dask: {without_credentials(chosen.scheduler)} answers; its workers have {workers} threads"
        )


def _git() -> Iterator[Finding]:
    try:
        command = ["git", "rev-parse", "--is-shallow-repository"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        yield Finding("note", "git is not installed; the workflows and the champion of the base commit need it")
        return
    if asked.returncode != 0:
        yield Finding("note", "this folder is in no git repository; `git init` makes one")
    elif asked.stdout.strip() == "true":
        yield Finding("note", "a shallow clone: the base commit may not be here; `git fetch --unshallow` brings it")
    else:
        yield Finding("ok", "a repository with its history")


def _settings() -> Iterator[Finding]:
    if not layout.PARAMS.exists():
        yield Finding("note", f"{layout.PARAMS} is not here; `lockgate init FILE` writes one for a table")
        return
    prepare = Project().params.prepare
    yield Finding("ok", f"{layout.PARAMS}: source {safe_url(prepare.source)}, target {prepare.target}")
    exception = Project().params.gate.exception
    if exception is not None and Project().today > exception.until:
        yield Finding(
            "broken",
            f"gate.exception ended on {exception.until}, and the gate blocks; restore the thresholds and remove it, or have a "
            "later day approved",
        )
    elif exception is not None:
        yield Finding("note", f"gate.exception holds until {exception.until}, and the gate blocks from the day after")


def _stages() -> Iterator[Finding]:
    if not DVC_YAML.exists():
        yield Finding("note", f"{DVC_YAML} is not here; `lockgate reproduce` writes the kit's stages")
        return
    problems = project_problems(Path())
    yield from (Finding("broken", line) for line in problems)
    if not problems:
        yield Finding("ok", f"{DVC_YAML} and {DVC_LOCK} are in order")


def _data() -> Iterator[Finding]:
    if not layout.DATA_SCHEMA.exists():
        yield Finding("note", "no data are prepared; `lockgate prepare` does it")
        return
    schema = Project().schema
    roles: tuple[Role, ...] = get_args(Role)
    rows = {role: len(read_stage_table(STAGE_DATA[role], schema, role)) for role in roles}
    yield Finding(
        "ok", ", ".join(f"{count:,} {role}" for role, count in rows.items()) + f" rows that fit {layout.DATA_SCHEMA}"
    )


def _bundle() -> Iterator[Finding]:
    if not layout.MODELS.exists():
        yield Finding("note", "there is no bundle; `lockgate train` makes one")
        return
    project = Project()
    digest = project.bundle.digest[:12]
    stale = project.staleness.reasons
    yield from (
        Finding("broken", f"the bundle {digest} is stale: {reason}; run `lockgate reproduce`") for reason in stale
    )
    if not layout.GATE.exists():
        yield Finding("note", f"the bundle {digest} has no verdict; `lockgate gate` decides")
        return
    project.read_verdict().require_pass(project.bundle.digest, layout.GATE)
    if not stale:
        yield Finding("ok", f"the bundle {digest} passed its gate")


def _mlflow() -> Iterator[Finding]:
    stated = os.environ.get("MLFLOW_TRACKING_URI", "")
    shown = safe_url(tracking_uri(stated))
    if not is_installed("mlflow"):
        yield Finding("note", "MLflow is not installed; `train` and `register` need it")
    elif not stated and not DATABASE.exists():
        yield Finding("ok", f"{DATABASE} will be made by the first training; MLFLOW_TRACKING_URI names a server")
    else:
        connect()
        yield Finding("ok", f"{shown} answers")


def _remote() -> Iterator[Finding]:
    settings = configparser.RawConfigParser()
    try:
        settings.read([".dvc/config", ".dvc/config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"DVC's settings cannot be read: {error}; correct .dvc/config and .dvc/config.local") from None
    name = settings.get("core", "remote", fallback=None)
    if name is None:
        yield Finding(
            "note",
            "DVC has no default remote: data are in git, or only here; `dvc remote add --default NAME URL` adds one",
        )
        return
    url = settings.get(f"'remote \"{name}\"'", "url", fallback="")
    said: list[str] = []
    try:
        code = run_child([*dvc_python(), "-m", "dvc", "status", "--cloud"], said.append, seconds=REMOTE_SECONDS)
    except TimeoutError:
        raise InputError(
            f"the remote {name} ({safe_url(url)}) does not answer within {REMOTE_SECONDS:g} s; check it"
        ) from None
    if code != 0:
        last = next((line for line in reversed(said) if line.startswith("ERROR")), "DVC gave no reason")
        raise InputError(
            f"the remote {name} ({safe_url(url)}) cannot be asked: {last}; check .dvc/config and your credentials"
        )
    absent = [line for line in said if line.strip().startswith("new:")]
    if absent:
        yield Finding(
            "note",
            f"the remote {name} lacks {len(absent)} of the files here, or cannot be reached; `dvc push` sends them or says why",
        )
    else:
        yield Finding("ok", f"the remote {name} ({safe_url(url)}) answers")


def _github() -> Iterator[Finding]:
    server = os.environ.get("GITHUB_SERVER_URL", GITHUB)
    if server != GITHUB:
        texts = _workflow_texts()
        calls = bool(_calls_of_the_kit(texts)) or any("$/" in text for text in texts.values())
        yield Finding(
            "broken" if calls else "note",
            f"{safe_url(server)} is GitHub Enterprise Server: it knows neither `$/` nor cache-mode, and refuses artifacts of "
            "version 4 and later; call the root action there, and run the workflows on github.com",
        )
    names = ("GITHUB_TOKEN", "GH_TOKEN")
    if not (os.environ.get("GITHUB_REPOSITORY") and any(os.environ.get(name) for name in names)):
        yield Finding("note", f"not asked: set GITHUB_REPOSITORY and {' or '.join(names)} to check what a token may")
        return
    if not is_installed("github"):
        yield Finding("note", "not asked: run pip install 'lockgate[github]'")
        return
    # Its package is an extra, which no other check needs.
    from lockgate.github.client import asking, open_repository, settings_from_environment

    with asking("look at the repository"):
        repository = open_repository(settings_from_environment())
        may = repository.permissions
    if may.push:
        yield Finding("ok", f"the token may write to {repository.full_name}")
    else:
        yield Finding(
            "note", f"the token may read {repository.full_name}; comments, issues and releases need one that may write"
        )


def _workflow_texts() -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8", errors="replace") for file in sorted(WORKFLOWS.glob("*.y*ml"))}


def _calls_of_the_kit(texts: Mapping[Path, str]) -> set[tuple[str, str]]:
    """The names of the workflows that call the kit's, each with the ref that it calls."""
    found = [(file.name, *call.groups()) for file, text in texts.items() for call in CALL.finditer(text)]
    kits = {repository for _, repository, path, _ in found if path in OF_THE_KIT}
    return {(name, ref) for name, repository, _, ref in found if repository in kits or repository.endswith("/lockgate")}


def _workflows() -> Iterator[Finding]:
    texts = _workflow_texts()
    if not texts:
        yield Finding("note", f"{WORKFLOWS}/ is empty; `lockgate init FILE --callers OWNER/NAME` writes the callers")
        return
    called = _calls_of_the_kit(texts)
    for ref in sorted({ref for _, ref in called}):
        names = ", ".join(sorted(name for name, one in called if one == ref))
        if re.fullmatch(r"[0-9a-f]{40}", ref):
            yield Finding("ok", f"{names}: the kit at the commit {ref[:12]}")
        elif re.fullmatch(r"v\d+\.\d+\.\d+.*", ref):
            state: State = "ok" if ref == f"v{__version__}" else "note"
            yield Finding(
                state, f"{names}: the kit at {ref}" + ("" if state == "ok" else f", and here it is {__version__}")
            )
        else:
            yield Finding("broken", f"{names}: the kit at {ref}, which moves; name a commit's SHA or a version")
    for name, ref in sorted(
        {(file.name, match[1]) for file, text in texts.items() for match in CALLED_ROOT_ACTION.finditer(text)}
    ):
        yield Finding("ok", f"{name}: the root action at {ref}")
    if "$/" in "".join(texts.values()):
        yield Finding("ok", "workflows of the kit's own repository: they call the commit that they are of")
    if not called and not any(CALLED_ROOT_ACTION.search(text) or "$/" in text for text in texts.values()):
        yield Finding(
            "note", f"none in {WORKFLOWS}/ calls the kit; `lockgate init FILE --callers OWNER/NAME` writes the callers"
        )
    yield from _runner(any(re.search(r"runs-on:.*self-hosted", text) for text in texts.values()))


def _runner(is_of_ones_own: bool) -> Iterator[Finding]:
    """What is known of the runner: the version of this machine's, where it is one, else what those of a workflow have to be."""
    least = ".".join(map(str, RUNNER))
    temporary = os.environ.get("RUNNER_TEMP")
    program = Path(temporary).parents[1] / RUNNER_PROGRAM if temporary and len(Path(temporary).parts) > 2 else None
    if program is not None and program.is_file():
        command = [str(program), "--version"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUNNER_SECONDS).stdout  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            told = ""
        if found := re.match(r"(\d+)\.(\d+)\.(\d+)", told):
            is_new = tuple(map(int, found.groups())) >= RUNNER
            shown = f"this runner is of version {found[0]}"
            if is_new:
                yield Finding("ok", shown)
            else:
                yield Finding(
                    "broken", f"{shown}, which knows neither `$/` nor cache-mode; update it to {least} or newer"
                )
            return
    if is_of_ones_own:
        yield Finding(
            "note", f"self-hosted runners have to be of version {least} or newer; update those that are older"
        )


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "versions": _versions,
    "git": _git,
    "settings": _settings,
    "extras": _extras,
    "engine": _engine,
    "stages": _stages,
    "data": _data,
    "bundle": _bundle,
    "mlflow": _mlflow,
    "dvc remote": _remote,
    "github": _github,
    "workflows": _workflows,
}
NEED_SETTINGS = {"extras", "engine", "stages", "bundle"}  # what is wrong with params.yaml is said once
