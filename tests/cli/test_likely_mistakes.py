"""The likeliest mistakes, and word for word what is said of each: what is wrong, where, and how to fix it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import copy_project
from support import edit_params, invoke, write_params

from lockgate.dvc.reproduce import make_repository

ROOT = Path(__file__).parents[2]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PREPARE: dict[str, Any] = {"source": "loans.csv", "target": "default", "id_columns": ["loan"]}
WITHOUT_FASTAPI = (
    "import sys; sys.modules['fastapi'] = None; from lockgate.cli.main import main; main(prog_name='lockgate')"
)


@dataclass(frozen=True)
class Mistake:
    """Somebody makes it in an empty folder or, with `is_trained`, in a project that passed its gate, and runs a command."""

    make: Callable[[Path], object]
    command: str
    says: str
    code: int = 2
    is_trained: bool = False


def loans(
    labels: str = "0 1 0", name: str = "loans.csv", prepare: dict[str, Any] | None = None
) -> Callable[[Path], None]:
    """A table whose outcomes are `labels`, over and over, and the params.yaml of a project on it."""

    def make(folder: Path) -> None:
        found = labels.split()
        rows = [f"L{at},{1000 + at * 7 % 900},{found[at % len(found)]}" for at in range(300)]
        (folder / name).write_text("\n".join(["loan,income,default", *rows, ""]))
        write_params(folder, {"prepare": {**PREPARE, **(prepare or {})}})

    return make


def scores(header: str, *rows: str) -> Callable[[Path], object]:
    """A table of predictions."""
    return lambda folder: (folder / "scores.csv").write_text("\n".join([header, *rows, ""]))


def content(name: str, text: str) -> Callable[[Path], object]:
    """A file of the project as somebody left it."""

    def make(folder: Path) -> None:
        loans()(folder)
        (folder / name).write_text(text)

    return make


def params(**sections: dict[str, Any]) -> Callable[[Path], None]:
    """A change of params.yaml after the model was trained."""
    return lambda folder: edit_params(folder, **sections)


def gone(name: str) -> Callable[[Path], object]:
    """A file or folder that was never made."""

    def make(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return make


MISTAKES = {
    "the table's path is wrong": Mistake(
        loans(name="loan.csv"),
        "prepare",
        "prepare.source: loans.csv does not exist; check the path (from the folder of the command)",
    ),
    "the predictions' path is wrong": Mistake(
        lambda _: None, "gate --predictions scores.csv", "Invalid value for '--predictions': File 'scores.csv' does not exist."
    ),
    "in another folder": Mistake(
        lambda _: None, "train", "params.yaml does not exist; run in the folder of params.yaml or name one with --params"
    ),
    "the command is misspelt": Mistake(lambda _: None, "gaet", "there is no command `gaet`; did you mean `gate`?"),
    "the target is misspelt": Mistake(
        loans(prepare={"target": "defualt"}),
        "prepare",
        "loans.csv: column `defualt` of prepare.target is not there; did you mean `default`?",
    ),
    "the identifier is not there": Mistake(
        loans(prepare={"id_columns": ["customer"]}),
        "prepare",
        "loans.csv: column `customer` of prepare.id_columns is not there; known are `loan`, `income`, `default`",
    ),
    "three outcomes": Mistake(
        loans("good bad late"),
        "prepare",
        "loans.csv: target `default` has 3 classes, 'bad' (100), 'good' (100), 'late' (100); say in prepare.classes which are "
        "positive, which negative, and which rows are left_out",
    ),
    "one outcome": Mistake(
        loans("0"),
        "prepare",
        "loans.csv: target `default` has 1 class, '0' (300); a model learns from two, the event and its opposite; check "
        "prepare.target, and that the table has both",
    ),
    "yes and no": Mistake(
        loans("no yes no"),
        "prepare",
        "loans.csv: target `default` has the classes 'no' and 'yes'; say in prepare.positive which one is the event",
    ),
    "the event is misspelt": Mistake(
        loans("paid unpaid paid", prepare={"positive": "Unpayed"}),
        "prepare",
        "loans.csv: prepare.positive is 'Unpayed', but target `default` has 'paid' and 'unpaid'; name one of them",
    ),
    "an empty table": Mistake(
        content("loans.csv", ""), "prepare", "prepare.source: loans.csv is empty; it needs a header and rows"
    ),
    "git-lfs left its pointer": Mistake(
        content("loans.csv", POINTER),
        "prepare",
        "prepare.source: loans.csv is a git-lfs pointer, not the data; fetch the data: git lfs pull",
    ),
    "a tab in params.yaml": Mistake(
        content("params.yaml", "prepare:\n\tsource: loans.csv\n"),
        "prepare",
        "params.yaml line 2 is not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not with "
        "tabs",
    ),
    "two branches in params.yaml": Mistake(
        content("params.yaml", "train:\n<<<<<<< HEAD\n  seed: 1\n=======\n  seed: 2\n>>>>>>> other\n"),
        "prepare",
        "params.yaml line 3 is not valid YAML: could not find expected ':'; a merge left both sides of a conflict there, from line "
        "2 on: keep one",
    ),
    "a key is misspelt": Mistake(
        content("params.yaml", "train: {max_dept: 3}\n"),
        "prepare",
        "params.yaml: unknown key `train.max_dept`; did you mean `max_depth`?",
    ),
    "a text where a number belongs": Mistake(
        content("params.yaml", "train: {learning_rate: small}\n"),
        "prepare",
        "params.yaml: `train.learning_rate`: input should be a valid number, not the text 'small'",
    ),
    "not trained": Mistake(
        gone("models"),
        "evaluate",
        "models/manifest.json does not exist; make it with `lockgate train` or `lockgate reproduce`, or bring it with `lockgate "
        "pull` or `dvc checkout`",
        is_trained=True,
    ),
    "not evaluated": Mistake(
        gone("reports/predictions.parquet"),
        "gate",
        "reports/predictions.parquet does not exist; run `lockgate evaluate` (or `dvc repro`) to make it",
        is_trained=True,
    ),
    "not trained again": Mistake(
        params(train={"max_depth": 4}),
        "evaluate",
        "the bundle is stale: train.max_depth is 4 in params.yaml, the bundle was trained with 3; run `lockgate reproduce`",
        is_trained=True,
    ),
    "not judged again": Mistake(
        params(evaluate={"floors": {"roc_auc": 0.71}}),
        "register",
        "gate.json is a verdict under another policy than params.yaml (policy differs); run `lockgate gate` again",
        is_trained=True,
    ),
    "served without a model": Mistake(
        gone("models"),
        "serve",
        "models/manifest.json does not exist; make it with `lockgate train` or `lockgate reproduce`, or bring it with `lockgate "
        "pull` or `dvc checkout`",
        is_trained=True,
    ),
    "served without a verdict": Mistake(
        gone("reports/gate.json"),
        "serve",
        "models/gate.json does not exist; run `lockgate gate` (or `lockgate pull`), or serve it all the same with --allow-ungated",
        is_trained=True,
    ),
    "outside git": Mistake(
        lambda _: None,
        "champion --base main",
        "this folder is in no git repository, and so has no base commit; run in a clone of the project",
        is_trained=True,
    ),
    "the version is not there": Mistake(
        lambda _: None,
        "promote 7",
        "credit-default-classifier has no version 7; known at sqlite:///{folder}/mlflow.db: none",
        is_trained=True,
    ),
    "two branches in dvc.lock": Mistake(
        content("dvc.lock", "<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> other\n"),
        "reproduce",
        "dvc.lock line 2 is not valid YAML: mapping values are not allowed here; a merge left both sides of a conflict there, from "
        "line 1 on: keep one",
    ),
    "scores as percentages": Mistake(
        scores("y_true,y_score", *(f"{at % 2},{at / 4}" for at in range(400))),
        "gate --predictions scores.csv",
        "scores.csv: column `y_score` must hold probabilities from 0 to 1, none missing, but row 6 holds '1.25' (395 such); "
        "correct the table",
    ),
    "columns of other names": Mistake(
        scores("label,score", *(f"{at % 2},{at / 400}" for at in range(400))),
        "gate --predictions scores.csv",
        "scores.csv: column `y_true` is missing; name the column of the outcomes (1 the event) `y_true` and the one of its "
        "probabilities `y_score`; known are `label`, `score`",
    ),
    "two rows": Mistake(
        scores("y_true,y_score", "0,0.1", "1,0.9"),
        "gate --predictions scores.csv --first-model",
        "the gate says block: rows: 198 more are needed to judge a model; bring a larger test set, or lower gate.sample; rows of "
        "the rarer class: 49 more are needed to judge a model; bring a larger test set, or lower gate.sample",
        code=3,
    ),
}  # fmt: skip


def last_line(folder: Path, *command: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of a command in a process of its own, and the last line that it printed, the only one of an error."""
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    return ended.returncode, error_line(ended.stderr)


