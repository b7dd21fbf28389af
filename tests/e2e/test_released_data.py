"""Two releases, their bytes in a folder, on a web server and in S3: going back brings what was trained and judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from remotes import CREDENTIALS, Folder, Http, Remote, http_remote, s3_remote
from support import SMALL, WITHOUT_EVIDENTLY, edit_params, tree, write_params

from lockgate.dvc.stages import kit_stages

ROOT = Path(__file__).parents[2]

pytestmark = (
    pytest.mark.full
)  # two releases take a minute; tests/integration/test_dvc_remotes.py has the remotes one by one

BIN = Path(sys.executable).parent
ACTION = ROOT / ".github/actions/train"
KINDS = ("folder", "web", "bucket")
PARAMS = {**SMALL, "prepare": {**SMALL["prepare"], "current": "synthetic"}}
PARTS = ("data", "models", "reports/predictions.parquet")


def call(folder: Path, *command: str | Path, code: int = 0, **more: str) -> str:
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
    ended = subprocess.run(
        command,
        cwd=folder,
        env=cleaned | {"PYTHONPATH": WITHOUT_EVIDENTLY} | more,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == code, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout + ended.stderr


def git(folder: Path, *arguments: str | Path) -> str:
    return call(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.invalid", *arguments)


def judged(folder: Path) -> str:
    """The digest of the model that passes the gate."""
    (folder / "reports/gate.json").unlink(missing_ok=True)
    call(folder, "lockgate", "gate")
    return str(json.loads((folder / "reports/gate.json").read_text())["model"])


def content(folder: Path) -> dict[str, bytes]:
    """What a release is trained and judged on; commit and run, which provenance.json names, are in no lock."""
    files = {name: data for name, data in tree(folder).items() if name.startswith(PARTS)}
    return {name: data for name, data in files.items() if not name.endswith(("provenance.json", ".gitignore"))}


@dataclass
class Released:
    """The repository, its remotes by name, and of each release the digest and the bytes."""

    origin: Path
    remotes: dict[str, Remote]
    digests: dict[str, str]
    bytes: dict[str, dict[str, bytes]]

    def clone(self, folder: Path, release: str, remote: str) -> Path:
        """A clone of a release, whose default remote is `remote`."""
        git(folder, "clone", "--quiet", "--branch", release, self.origin, folder / "clone")
        (folder / "clone/.dvc/config.local").write_text(f"[core]\n    remote = {remote}\n")
        return folder / "clone"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    folder = tmp_path_factory.mktemp("released") / "project"
    folder.mkdir()
    with http_remote() as web, s3_remote() as bucket, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        found = Released(folder, dict(zip(KINDS, (Folder(folder.parent / "store"), web, bucket), strict=True)), {}, {})
        write_params(folder, PARAMS)
        # Its reports too are kept where the data are, so that a clone has them all.
        (folder / "dvc.yaml").write_text(kit_stages())
        (folder / ".gitignore").write_text("/data/\n/models/\n/reports/\n/mlflow.db*\n/mlartifacts/\n")
        git(folder, "init", "--quiet", "--initial-branch=main")
        for release, changes in (("v1", {}), ("v2", {"train": {"seed": 5}, "prepare": {"seed": 7}})):
            edit_params(folder, **changes)
            call(folder, "lockgate", "reproduce")
            if release == "v1":
                with (folder / ".dvc/config").open("a") as stream:
                    for name, remote in found.remotes.items():
                        stream.write(f"['remote \"{name}\"']\n    {remote.config}\n")
            found.digests[release], found.bytes[release] = judged(folder), content(folder)
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--message", release)
            git(folder, "tag", release)
            for name in KINDS:
                call(folder, "dvc", "push", "--quiet", "--remote", name)
        assert len(set(found.digests.values())) == 2
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_going_back_to_a_release_brings_its_bytes_and_its_verdict(
    released: Released, tmp_path: Path, kind: str
) -> None:
    clone = released.clone(tmp_path, "v2", kind)
    for release in ("v2", "v1"):
        git(clone, "checkout", "--quiet", release)
        call(clone, "dvc", "pull", "--quiet")
        assert content(clone) == released.bytes[release]
        assert judged(clone) == released.digests[release]


def train_step(clone: Path, code: int = 0) -> tuple[str, dict[str, str]]:
    """What the train action's step says in a job on the clone, and its outputs."""
    runner = clone.parent / "runner"
    runner.mkdir()
    said = call(
        clone, ACTION / "run.sh", code=code, GITHUB_ACTION_PATH=str(ACTION), GITHUB_OUTPUT=str(runner / "output"),
        GITHUB_STEP_SUMMARY=str(runner / "summary"), LOCKGATE_BIN=str(BIN), LOCKGATE_PARAMS="",
        LOCKGATE_SAVE_CACHE="false", RUNNER_TEMP=str(runner), GITHUB_ACTIONS="true",
    )  # fmt: skip
    lines = (runner / "output").read_text().splitlines() if (runner / "output").exists() else []
    return said, dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_takes_the_pushed_model_and_trains_nothing(released: Released, tmp_path: Path, kind: str) -> None:
    clone = released.clone(tmp_path, "v1", kind)
    said, outputs = train_step(clone)
    assert (outputs["model"], outputs["trained"], outputs["stale-lock"]) == (released.digests["v1"], "false", "false")
    assert "Running stage" not in said
    assert content(clone) == released.bytes["v1"]
    assert judged(clone) == released.digests["v1"]


def test_a_job_refuses_a_damaged_object_and_so_does_the_gate_after_plain_dvc(
    released: Released, tmp_path: Path
) -> None:
    web = released.remotes["web"]
    assert isinstance(web, Http)
    whole = dict(web.objects)
    (path,) = [path for path, content in whole.items() if content == released.bytes["v1"]["data/test.parquet"]]
    damaged = bytearray(whole[path])
    damaged[len(damaged) // 2] ^= 1
    try:
        web.objects[path] = bytes(damaged)
        clone = released.clone(tmp_path, "v1", "web")
        said, outputs = train_step(clone, code=2)
        assert "::error::data/test.parquet has other bytes than dvc.lock says: md5 " in said
        assert "model" not in outputs
        shutil.rmtree(clone / ".dvc/cache")
        call(clone, "dvc", "pull", "--quiet")  # which believes the server
        for command in ("gate", "register"):
            assert "data/test.parquet has other bytes than dvc.lock says" in call(clone, "lockgate", command, code=2)
        assert "data/test.parquet has other bytes than dvc.lock says" in call(clone, "lockgate", "check", code=2)
    finally:
        web.objects.update(whole)
