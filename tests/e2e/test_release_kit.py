"""release-kit.yml under act: built, checked with twine, attested, published by uv with trusted publishing, released, `v1` moved."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from e2e.act import Project, copy_of_the_tree, repository
from e2e.act_log import Run
from fake_github import FakeGitHub
from package_index import PackageIndex, package_index
from support import require

from lockgate.config.version import __version__

TAG = f"v{__version__}"
WHEEL, SOURCE = f"lockgate-{__version__}-py3-none-any.whl", f"lockgate-{__version__}.tar.gz"
WORKFLOW = ".github/workflows/release-kit.yml"


def released(project: Project, folder: Path, fake: FakeGitHub, index: PackageIndex, run_id: int) -> Run:
    """The run that the tag starts, or that somebody starts again."""
    payload: dict[str, Any] = {"ref": f"refs/tags/{TAG}", "repository": repository(project.name)}
    return project.run(
        "release-kit.yml", "push", state=folder / "state", payload=payload, api_url=fake.url, ref=f"refs/tags/{TAG}",
        environment=index.environment, run_id=run_id,
    )  # fmt: skip


@pytest.mark.full
def test_a_version_is_released_once_and_its_run_can_be_started_again(tmp_path: Path, fake_github: FakeGitHub) -> None:
    require("jq")
    project = copy_of_the_tree(tmp_path / "kit")
    fake_github.state |= {"repository": project.name, "git_dir": str(project.path / ".git")}
    with package_index(tmp_path) as index:
        project.commit("Publish here", **{WORKFLOW: lambda text: text.replace("https://pypi.org", index.url)})
        project.git("tag", TAG)
        first = released(project, tmp_path, fake_github, index, 1)
        first.expect("success", "build", "attest", "publish", "release")
        published = dict(index.files)
        again = released(project, tmp_path, fake_github, index, 2).expect(
            "success", "build", "attest", "publish", "release"
        )
        assert (index.uploads, index.refused, index.files) == (2, [], published), "what the index has is not sent again"
    assert set(published) == {WHEEL, SOURCE}
    assert first.text.count("PASSED") == 2, "twine checks both"
    assert f"{TAG} has its release already" in again.text

    (made,) = fake_github.state["releases"]
    assert (made["tag_name"], made["draft"], made["prerelease"]) == (TAG, False, False)
    assets = {one["name"]: base64.b64decode(one["content"]) for one in fake_github.state["assets"]}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in published.items()}
    assert assets == {**published, "SHA256SUMS": "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()}
    assert project.git("rev-parse", "v1") == project.git("rev-parse", "HEAD")
    attested = [json.loads(file.read_text()) for file in (first.state / "attestations").iterdir()]
    assert {one["subject-path"] for one in attested} == {"dist/lockgate-*"}

    project.commit("Another kit", **{"README.md": lambda text: text + "\nAnother.\n"})
    project.git("tag", "--force", TAG)
    with package_index(tmp_path) as index:
        moved = released(project, tmp_path, fake_github, index, 3)
        assert index.uploads == 0
    assert moved.jobs == {"build": "failure"}
    assert "a full version never moves" in moved.text
    assert project.git("rev-parse", "v1") == project.git("rev-parse", "HEAD^")
