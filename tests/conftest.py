"""Projects to run commands in: a small one is prepared, trained and evaluated once, and copied for each test."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from click.testing import Result
from filelock import FileLock
from hypothesis import HealthCheck, settings
from support import FULL, SMALL, edit_params, invoke, succeed, write_params

if TYPE_CHECKING:
    from fake_github import FakeGitHub

Run = Callable[..., Result]
ROOT = Path(__file__).parents[1]
TRACKING_SERVER = "MLFLOW_TRACKING_URI"
WORKFLOW_SECONDS = 2_400  # several workflows in a test, on a machine that does other things too
LONGEST_FIRST = ("e2e", "integration", "cli", "api", "contract", "example", "unit")

# Few examples and always the same; in a full run many, and each time others.
SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("quick", max_examples=20, derandomize=True, **SETTINGS)
settings.register_profile("full", max_examples=100, **SETTINGS)
settings.load_profile("full" if FULL else "quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that no worker begins one of them when all else is done, and may take longer."""
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(ROOT / "tests").parts[0]))
    for item in items:
        if item.path.is_relative_to(ROOT / "tests/e2e"):
            item.add_marker(pytest.mark.timeout(WORKFLOW_SECONDS))


@pytest.fixture(autouse=True, scope="session")
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks and downloads of the commands go where pytest's own files go, and go with them."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)  # for the processes that tests start
        patch.setattr("tempfile.tempdir", folder)
        yield


@pytest.fixture(autouse=True, scope="module")
def _own_tracking_server() -> Iterator[None]:
    """What a file tells MLflow of its server is not for the next: MLflow keeps it in a variable of the environment as well."""
    before = os.environ.get(TRACKING_SERVER)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
    os.environ.pop(TRACKING_SERVER, None)
    if before is not None:
        os.environ[TRACKING_SERVER] = before


@pytest.fixture(autouse=True, scope="session")
def _programs_of_this_environment() -> Iterator[None]:
    """The commands that tests start are those of the Python that runs the tests, whether or not it was activated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_server() -> Iterator[None]:
    """Nobody's MLflow server, and no run of DVC around the tests, reaches them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_STAGE", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _environment_of_one_test() -> Iterator[None]:
    """What a test puts into the environment is gone after it: MLflow puts there the database that it was last given."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_evidently() -> Iterator[None]:
    """Importing it and drawing its page take longer than all else that `lockgate drift` does, in what tests share too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "evidently", None)
        yield


@pytest.fixture(autouse=True)
def _evidently_for_its_own_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("evidently"):
        monkeypatch.delitem(sys.modules, "evidently")
        monkeypatch.setitem(sys.modules, "evidently", evidently())


@cache
def evidently() -> ModuleType:
    """The package itself, once for all tests that draw its page."""
    return import_module("evidently")


@pytest.fixture(scope="session")
def trained_project(request: pytest.FixtureRequest) -> Path:
    """A project on synthetic data, from prepare to gate; not to be changed."""

    def make(project: Path) -> None:
        project.mkdir()
        write_params(project, SMALL)
        for command in ("prepare", "train", "evaluate", "gate"):
            succeed(invoke(project, command))

    return kept_project(request, "trained", make)


@pytest.fixture(scope="session")
def other_project(request: pytest.FixtureRequest, trained_project: Path) -> Path:
    """Another model of the same data, that passed its gate; not to be changed."""

    def make(project: Path) -> None:
        copy_project(trained_project, project)
        edit_params(project, train={"learning_rate": 0.2})
        for command in ("train", "evaluate", "gate"):
            succeed(invoke(project, command))

    return kept_project(request, "other", make)


def kept_project(request: pytest.FixtureRequest, name: str, make: Callable[[Path], None]) -> Path:
    """What `make` made, once for all workers; kept in pytest's cache for the next run while the kit is the same."""
    assert request.config.cache is not None
    kept = request.config.cache.mkdir("trained-projects")
    made = kept / f"{name}-{kit_content()}"
    with FileLock(kept / f"{name}.lock"):
        if not (made / "complete").exists():
            forget_old(kept)
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made / "project")
            (made / "complete").touch()
    return made / "project"


def kit_content() -> str:
    """A hash of everything that the trained project follows from."""
    files = [path for path in sorted((ROOT / "lockgate").rglob("*")) if path.suffix in (".py", ".j2", ".yaml", ".json")]
    found = hashlib.sha256(repr((SMALL, sys.version)).encode())
    for path in [*files, ROOT / "requirements" / "dev.txt", Path(__file__)]:
        found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def forget_old(kept: Path) -> None:
    """Remove the projects of a day ago; a run that goes on beside this one still needs its own."""
    for folder in kept.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - 24 * 3600:
            shutil.rmtree(folder)


def copy_project(project: Path, copy: Path) -> Path:
    """Copy a project; what MLflow stored for it, and stores for the copy, is the copy's own."""
    shutil.copytree(project, copy)
    with closing(sqlite3.connect(copy / "mlflow.db")) as database, database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608
                (str(project), str(copy)),
            )
    if "mlflow" in sys.modules:
        # It remembers by the run's id where a run's artifacts lie, and all copies have the same run.
        sys.modules["mlflow.tracking._tracking_service.utils"]._artifact_repos_cache.clear()
    return copy


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project for one test."""
    return copy_project(trained_project, tmp_path / "project")


@pytest.fixture
def run(project: Path) -> Run:
    """`run("gate", ...)` in the copy of the trained project."""
    return lambda *arguments: invoke(project, *arguments)


@pytest.fixture
def fake_github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """GitHub for one test, named in the environment that Actions gives, without its pause between two writes.

    What GitHub would not take fails the test.
    """
    from fake_github import FakeGitHub

    with FakeGitHub() as fake:
        monkeypatch.setattr("lockgate.github.client.WRITE_PAUSE", 0.0)
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", fake.state["repository"])
        monkeypatch.setenv("GITHUB_TOKEN", "a-token-of-the-job")
        yield fake
    assert not fake.problems
