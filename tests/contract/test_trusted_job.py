"""A job whose token may write or sign, or that decides, executes what came by hash and nothing that another run left.

Every job of every workflow is walked through the kit's own composite actions: zizmor does not look into those.
"""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
MODULES = (
    "lockgate.cli.comment",
    "lockgate.github.cml",
    "lockgate.ci.pr_comment.artifact",
    "lockgate.ci.pr_comment.post",
    "lockgate.github.comments",
    "lockgate.github.artifacts",
    "lockgate.github.runs",
    "lockgate.report.markdown",
)
HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "xgboost", "mlflow", "matplotlib", "dvc", "pydantic", "onnx"}

SHELL = "/bin/bash -p -e -o pipefail {0}"
# Jobs that decide, though their token only reads.
DECIDING = {"judge", "gate", "production"}
# Actions of others that execute nothing of what they fetch. pypi-publish runs in a container of its own.
HARMLESS = {
    "actions/checkout",
    "actions/upload-artifact",
    "actions/download-artifact",
    "actions/attest",
    "docker/login-action",
}
# Actions of the kit that can run the project's code, and then hand the caller's whole environment on.
RUNS_THE_PROJECT = {"train", "drift-report"}
# A file of the checkout or an artifact where a command stands, and what runs a project's stages.
EXECUTES = re.compile(
    r"""(?:^|[;&|(]\s*|\b(?:then|else|do|exec|env|timeout\s\S+)\s+)(?:\w+=\S*\s+)*(?:
        (?:\./|\.\./|scripts/|pipeline/|app/|models/|reports/|\.ci/)
        |(?:bash|sh|source|\.|eval|python3?|pip|pipx|uv|npm|npx|node|make|dvc)\s
        |"\$BIN/(?!(?:lockgate|uv)")
        |"\$BIN/lockgate"\s(?:prepare|train|reproduce|ci\s(?:train|reproduce-champion|drift))\b
    )""",
    re.VERBOSE | re.MULTILINE,
)

ENGINE = {"engine", "scheduler", "LOCKGATE_ENGINE", "LOCKGATE_SCHEDULER"}

Document = dict[str, Any]


class Step(NamedTuple):
    """A step that a job reaches, itself or through an action of the kit, with that action's name."""

    action: str
    step: Document


def load(path: Path) -> Document:
    found: Document = YAML(typ="safe", pure=True).load(path)
    return found


def action_of(name: str) -> Document:
    return load(ROOT / ".github/actions" / name / "action.yml")


def reached(steps: list[Document], action: str = "", inputs: Document | None = None) -> Iterator[Step]:
    """The steps and those of the kit's actions among them; not those that an input given here switches off."""
    for step in steps:
        switched_off = any(
            inputs is not None and name in inputs and "${{" not in inputs[name] and inputs[name] != wanted
            for name, wanted in re.findall(r"(?:^|&& )inputs\.([\w-]+) == '([^']*)'(?= &&|$)", step.get("if", ""))
        )
        if switched_off:
            continue
        yield Step(action, step)
        uses = step.get("uses", "")
        if uses.startswith("$/.github/actions/"):
            name = uses.removeprefix("$/.github/actions/")
            called = action_of(name)
            defaults = {key: str(entry.get("default", "")) for key, entry in called.get("inputs", {}).items()}
            given = {key: str(value) for key, value in step.get("with", {}).items()}
            yield from reached(called["runs"]["steps"], name, defaults | given)


def is_trusted(name: str, job: Document) -> bool:
    return "steps" in job and (name in DECIDING or "write" in job.get("permissions", {}).values())


