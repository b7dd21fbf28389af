"""Projects to run commands in: a small one is prepared, trained and evaluated once, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from support import SMALL, invoke, succeed, write_params

if TYPE_CHECKING:
    from fake_github import FakeGitHub

Run = Callable[..., Result]


@pytest.fixture(autouse=True, scope="session")
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks and downloads of the commands go where pytest's own files go, and go with them."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)  # for the processes that tests start
        patch.setattr("tempfile.tempdir", folder)
        yield


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's MLflow server, and no run of DVC around the tests, reaches them."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_STAGE", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on synthetic data, from prepare to gate; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_params(folder, SMALL)
        for command in ("prepare", "train", "evaluate", "gate"):
            succeed(invoke(folder, command))
    return folder


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project for one test."""
    return Path(shutil.copytree(trained_project, tmp_path / "project"))


@pytest.fixture
def run(project: Path) -> Run:
    """`run("gate", ...)` in the copy of the trained project."""
    return lambda *arguments: invoke(project, *arguments)


@pytest.fixture
def fake_github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """GitHub for one test, named in the environment that Actions gives. What GitHub would not take fails the test."""
    from fake_github import FakeGitHub

    with FakeGitHub() as fake:
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", fake.state["repository"])
        monkeypatch.setenv("GITHUB_TOKEN", "a-token-of-the-job")
        yield fake
    assert not fake.problems
