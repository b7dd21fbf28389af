"""Where a bundle came from: what may differ between two equal runs and so stays outside the digest."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.files import read_json, readable_json
from lockgate.config.version import __version__
from lockgate.model.flavours.table import installed_libraries

PROVENANCE_VERSION = 1


def git_commit() -> str | None:
    """The commit that is checked out, with `-dirty` where tracked files differ from it; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("GITHUB_SHA")


def clean_commit() -> str | None:
    """The commit that is checked out, where no tracked file differs from it."""
    commit = git_commit()
    return commit if commit and re.fullmatch("[0-9a-f]{40}", commit) else None


def make_provenance(digest: str, **more: Any) -> bytes:
    """The content of `provenance.json` for the bundle `digest`, made now."""
    return readable_json(
        {
            "schema": PROVENANCE_VERSION,
            "digest": digest,
            "commit": git_commit(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {
                "lockgate": __version__,
                **{name: version(name) for name in ("numpy", "pandas")},
                **installed_libraries(),
            },
            **more,
        }
    )


def read_provenance(path: Path, digest: str) -> dict[str, Any]:
    """What `path` says of the bundle `digest`: nothing where it is absent, damaged, or about another bundle.

    A bundle out of DVC's run cache comes without one, and the one that lies there may be its predecessor's.
    """
    try:
        provenance = read_json(path, "")
    except InputError:
        return {}
    return provenance if provenance.get("digest") == digest else {}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    return answer.stdout.strip()