def problems(job: Document) -> list[str]:
    """What is wrong with a job that has to be trusted."""
    found = []
    if job.get("cache-mode") != "none":
        found.append("has no `cache-mode: none`")
    for action, step in reached(job["steps"]):
        uses, given = step.get("uses", ""), step.get("with", {})
        if uses == "$/.github/actions/setup-dvc":
            if given.get("cache") != "false" or given.get("dvc-cache") != "false":
                found.append("gives setup-dvc a cache")
            if job["runs-on"] != "ubuntu-24.04":
                found.append("needs the Python of ubuntu-24.04")
        elif uses.startswith("$/"):
            if ENGINE & {*given, *step.get("env", {})}:
                found.append(f"works through a scheduler: {uses}")
            # The action that measures drift prepares the batch itself where no other job has.
            prepares = uses == "$/.github/actions/drift-report" and not given.get("measured")
            if uses == "$/.github/actions/train" or prepares:
                found.append(f"runs the project's code: {uses}")
        elif uses and uses.split("@")[0] not in HARMLESS:
            found.append(f"uses {uses}")
        # Settings of a change could name a scheduler, and what comes from one is unpickled.
        environment = step.get("env", {})
        measures = action in ("quality-gate", "drift-report") and "LOCKGATE_BIN" in environment
        if measures and environment.get("LOCKGATE_ENGINE") != "local":
            found.append(f"may work through a scheduler: {action}")
        if not action and (match := EXECUTES.search(step.get("run", ""))):
            found.append(f"executes {match[0]!r}")
    return found


JOBS = {
    f"{path.name}: {name}": job
    for path in WORKFLOWS
    for name, job in load(path)["jobs"].items()
    if is_trusted(name, job)
}


@pytest.mark.parametrize("name", JOBS)
def test_a_trusted_job_executes_only_what_came_by_hash(name: str) -> None:
    assert not problems(JOBS[name])


def _step(step: Document) -> Callable[[Document], None]:
    return lambda job: job["steps"].append(step)