def error_line(stderr: str) -> str:
    lines = stderr.splitlines()
    assert [line for line in lines if line.lower().startswith(("error:", "traceback"))] == lines[-1:], stderr
    return lines[-1]


def serve(folder: Path, *options: str) -> tuple[int, str]:
    """It changes the process that it runs in, and so has one of its own."""
    return last_line(folder, sys.executable, "-m", "lockgate", "serve", *options)


def lockgate(folder: Path, *arguments: str) -> tuple[int, str]:
    ended = invoke(folder, *arguments)
    return ended.exit_code, error_line(ended.stderr)


@pytest.fixture
def trained(trained_project: Path, tmp_path: Path) -> Path:
    return copy_project(trained_project, tmp_path / "project")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_said(mistake: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = MISTAKES[mistake]
    folder = request.getfixturevalue("trained") if made.is_trained else tmp_path
    made.make(folder)
    command, *options = made.command.split()
    ended = serve(folder, *options) if command == "serve" else lockgate(folder, command, *options)
    assert ended == (made.code, f"Error: {made.says.format(folder=folder)}")


def test_a_port_that_is_taken(trained: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        line = f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"
        assert serve(trained, "--port", port) == (2, line)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        (
            "http://127.0.0.1:9",
            "MLflow at http://127.0.0.1:9 failed: Connection refused; check MLFLOW_TRACKING_URI and that the server is up",
        ),
        (
            "http://mlflow.example.com",
            "MLFLOW_TRACKING_URI is http://mlflow.example.com: over http anybody on the way reads the credentials and changes the "
            "model; give https://, or set LOCKGATE_MLFLOW_HTTP=1 where the network is your own",
        ),
    ],
)  # fmt: skip
def test_a_tracking_server_that_is_not_there_or_that_anybody_reads(
    trained: Path, monkeypatch: pytest.MonkeyPatch, uri: str, problem: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert lockgate(trained, "pull") == (2, f"Error: {problem}")


def test_an_extra_that_is_not_installed(trained: Path) -> None:
    line = "Error: this needs the package fastapi, which is not installed; run pip install 'lockgate[service]'"
    assert last_line(trained, sys.executable, "-c", WITHOUT_FASTAPI, "serve") == (2, line)


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    """Of a package that needs a newer one pip says so itself; in a clone scripts/environment does."""
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.10.12 ;; *) exit 1 ;; esac\n")
    old.chmod(0o755)
    line = "error: Python 3.10.12 is too old; Lockgate needs 3.11 or newer (name one in PYTHON)"
    assert last_line(ROOT, "scripts/environment", "pipeline", environment={"PYTHON": str(old)}) == (2, line)


@contextmanager
def dvc_at_work(folder: Path) -> Iterator[None]:
    """As another `dvc` command holds its lock."""
    from dvc.repo import Repo

    with Repo(str(folder)) as repo, repo.lock:
        yield


def test_another_dvc_at_work_in_the_folder(tmp_path: Path) -> None:
    loans()(tmp_path)
    make_repository(tmp_path)
    line = "Error: another DVC command is at work in this folder, or was killed; wait for it to end, and run this again"
    with dvc_at_work(tmp_path):
        assert lockgate(tmp_path, "reproduce", "prepare") == (2, line)
