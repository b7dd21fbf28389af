"""A finished run of a pull request on the fake GitHub, as tests of the comment need it."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

from fake_github import FakeGitHub

HEAD = "a" * 40
ACTIONS = "github-actions[bot]"
RUN = 500


def documents(project: Path) -> dict[str, bytes]:
    """What `model.yml` uploads as `report` from a project's folder."""
    found = {
        path.name: path.read_bytes() for path in (project / "reports").glob("*.json") if path.stem != "test_set_history"
    }
    for name in ("schema.json", "manifest.json"):
        found[name] = (project / "models" / name).read_bytes()
    return found | {f"plots/{path.name}": path.read_bytes() for path in (project / "reports/plots").glob("*.json")}


def zip_of(files: dict[str, bytes]) -> str:
    """The artifact's ZIP file as the fake's state holds it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


def finished_run(
    fake: FakeGitHub,
    files: dict[str, bytes] | None,
    *,
    run: dict[str, Any] | None = None,
    pull: dict[str, Any] | None = None,
) -> None:
    """Pull request 7 with head `HEAD`, and run `RUN` for it that left `files` (None: no artifact)."""
    fake.state["pulls"] = [
        {"id": 7, "number": 7, "head": {"ref": "change", "sha": HEAD}, "base": {"ref": "main"}, **(pull or {})}
    ]
    add_run(fake, files, **(run or {}))


def add_run(fake: FakeGitHub, files: dict[str, bytes] | None, **run: Any) -> None:
    """Another run with its artifact."""
    made = {"id": RUN, "head_sha": HEAD, "head_branch": "change", **run}
    fake.state.setdefault("runs", []).append(made)
    if files is not None:
        artifacts = fake.state.setdefault("artifacts", [])
        artifacts.append({"id": 9000 + len(artifacts), "run": made["id"], "name": "report", "content": zip_of(files)})


def bodies(fake: FakeGitHub, login: str = ACTIONS) -> list[str]:
    """The comments of one author, oldest first."""
    return [comment["body"] for comment in fake.state.get("comments", []) if comment["login"] == login]


def say(fake: FakeGitHub, body: str, login: str, number: int = 7) -> None:
    """A comment of somebody's."""
    comments = fake.state.setdefault("comments", [])
    comments.append(
        {"id": 1 + max((c["id"] for c in comments), default=0), "issue": number, "login": login, "body": body}
    )
