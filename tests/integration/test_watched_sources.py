"""DVC watches the data where they are, a folder, S3 or a web server, and copies nothing: only a change makes a stage run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from remotes import BUCKET, CREDENTIALS, S3, Http, http_remote, s3_remote

from lockgate.dvc.check import project_problems
from lockgate.dvc.reproduce import fit_project, make_repository, reproduce_project

STAGES = """\
vars: [results: 5]
stages:
  prepare:
    cmd: date +%N > data.txt
    deps:
      - script.py
    outs:
      - data.txt
"""
PART = b"x,y\n" + b"1,0\n" * 1_000


@pytest.fixture(scope="module", autouse=True)
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_remote() as remote, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", remote.endpoint)
        yield remote


@pytest.fixture
def http() -> Iterator[Http]:
    with http_remote() as remote:
        remote.has_etags = True
        yield remote


def full(source: str) -> pytest.ParameterSet:
    return pytest.param(source, marks=pytest.mark.full)


def project_of(folder: Path, source: str) -> Path:
    (folder / "script.py").write_text("")
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "params.yaml").write_text(f"prepare: {{source: '{source}', target: y}}\n")
    make_repository(folder)
    return folder


def reproduced(folder: Path) -> tuple[str, str]:
    """What became of the stage, and the lines that were shown for the user."""
    lines: list[str] = []
    (stage,) = reproduce_project(folder, lines.append)
    return stage.how, "\n".join(lines)


def judged_stale(folder: Path) -> bool:
    """Whether `lockgate check` says that a dependency changed."""
    with chdir(folder):
        return any("of the stage `prepare` changed" in line for line in project_problems(Path()))


def require_watched(folder: Path, change: Callable[[bytes], None]) -> None:
    """The stage runs at first and when `change` wrote other bytes in the place of one file, and nothing is in DVC's cache of it."""
    assert reproduced(folder)[0] == "ran"
    assert reproduced(folder)[0] == "unchanged"
    change(PART.replace(b"1,0", b"1,1", 1))
    assert judged_stale(folder)
    assert reproduced(folder)[0] == "ran"
    cached = [file.read_bytes() for file in (folder / ".dvc/cache").rglob("*") if file.is_file()]
    assert cached
    assert not [content for content in cached if content.startswith(b"x,y")]


def test_a_folder_is_hashed_where_it_is(tmp_path: Path) -> None:
    parts = tmp_path / "applications"
    parts.mkdir()
    for number in range(3):
        (parts / f"{number}.csv").write_bytes(PART)
    require_watched(project_of(tmp_path, "applications/"), (parts / "1.csv").write_bytes)


@pytest.mark.parametrize("source", ["folder/", full("one/0.csv"), full("pattern/*.csv")])
def test_what_is_on_s3_is_listed_where_it_is(tmp_path: Path, s3: S3, source: str) -> None:
    folder = source.partition("/")[0]
    for number in range(3):
        s3.write(f"{folder}/{number}.csv", PART)
    project = project_of(tmp_path, f"s3://{BUCKET}/{source}")
    require_watched(project, lambda content: s3.write(f"{folder}/0.csv", content))
    assert f"s3://{BUCKET}/{folder}" in (project / "dvc.lock").read_text()


@pytest.mark.full
def test_what_a_web_server_gives_is_watched_where_the_stage_names_it(tmp_path: Path, http: Http) -> None:
    http.write("loans.csv", PART)
    url = f"http://127.0.0.1:{http.port}/loans.csv"
    project = project_of(tmp_path, url)
    [line] = fit_project(project)
    assert "add it to the deps of `prepare`" in line
    (project / "dvc.yaml").write_text(STAGES.replace("- script.py", f"- {url}"))
    assert fit_project(project) == []
    require_watched(project, lambda content: http.write("loans.csv", content))


@pytest.mark.full
def test_a_storage_that_does_not_answer_is_not_judged_and_not_passed_over(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.write("gone/0.csv", PART)
    project = project_of(tmp_path, f"s3://{BUCKET}/gone/")
    assert reproduced(project)[0] == "ran"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert not judged_stale(project)
    assert reproduced(project)[0] == "failed"
