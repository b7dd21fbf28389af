"""What the gate's job of a release takes from the job that ran the project's code: the model of this commit, and its rows."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from releasing import COMMIT, small_bundle
from support import assert_refused, edit_params, invoke, succeed

from lockgate.ci.hand_over import pack_project

if TYPE_CHECKING:
    from fake_github import FakeGitHub

STAGE = "stages:\n  prepare:\n    cmd: {}\n"


@pytest.fixture
def artifact(project: Path, tmp_path: Path) -> Path:
    """What the trained project hands over."""
    pack_project(project, tmp_path / "measured")
    return tmp_path / "measured"


@pytest.fixture
def checkout(project: Path, tmp_path: Path) -> Path:
    """A clean checkout, whose dvc.lock names the trained project's model."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
    md5 = hashlib.md5((project / "models/manifest.json").read_bytes(), usedforsecurity=False).hexdigest()
    lock(folder, md5)
    return folder


def lock(folder: Path, md5: str) -> None:
    out = f"    outs:\n    - path: models/manifest.json\n      hash: md5\n      md5: {md5}\n"
    (folder / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  train:\n    cmd: x\n{out}")


def take(checkout: Path, artifact: Path) -> Any:
    return invoke(checkout, "release", "take-measured", "--artifact", str(artifact), "--commit", COMMIT)


def change_rows(artifact: Path) -> None:
    rows = pd.read_parquet(path := artifact / "data/test.parquet")
    rows.iloc[::-1].to_parquet(path)


def store(fake: FakeGitHub, bundle: Path) -> None:
    """The default branch's run of this commit, and the bundle that its judge passed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file in bundle.iterdir():
            archive.write(file, file.name)
    content = base64.b64encode(stream.getvalue()).decode()
    run = {"id": 7, "head_sha": COMMIT, "head_branch": "main", "event": "push", "path": ".github/workflows/pr.yml"}
    fake.state |= {"runs": [run], "artifacts": [{"id": 1, "run": 7, "name": "bundle", "content": content}]}


def test_the_model_of_dvc_lock_is_taken_and_its_rows_are_prepared_once_more(checkout: Path, artifact: Path) -> None:
    result = succeed(take(checkout, artifact))
    assert "prepared once more by the kit, train and test are the same bytes" in result.output
    assert (checkout / "models/manifest.json").is_file()
    assert (checkout / "data/test.parquet").is_file()


def test_rows_that_the_source_does_not_give_are_refused(checkout: Path, artifact: Path) -> None:
    change_rows(artifact)
    assert_refused(
        take(checkout, artifact), "data/test.parquet", "other rows than the kit prepares", "nothing is shipped"
    )


# Of the kit's own repository, which a project that began as its copy may have replaced; tests/example holds the hash to the file.
KITS_PREPARE = '''"""Stage `prepare`: the source becomes train, test and current rows with one schema, in data/."""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def prepare(project: lockgate.Project) -> None:
    """Read the source, check it, split it, and write data/."""
    project.write_dataset(lockgate.prepare(project.read_source(), project.prepare_settings, project.read_current()))


if __name__ == "__main__":
    prepare()
'''


@pytest.mark.parametrize(
    ("command", "script", "words"),
    [
        ("lockgate prepare --results ${results}", None, "the same bytes"),
        ("python pipeline/prepare.py --results ${results}", KITS_PREPARE, "the same bytes"),
        ("python pipeline/prepare.py", "print()\n", "the word of the project's `prepare`: pipeline/prepare.py is the"),
        ("python own.py", None, "the stage `prepare` of dvc.yaml runs a command of its own"),
    ],
)  # fmt: skip
def test_whose_word_the_rows_are_is_stated(
    checkout: Path, artifact: Path, command: str, script: str | None, words: str
) -> None:
    (checkout / "dvc.yaml").write_text(STAGE.format(command))
    if script is not None:
        (checkout / "pipeline").mkdir()
        (checkout / "pipeline/prepare.py").write_text(script)
    assert words in succeed(take(checkout, artifact)).output


@pytest.mark.parametrize(
    ("source", "words"),
    [("https://example.invalid/rows.csv", "behind a URL"), ("raw/rows.csv", "its source raw/rows.csv is not in git")],
)
def test_rows_that_cannot_be_prepared_here_are_the_projects_word(
    checkout: Path, artifact: Path, source: str, words: str
) -> None:
    edit_params(checkout, prepare={"source": source})
    assert words in succeed(take(checkout, artifact)).output


def test_a_model_other_than_dvc_lock_names_is_refused(checkout: Path, artifact: Path) -> None:
    lock(checkout, "f" * 32)
    assert_refused(take(checkout, artifact), "is not the model of dvc.lock", "dvc repro")


def test_without_a_dvc_lock_the_stored_bundle_says_which_model_it_is(
    checkout: Path, artifact: Path, fake_github: FakeGitHub, tmp_path: Path
) -> None:
    """A project that has no dvc.yaml has no dvc.lock either: its model is the one that the default branch's judge passed."""
    (checkout / "dvc.lock").unlink()
    copy, other = tmp_path / "models", small_bundle(tmp_path / "other").folder
    (artifact / "models").rename(copy)
    for bundle, words in ((other, "judged"), (None, "nothing says which model c0ffeec0ffee is")):
        pack_project(tmp_path / "project", artifact)
        fake_github.state |= {"runs": [], "artifacts": []}
        if bundle is not None:
            store(fake_github, bundle)
        assert_refused(take(checkout, artifact), words, "commit dvc.lock")
    pack_project(tmp_path / "project", artifact)
    store(fake_github, copy)
    succeed(take(checkout, artifact))
