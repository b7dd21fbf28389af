"""Tracking and registry on a real MLflow server that keeps its own artifacts, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from conftest import Run
from postgresql import postgresql
from support import assert_refused, edit_params, invoke, succeed, tree

from lockgate.model.bundle import verify_bundle
from lockgate.registry.promotions import read_promotions

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        with mlflow_server(folder, f"sqlite:///{folder / 'server.db'}") as url:
            yield url
    else:
        with postgresql(free_port()) as database, mlflow_server(folder, database) as url:
            yield url


def documented_command(stated: dict[str, str]) -> list[str]:
    """`mlflow server` as docs/registry.md has it, with these values of its options."""
    found = re.search(r"^mlflow server .*?[^\\]$", (ROOT / "docs/registry.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    words = shlex.split(found.group().replace("\\\n", " "))
    for option, value in stated.items():
        words[words.index(f"--{option}") + 1] = value
    return words


@contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[str]:
    port = free_port()
    stated = {"port": str(port), "backend-store-uri": database, "artifacts-destination": str(folder / "store")}
    process = subprocess.Popen(
        [sys.executable, "-m", *documented_command(stated)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/health", process)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=120)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert process.poll() is None, "the MLflow server ended by itself"
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError("the MLflow server does not answer")


def test_train_register_promote_and_pull(
    project: Path, run: Run, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    edit_params(project, gate={"champion": {"margins": {"roc_auc": 0.1}}})
    for command in (["train"], ["evaluate"], ["gate"], ["register", "--promote"]):
        succeed(run(*command))
    first = verify_bundle(project / "models").digest
    edit_params(project, train={"seed": 7})
    for command in (["train"], ["evaluate"], ["gate"], ["register"]):
        succeed(run(*command))
    second = verify_bundle(project / "models").digest
    assert second != first

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(project / "params.yaml", elsewhere)
    succeed(invoke(elsewhere, "pull"))
    assert verify_bundle(elsewhere / "models").digest == first
    assert "compared with version 1: roc_auc differs by" in succeed(run("promote", "2")).stdout
    succeed(invoke(elsewhere, "pull"))
    assert verify_bundle(elsewhere / "models").digest == second
    assert "rollback" in succeed(invoke(elsewhere, "promote", "1")).stdout
    assert "champion is version 2" in succeed(run("register", "--promote")).stdout

    # From two machines, which share no lock.
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "lockgate", "promote", number],
            cwd=elsewhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / number)},
        )
        for number in ("1", "2")
        if (tmp_path / number).mkdir() is None
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    mlflow.set_tracking_uri(server)
    client = mlflow.MlflowClient()
    promotions = read_promotions(client, "credit-default-classifier")
    champion = client.get_model_version_by_alias("credit-default-classifier", "champion")
    assert promotions[-1].version == int(champion.version)
    assert [promotion.version for promotion in promotions[:4]] == [1, 2, 1, 2]


@pytest.mark.full
def test_machines_that_share_a_server_count_the_same_decisions(
    project: Path, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    edit_params(project, register={"model_name": "counted"})
    elsewhere = Path(shutil.copytree(project, tmp_path / "elsewhere"))
    for _ in range(2):
        succeed(invoke(project, "gate"))
    assert wear(project)["models"] == 1
    (elsewhere / "reports/test_set_history.json").unlink()
    edit_params(elsewhere, train={"seed": 11})
    for command in ("train", "evaluate", "gate"):
        succeed(invoke(elsewhere, command))
    assert wear(elsewhere)["models"] == 2
    (project / "reports/test_set_history.json").unlink()
    succeed(invoke(project, "gate"))
    assert wear(project)["models"] == 2


def wear(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "reports/gate.json").read_text())["test_set"]
    return found


@pytest.mark.full
def test_a_server_that_never_answers_is_given_up_within_a_minute(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        before = tree(project)
        started = time.monotonic()
        assert_refused(run("register"), "MLflow at http://127.0.0.1", "MLFLOW_TRACKING_URI")
        assert time.monotonic() - started < 60
        assert tree(project) == before
