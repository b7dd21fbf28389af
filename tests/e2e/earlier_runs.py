"""What earlier runs left on GitHub, as the fake API has it."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.act_log import Run

if TYPE_CHECKING:
    from fake_github import FakeGitHub


def keep(fake: FakeGitHub, run: Run, commit: str, **about: Any) -> None:
    """Put a run of pr.yml and its artifacts where the API finds them: a push to main, unless `about` says otherwise."""
    runs: list[dict[str, Any]] = fake.state.setdefault("runs", [])
    artifacts: list[dict[str, Any]] = fake.state.setdefault("artifacts", [])
    runs.append({"id": run.run_id, "head_sha": commit, "head_branch": "main", "event": "push", **about})
    for folder in sorted((run.state / "artifacts" / str(run.run_id)).iterdir()):
        artifacts.append(
            {"id": 100 + len(artifacts), "run": run.run_id, "name": folder.name, "content": zipped(folder)}
        )


def zipped(folder: Path) -> str:
    """The folder as an artifact's ZIP, in base64."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return base64.b64encode(stream.getvalue()).decode()
