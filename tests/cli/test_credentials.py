"""A secret in every place where a URL can stand: nothing that a command prints or writes has it."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from conftest import Run
from support import SMALL, edit_params, invoke, tree, write_params

from lockgate.dvc.reproduce import make_repository
from lockgate.service.drift.nightly import NightlySource

SECRET = "s3cr@/et5"  # noqa: S105
PARTS = ("s3cr", "et5")


def assert_hidden(result: Result, folder: Path, *given: str) -> None:
    """No part of the secret is in what was printed, nor in a file but those `given` that it was read from."""
    for part in PARTS:
        assert part not in result.output
        assert not [name for name, content in tree(folder).items() if part.encode() in content and name not in given]


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401, f"no such token as {self.headers.get('Authorization')}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of a server: the files of a folder, or refusals."""
    handler = Refusing if request.param == "refusing" else functools.partial(Files, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:{}@127.0.0.1:9",
        "http://{}@127.0.0.1:9",
        "http://127.0.0.1:9/?token={}",
        "https://user:{}@mlflow.invalid:443/path",
        "postgresql://user:{}@db.invalid/mlflow",
        "sqlite:////dev/null/mlflow.db?password={}",
        "ftp://user:{}@mlflow.invalid",
    ],
)
def test_no_secret_of_mlflows_address_is_shown(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(SECRET))
    monkeypatch.setenv("LOCKGATE_MLFLOW_SECONDS", "10")
    with caplog.at_level(logging.WARNING):
        result = run("train")

    assert result.exit_code == 2, result.output
    assert "MLFLOW_TRACKING_URI" in result.stderr
    assert_hidden(result, project)
    assert not any(part in caplog.text for part in PARTS)


@pytest.mark.parametrize(
    "source",
    [
        "http://user:{}@127.0.0.1:9/loans.csv",
        "http://{}@127.0.0.1:9/loans.csv",
        "http://127.0.0.1:9/loans.csv?token={}",
        "http://127.0.0.1:9/loans.csv#{}",
        "s3://key:{}@bucket/loans.csv",
    ],
)
@pytest.mark.parametrize("key", ["source", "current"])
def test_no_secret_of_a_source_that_cannot_be_read_is_shown(
    project: Path, run: Run, source: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.data.download.TRIES", 1)
    edit_params(project, prepare={"target": "default", key: source.format(SECRET)})
    result = run("prepare")

    assert result.exit_code == 2, result.output
    assert_hidden(result, project, "params.yaml")


@pytest.mark.parametrize("server", ["files"], indirect=True)
def test_no_secret_of_a_source_goes_on_to_bundle_verdict_report_or_registry(server: str, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    table = pd.DataFrame({"income": random.normal(size=1500).round(2), "age": random.integers(20, 70, 1500)})
    table["defaulted"] = (random.random(1500) < 1 / (1 + np.exp(1 + 2 * table["income"]))).astype(int)
    table.to_csv(tmp_path / "loans.csv", index=False)
    folder = tmp_path / "project"
    folder.mkdir()
    source = f"http://{server}/loans.csv?token={'/'.join(PARTS)}"
    write_params(folder, {"prepare": {"source": source, "target": "defaulted"}, "train": SMALL["train"]})
    for command in ("prepare", "train", "evaluate", "gate", "drift", "report", "register"):
        result = invoke(folder, command)
        assert result.exit_code in (0, 3), result.output
        assert_hidden(result, folder, "params.yaml")
    assert f'"http://{server}/loans.csv"' in (folder / "data/schema.json").read_text()


@pytest.mark.parametrize("server", ["refusing"], indirect=True)
@pytest.mark.parametrize(
    "address", ["http://user:{secret}@{server}", "http://{server}/?token={secret}", "ftp://{secret}@{server}"]
)
def test_no_secret_of_githubs_address_nor_the_token_is_shown(
    server: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_s3cr0123456789abcdefet5")
    monkeypatch.setenv("GITHUB_API_URL", address.format(secret=SECRET, server=server))
    outputs = tmp_path / "outputs"
    result = invoke(tmp_path, "comment", "--run-id", "1", "--outputs", str(outputs))

    assert result.exit_code == 2, result.output
    assert "note=" in outputs.read_text()
    assert_hidden(result, tmp_path)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_secret_of_a_proxy_is_shown(project: Path, run: Run, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.data.download.TRIES", 1)
    monkeypatch.setenv(variable, f"http://user:{SECRET}@127.0.0.1:9")
    edit_params(project, prepare={"target": "default", "source": "http://data.invalid/loans.csv"})
    result = run("prepare")

    assert result.exit_code == 2, result.output
    assert_hidden(result, project)


@pytest.mark.parametrize("url", ["http://user:{}@127.0.0.1:9", "http://127.0.0.1:9/?token={}", "ftp://{}@127.0.0.1"])
def test_no_secret_of_a_services_address_is_shown(project: Path, run: Run, url: str) -> None:
    assert_hidden(run("smoke", url.format(SECRET), "--wait", "0"), project)


@pytest.mark.parametrize("location", ["http://user:{}@127.0.0.1:9/drift.json", "http://127.0.0.1:9/?sig={}"])
def test_no_secret_of_the_drift_that_a_service_reads_is_shown(location: str) -> None:
    source = NightlySource(location.format(SECRET), 60.0)
    source.read()

    assert source.latest.problem
    assert not any(part in source.latest.problem for part in PARTS)


@pytest.mark.parametrize("url", ["http://user:{}@127.0.0.1:9/store", "http://127.0.0.1:9/store?token={}"])
def test_no_secret_of_a_dvc_remote_is_shown(tmp_path: Path, url: str) -> None:
    write_params(tmp_path, {})
    (tmp_path / "loans.csv").write_text("a,b\n1,2\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp loans.csv out\n    deps: [loans.csv]\n    outs: [out]\n"
    )
    make_repository(tmp_path)
    as_program(tmp_path, "dvc", "add", "--quiet", "loans.csv")
    for gone in ("loans.csv", ".dvc/cache"):
        path = tmp_path / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    settings = tmp_path / ".dvc/config"
    remote = f"['remote \"store\"']\n    url = {url.format(SECRET)}\n"
    settings.write_text(settings.read_text().replace("[core]\n", "[core]\n    remote = store\n") + remote)
    ended = as_program(tmp_path, "lockgate", "reproduce")

    assert ended.returncode != 0
    assert "loans.csv" in ended.stderr + ended.stdout
    for part in PARTS:
        assert part not in ended.stdout + ended.stderr
        given = {".dvc/config"}
        assert not [name for name, content in tree(tmp_path).items() if part.encode() in content and name not in given]


def as_program(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, whose children write where it does."""
    environment = {**os.environ, "LOCKGATE_DVC_SECONDS": "60"}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
