"""The base install judges a table and compares two; whatever else a command needs, it names the extra that brings it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lockgate.cli.main import COMMANDS
from lockgate.config.extras import EXTRAS as OTHER_EXTRAS
from lockgate.model.flavours.table import FLAVOURS

EXTRAS = {**OTHER_EXTRAS, **{one.library: one.extra for one in FLAVOURS.values()}}
ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = {
    "arro3": "arro3-core",
    "github": "pygithub",
    "prometheus_client": "prometheus-client",
    "python_calamine": "python-calamine",
    "sklearn": "scikit-learn",
}
BROUGHT_BY_ANOTHER = {"starlette": "fastapi"}
# The file of a module that blocks the packages of the extras, as if none were installed.
WITHOUT = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
from lockgate.cli.main import main
main({arguments!r})
"""
# What such a program says of every command, as JSON: its exit code and its last line.
EVERY_COMMAND = """
import json, sys
for name in {blocked!r}:
    sys.modules[name] = None
from click.testing import CliRunner
from lockgate.cli.main import COMMANDS, main
arguments = {{"promote": ["1"], "comment": ["--run-id", "1"], "smoke": ["http://127.0.0.1:9"]}}
ended = {{name: CliRunner().invoke(main, [name, *arguments.get(name, [])]) for name in COMMANDS}}
print(json.dumps({{name: (one.exit_code, (one.output.splitlines() or [""])[-1]) for name, one in ended.items()}}))
"""
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"
SCORES = "y_true,y_score\n" + "".join(f"{at % 2},{(at * 37 % 100) / 200 + at % 2 / 3}\n" for at in range(600))


def lockgate_without(folder: Path, blocked: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the modules `blocked` are not installed."""
    code = WITHOUT.format(blocked=blocked, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("module", EXTRAS)
def test_the_extra_that_is_named_brings_the_package(module: str) -> None:
    package = PACKAGES.get(module, BROUGHT_BY_ANOTHER.get(module, module))
    brought = {re.split(r"[^a-z0-9-]", line)[0] for line in PROJECT["optional-dependencies"][EXTRAS[module]]}
    assert brought & {package, f"{package}-cpu"}
    assert package not in {re.split(r"[^a-z0-9.-]", line)[0] for line in PROJECT["dependencies"]}


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("xgboost", ["train"]),
        pytest.param("onnxruntime", ["train"], marks=pytest.mark.full),
        pytest.param("mlflow", ["train"], marks=pytest.mark.full),
        pytest.param("onnxruntime", ["evaluate"], marks=pytest.mark.full),
        pytest.param("mlflow", ["register"], marks=pytest.mark.full),
        ("mlflow", ["promote", "1"]),
        pytest.param("mlflow", ["pull"], marks=pytest.mark.full),
        ("fastapi", ["serve"]),
        ("httptools", ["serve"]),
        ("onnxruntime", ["serve"]),
        ("prometheus_client", ["serve"]),
        ("starlette", ["serve"]),
        ("uvicorn", ["serve"]),
        ("arro3", ["serve"]),
        ("cryptography", ["sign", "--key", "-----BEGIN PRIVATE KEY-----"]),
        pytest.param("cryptography", ["serve", "--require-signed", "--verify-key", PUBLIC_KEY], marks=pytest.mark.full),
        ("github", ["comment", "--run-id", "1"]),
        pytest.param("github", ["nightly", "--help"], marks=pytest.mark.full),
        pytest.param("github", ["release", "tag", "model-v1.0.0"], marks=pytest.mark.full),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_that_lacks_a_package_names_the_extra(project: Path, module: str, command: list[str]) -> None:
    ended = lockgate_without(project, [module], *command)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].endswith(f"; run pip install 'lockgate[{EXTRAS[module]}]'"), ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_command_of_the_base_install_ends_with_a_traceback(project: Path) -> None:
    """Each is run in a project that passed its gate: it does its work, or says in one line what it lacks."""
    code = EVERY_COMMAND.format(blocked=list(EXTRAS))
    ended = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    outcomes = json.loads(ended.stdout.splitlines()[-1])
    assert outcomes.keys() == COMMANDS.keys()
    assert {name: said for name, (exit_code, said) in outcomes.items() if exit_code == 1} == {}
    lacking = {
        name for name, (_, said) in outcomes.items() if re.search(r"; run pip install 'lockgate\[[a-z-]+\]'$", said)
    }
    assert lacking >= {"train", "evaluate", "register", "promote", "pull", "serve", "reproduce", "comment", "nightly"}


def test_what_is_served_is_evaluated_without_what_trained_it(project: Path) -> None:
    before = (project / "reports/metrics.json").read_bytes()
    (project / "reports/metrics.json").unlink()
    ended = lockgate_without(project, ["xgboost", "lightgbm", "onnx"], "evaluate")
    assert ended.returncode == 0, ended.stderr
    assert (project / "reports/metrics.json").read_bytes() == before


def test_the_base_install_judges_a_table_and_reports(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(SCORES)
    judged = lockgate_without(tmp_path, list(EXTRAS), "gate", "--predictions", "scores.csv", "--first-model")
    assert judged.returncode in (0, 3), judged.stderr
    assert json.loads((tmp_path / "reports/gate.json").read_text())["n"] == 600
    reported = lockgate_without(tmp_path, list(EXTRAS), "report")
    assert reported.returncode == 0, reported.stderr
    assert "goes without its plots; run pip install 'lockgate[plots]'" in reported.stderr
    assert (tmp_path / "reports/report.html").is_file()


def test_the_base_install_compares_two_tables(tmp_path: Path) -> None:
    (tmp_path / "before.csv").write_text(SCORES)
    (tmp_path / "after.csv").write_text(SCORES)
    ended = lockgate_without(tmp_path, list(EXTRAS), "drift", "--reference", "before.csv", "--current", "after.csv")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "reports/drift.json").read_text())["status"] == "stable"


def test_a_missing_module_of_nobodys_extra_stays_a_defect(project: Path) -> None:
    ended = lockgate_without(project, ["jinja2"], "report")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


@pytest.mark.parametrize(
    ("platform", "extra", "taken", "never"),
    [
        ("aarch64-apple-darwin", "all", "xgboost", "xgboost-cpu"),
        pytest.param("x86_64-pc-windows-msvc", "all", "xgboost-cpu", "xgboost", marks=pytest.mark.full),
        ("x86_64-unknown-linux-gnu", "all", "xgboost-cpu", "xgboost"),
        pytest.param("x86_64-unknown-linux-gnu", "xgboost", "xgboost", "xgboost-cpu", marks=pytest.mark.full),
    ],
)
def test_the_extras_resolve_on_every_system(platform: str, extra: str, taken: str, never: str) -> None:
    resolved = resolve(platform, extra)
    assert taken in resolved
    assert never not in resolved


def resolve(platform: str, extra: str) -> set[str]:
    """Names of the packages that `pip install lockgate[EXTRA]` takes there; wheels only, so nothing needs a compiler."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv
    command = [uv, "pip", "compile", "--quiet", "--python-platform", platform, "--python-version", "3.12"]
    command += ["--only-binary", ":all:", "--no-annotate", "--extra", extra, "pyproject.toml"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return {line.split("==")[0] for line in ended.stdout.splitlines() if "==" in line}
