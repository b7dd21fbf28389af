"""What a release asks of GitHub: the tag, the stored bundle, the record of an image, the release itself."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_github.faults import Fault
from releasing import COMMIT, passed_gate, small_bundle
from support import assert_refused, invoke, succeed

from lockgate.ci.release.image import DIGESTS, release_digests
from lockgate.ci.release.releases import Content, mark_in_production, publish_release, read_digests, read_releases
from lockgate.ci.release.version import parse_tag
from lockgate.config.errors import InputError
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord
from lockgate.github.client import open_repository, settings_from_environment

if TYPE_CHECKING:
    from fake_github import FakeGitHub

NOW = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
RECORD = ImageRecord(image="ghcr.io/acme/credit", digest="sha256:" + "a" * 64, model="b" * 64, commit=COMMIT)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path, fake_github: FakeGitHub) -> Path:
    """A repository with two commits on main and one beside it."""
    folder = tmp_path / "origin"
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(folder))
    for number in range(2):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", str(number))
    git(folder, "checkout", "--quiet", "-b", "side")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "beside")
    fake_github.state["git_dir"] = str(folder / ".git")
    return folder


@pytest.mark.parametrize("options", [[], ["--annotate", "--message", "x"]], ids=["light", "annotated"])
@pytest.mark.parametrize("commit", ["main", "main~1"])
def test_a_tag_on_the_default_branch_may_be_released(
    origin: Path, tmp_path: Path, options: list[str], commit: str
) -> None:
    git(origin, "tag", *options, "model-v1.0.0", commit)
    succeed(invoke(tmp_path, "release", "tag", "model-v1.0.0", "--commit", git(origin, "rev-parse", commit)))


def test_a_tag_beside_the_default_branch_is_refused(origin: Path, tmp_path: Path) -> None:
    git(origin, "tag", "model-v1.0.0", "side")
    result = invoke(tmp_path, "release", "tag", "model-v1.0.0", "--commit", git(origin, "rev-parse", "side"))
    assert_refused(result, "model-v1.0.0", "not on main", "merge it first")


def test_a_tag_that_moved_is_refused(origin: Path, tmp_path: Path) -> None:
    git(origin, "tag", "model-v1.0.0", "main")
    result = invoke(tmp_path, "release", "tag", "model-v1.0.0", "--commit", git(origin, "rev-parse", "main~1"))
    assert_refused(result, "model-v1.0.0", "never moves")


@pytest.mark.usefixtures("origin")
@pytest.mark.parametrize("name", ["model-v1.0.0", "1.0", 'v1"; curl', "v1\n::set-output", "--help-me"])
def test_a_tag_that_is_absent_or_no_version_is_refused(tmp_path: Path, name: str) -> None:
    assert invoke(tmp_path, "release", "tag", "--commit", "0" * 40, "--", name).exit_code == 2


def stored(name: str, files: dict[str, bytes], run: dict[str, Any], number: int) -> dict[str, Any]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return {"id": number, "run": run["id"], "name": name, "content": base64.b64encode(stream.getvalue()).decode()}


def lock(folder: Path, manifest: bytes) -> None:
    md5 = hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    out = f"    outs:\n    - path: models/manifest.json\n      hash: md5\n      md5: {md5}\n"
    (folder / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  train:\n    cmd: x\n{out}")


PUSHED = {
    "id": 7, "head_sha": COMMIT, "head_branch": "main", "event": "push", "path": ".github/workflows/pr.yml",
}  # fmt: skip


def test_the_bundle_of_this_commit_is_taken(tmp_path: Path, fake_github: FakeGitHub) -> None:
    made = small_bundle(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    fake_github.state |= {"runs": [PUSHED], "artifacts": [stored("bundle", files, PUSHED, 1)]}
    lock(tmp_path, files["manifest.json"])
    result = succeed(invoke(tmp_path, "release", "take-bundle", "--commit", COMMIT))
    assert made.digest[:12] in result.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()} == files


@pytest.mark.parametrize(
    "other",
    [
        {"event": "pull_request"},
        {"head_branch": "model-v1.0.0"},
        {"head_sha": "0" * 40},
        {"path": ".github/workflows/other.yml"},
    ],
)
def test_artifacts_of_other_runs_are_not_taken(tmp_path: Path, fake_github: FakeGitHub, other: dict[str, str]) -> None:
    made = small_bundle(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    run = PUSHED | other
    fake_github.state |= {"runs": [run], "artifacts": [stored("bundle", files, run, 1)]}
    lock(tmp_path, files["manifest.json"])
    assert "it is reproduced" in succeed(invoke(tmp_path, "release", "take-bundle", "--commit", COMMIT)).output
    assert not (tmp_path / "models").exists()


def test_a_bundle_other_than_dvc_lock_names_is_refused(tmp_path: Path, fake_github: FakeGitHub) -> None:
    files = {path.name: path.read_bytes() for path in small_bundle(tmp_path / "made").folder.iterdir()}
    fake_github.state |= {"runs": [PUSHED], "artifacts": [stored("bundle", files, PUSHED, 1)]}
    lock(tmp_path, b"another manifest")
    result = invoke(tmp_path, "release", "take-bundle", "--commit", COMMIT)
    assert_refused(result, "not the one of dvc.lock", "dvc repro")
    assert not (tmp_path / "models").exists()


def test_a_damaged_bundle_is_refused_and_leaves_nothing(tmp_path: Path, fake_github: FakeGitHub) -> None:
    files = {path.name: path.read_bytes() for path in small_bundle(tmp_path / "made").folder.iterdir()}
    damaged = files | {"model.onnx": b"damaged"}
    fake_github.state |= {"runs": [PUSHED], "artifacts": [stored("bundle", damaged, PUSHED, 1)]}
    lock(tmp_path, files["manifest.json"])
    assert_refused(invoke(tmp_path, "release", "take-bundle", "--commit", COMMIT), "model.onnx", "corrupted")
    assert not (tmp_path / "models").exists()


def content(tmp_path: Path, tag: str = "model-v1.0.0", **assets: bytes) -> Content:
    bundle = small_bundle(tmp_path / "models")
    files = {"gate.json": b"{}", "bundle.tar.gz": b"archive", **assets}
    gate = GateResult.read(json.dumps(passed_gate(bundle.digest)).encode(), "gate.json")
    digests = release_digests(parse_tag(tag), RECORD, bundle, gate, files)
    return Content(parse_tag(tag), COMMIT, "the card", {**files, DIGESTS: digests.to_bytes()})


def repository() -> Any:
    return open_repository(settings_from_environment())


def test_a_release_is_published_once_with_all_its_files(tmp_path: Path, fake_github: FakeGitHub) -> None:
    ours = content(tmp_path)
    url = publish_release(repository(), ours, since=NOW)
    assert publish_release(repository(), ours, since=NOW) == url
    [release] = fake_github.state["releases"]
    assert (release["draft"], release["tag_name"], fake_github.state["latest"]) == (
        False,
        "model-v1.0.0",
        release["id"],
    )
    assert {asset["name"] for asset in fake_github.state["assets"]} == set(ours.assets)
    found = read_releases(repository(), "")
    assert (list(found.published), found.stable) == ([ours.version], ours.version)
    assert read_digests(found.published[ours.version]).record == RECORD


@pytest.mark.parametrize("operation", ["repos/upload-release-asset", "repos/update-release", "repos/create-release"])
@pytest.mark.parametrize("performed", [True, False])
def test_a_release_that_broke_off_is_finished_by_the_next_run(
    tmp_path: Path, fake_github: FakeGitHub, operation: str, performed: bool
) -> None:
    ours = content(tmp_path)
    # 403: an answer after which nobody tries again within the run.
    fake_github.faults.plan(operation, Fault(status=403, message="no", performed=performed))
    with pytest.raises(InputError):
        publish_release(repository(), ours, since=NOW)
    publish_release(repository(), ours, since=NOW)
    [release] = fake_github.state["releases"]
    assert not release["draft"]
    stored_names = sorted(asset["name"] for asset in fake_github.state["assets"])
    assert stored_names == sorted(ours.assets)


def test_half_uploaded_and_foreign_files_of_a_draft_are_replaced(tmp_path: Path, fake_github: FakeGitHub) -> None:
    ours = content(tmp_path)
    wrong = base64.b64encode(b"other").decode()
    fake_github.state |= {
        "releases": [
            {"id": 1, "tag_name": "model-v1.0.0", "draft": True},
            {"id": 2, "tag_name": "model-v1.0.0", "draft": True},
        ],
        "assets": [
            {"id": 3, "release": 2, "name": "gate.json", "content": wrong},
            {"id": 4, "release": 2, "name": "bundle.tar.gz", "content": "", "state": "open"},
            {"id": 5, "release": 2, "name": "evil.sh", "content": wrong},
        ],
    }
    publish_release(repository(), ours, since=NOW)
    assert [release["draft"] for release in fake_github.state["releases"]] == [False]
    found = {asset["name"]: base64.b64decode(asset["content"]) for asset in fake_github.state["assets"]}
    assert found == dict(ours.assets)


def test_a_published_release_of_another_image_is_an_error(tmp_path: Path, fake_github: FakeGitHub) -> None:
    ours = content(tmp_path)
    publish_release(repository(), ours, since=NOW)
    other = json.loads(ours.assets[DIGESTS]) | {"image_digest": "sha256:" + "f" * 64}
    changed = Content(ours.version, COMMIT, "card", {**ours.assets, DIGESTS: json.dumps(other).encode()})
    with pytest.raises(InputError, match="published already"):
        publish_release(repository(), changed, since=NOW)
    assert len(fake_github.state["releases"]) == 1


def test_rolling_back_marks_the_older_release_as_latest(tmp_path: Path, fake_github: FakeGitHub) -> None:
    for tag in ("model-v1.0.0", "model-v1.1.0"):
        publish_release(repository(), content(tmp_path, tag), since=NOW)
    found = read_releases(repository(), "")
    assert found.stable == parse_tag("model-v1.1.0")
    mark_in_production(found.published[parse_tag("model-v1.0.0")], NOW + timedelta(seconds=1))
    after = read_releases(repository(), "")
    assert after.stable == parse_tag("model-v1.0.0")
    assert {release["draft"] for release in fake_github.state["releases"]} == {False}
    bodies = {release["tag_name"]: release["body"] for release in fake_github.state["releases"]}
    since = "the card\n\nIn production since 2026-11-27 05:00:0{}.000 UTC"
    assert bodies == {"model-v1.0.0": since.format(1), "model-v1.1.0": since.format(0)}


def test_each_model_has_its_own_release_in_production(tmp_path: Path, fake_github: FakeGitHub) -> None:
    for tag, seconds in (("model-v1.0.0", 0), ("model-cards-v2.0.0", 1), ("model-v1.1.0-rc.1", None)):
        publish_release(
            repository(), content(tmp_path, tag), None if seconds is None else NOW + timedelta(seconds=seconds)
        )
    fake_github.state["releases"].append({"id": 99, "tag_name": "v9.0.0", "draft": False, "body": ""})  # the kit's own
    named = parse_tag("model-cards-v2.0.0")
    only, cards = read_releases(repository(), ""), read_releases(repository(), "cards")
    assert (sorted(one.tag for one in only.published), only.stable) == (
        ["model-v1.0.0", "model-v1.1.0-rc.1"], parse_tag("model-v1.0.0"),
    )  # fmt: skip
    assert (list(cards.published), cards.stable) == ([named], named)


def test_the_summary_tells_whether_somebody_had_to_approve(tmp_path: Path, fake_github: FakeGitHub) -> None:
    fake_github.state["reviewers"] = {"production": ["octocat"], "open": []}
    for environment, words in (
        ("production", "A required reviewer of the environment `production` approved this"),
        ("open", "**Nobody had to approve this:** the environment `open` has no required reviewer"),
        ("unknown", "is unknown: GitHub does not tell this token, which needs `actions: read`"),
    ):
        assert words in succeed(invoke(tmp_path, "release", "approval", environment)).output