def _setup(**values: str) -> Callable[[Document], None]:
    def change(job: Document) -> None:
        job["steps"].append(
            {"uses": "$/.github/actions/setup-dvc", "with": {"cache": "false", "dvc-cache": "false"} | values}
        )

    return change


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize(
    "change",
    [
        lambda job: job.pop("cache-mode"),
        lambda job: job.update({"cache-mode": "read"}),
        _setup(cache="true"),
        _setup(cache="${{ inputs.cache }}"),
        _setup(**{"dvc-cache": "true"}),
        _step({"uses": "$/.github/actions/setup-dvc"}),
        _step({"uses": "actions/cache/restore@27d5ce7f107fe9357f9df03efb73ab90386fccae"}),
        _step({"uses": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97"}),
        _step({"uses": "actions/setup-node@820762786026740c76f36085b0efc47a31fe5020"}),
        _step({"uses": "./.github/actions/setup-dvc"}),
        _step({"uses": "$/.github/actions/train"}),
        _step({"uses": "$/.github/actions/drift-report", "with": {"measured": ""}}),
        _step({"uses": "$/.github/actions/quality-gate", "with": {"engine": "dask"}}),
        _step({"uses": "$/.github/actions/quality-gate", "env": {"LOCKGATE_SCHEDULER": "tcp://dask.internal:8786"}}),
        _step({"run": "./run"}),
        _step({"run": 'if true; then scripts/image build; fi'}),
        _step({"run": "python pipeline/train.py"}),
        _step({"run": '"$BIN/python" models/load.py'}),
        _step({"run": 'A=1 "$BIN/lockgate" reproduce prepare'}),
        _step({"run": "cat reports/run | bash -s"}),
    ],
)  # fmt: skip
def test_every_way_out_of_it_is_seen(name: str, change: Callable[[Document], None]) -> None:
    job = copy.deepcopy(JOBS[name])
    change(job)
    assert problems(job)


def test_setup_dvc_reaches_no_cache_without_one() -> None:
    """And does with one, so that the walk sees what it looks for."""
    for cache, expected in (
        ("false", set()),
        ("true", {"actions/cache/restore", "actions/cache/save", "actions/setup-python"}),
    ):
        steps = reached([{"uses": "$/.github/actions/setup-dvc", "with": {"cache": cache, "dvc-cache": cache}}])
        assert {step["uses"].split("@")[0] for _, step in steps if "@" in step.get("uses", "")} == expected


class TestShell:
    """What .github/actions/README.md says under "What an earlier step can reach"."""

    @pytest.mark.parametrize(
        "path", sorted(ROOT.glob(".github/actions/*/action.yml")), ids=lambda path: path.parent.name
    )
    def test_a_step_of_an_action_runs_with_what_is_known(self, path: Path) -> None:
        for step in load(path)["runs"]["steps"]:
            if "run" not in step:
                continue
            assert step["shell"] == SHELL
            if path.parent.name not in RUNS_THE_PROJECT:
                prefix = r'exec "\$GITHUB_ACTION_PATH/\.\./clean-environment" "\$GITHUB_ACTION_PATH/run\.sh"( [a-z-]+)?'
                assert re.fullmatch(prefix, step["run"])
                assert {name: step["env"].get(name) for name in ("LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD")} == {
                    "LD_AUDIT": "", "LD_LIBRARY_PATH": "", "LD_PRELOAD": ""
                }  # fmt: skip

    @pytest.mark.parametrize("path", [path for path in WORKFLOWS if path.name != "ci.yml"], ids=lambda path: path.name)
    def test_so_does_every_step_of_a_workflow(self, path: Path) -> None:
        document = load(path)
        steps = [step for job in document["jobs"].values() for step in job.get("steps", []) if "run" in step]
        assert not steps or document["defaults"] == {"run": {"shell": SHELL}}
        assert not [step for step in steps if "shell" in step]


def test_nothing_of_an_earlier_step_passes_but_what_is_known(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fake = tmp_path / "fakes/env"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch {mark}\n")
    fake.chmod(0o755)
    hostile = {
        "BASH_ENV": str(fake), "ENV": str(fake), "SHELLOPTS": "xtrace", "PS4": f"$(touch {mark})",
        "BASH_FUNC_exec%%": f"() {{ touch {mark}; }}", "BASH_FUNC_read%%": f"() {{ touch {mark}; }}", "odd.name": "1",
        "PYTHONPATH": str(fake.parent), "PYTHONSTARTUP": str(fake), "NODE_OPTIONS": "--require=x", "OPENSSL_CONF": "x",
        "GIT_CONFIG_COUNT": "1", "GIT_DIR": "x", "AWS_CONFIG_FILE": "x", "PATH": f"{fake.parent}:/usr/bin:/bin",
    }  # fmt: skip
    kept = {
        "GITHUB_SHA": "1",
        "LOCKGATE_NAME": "two\nlines=2",
        "HTTPS_PROXY": "http://proxy",
        "MLFLOW_TRACKING_URI": "x",
    }
    ran = subprocess.run(
        [ROOT / ".github/actions/clean-environment", "/usr/bin/env", "-0"],
        env=hostile | kept,
        capture_output=True,
        check=True,
    )
    assert not mark.exists()
    seen = dict(entry.split("=", 1) for entry in ran.stdout.decode().split("\0") if entry)
    assert seen.items() >= kept.items()
    assert seen.keys() - kept.keys() <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert seen["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_what_it_runs_imports_nothing_that_trains() -> None:
    code = f"import sys, importlib; [importlib.import_module(name) for name in {MODULES!r}]; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & {name.split(".")[0] for name in answer.stdout.split()}


def test_the_comment_waits_for_the_workflow_that_measures() -> None:
    trigger = load(ROOT / ".github/workflows/pr-comment.yml")["on"]
    assert list(trigger) == ["workflow_run"]
    assert trigger["workflow_run"]["workflows"] == [load(ROOT / ".github/workflows/pr.yml")["name"]]


@pytest.mark.parametrize("name", ["pr-comment.yml", "comment.yml"])
def test_the_comment_checks_nothing_of_the_change_out(name: str) -> None:
    path = ROOT / ".github/workflows" / name
    assert "checkout" not in path.read_text()
    for job in load(path)["jobs"].values():
        assert {key for key, value in job["permissions"].items() if value == "write"} == {"pull-requests"}


def test_where_the_code_of_a_pull_request_runs_nothing_can_be_written() -> None:
    for name in ("pr.yml", "model.yml"):
        path = ROOT / ".github/workflows" / name
        for job in load(path)["jobs"].values():
            assert set(job.get("permissions", {}).values()) <= {"read"}
        assert "secrets." not in path.read_text()
