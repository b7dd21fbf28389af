"""CML opens the pull request: `cml pr create` for a branch that is there already, in a folder without the project."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 120
_KEPT = (
    "PATH",
    "LANG",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


@dataclass(frozen=True)
class CmlPoster:
    """An installed CML. `command` is its program; `url` the repository's page."""

    command: Path
    url: str
    token: str = field(repr=False)
    commit: str
    seconds: float = SECONDS

    def open_pull(self, branch: str, target: str, title: str, body: str) -> str:
        """Ask CML for the pull request; what went wrong in a few words, empty where CML says that it opened one.

        CML looks for the branch on the remote before it makes one, so nothing is committed or pushed by it. Whether
        there is a pull request, only GitHub knows.
        """
        with tempfile.TemporaryDirectory(prefix="lockgate-cml-") as folder:
            environment = {
                **{name: os.environ[name] for name in _KEPT if name in os.environ},
                "HOME": folder,  # CML edits git's global configuration
                "CI": "true",
                "GITHUB_REPOSITORY": self.url.split("/", 3)[-1],
                "GITHUB_SHA": self.commit,
                "GITHUB_REF": f"refs/heads/{target}",
                "REPO_TOKEN": self.token,
                "ITERATIVE_DO_NOT_TRACK": "1",
                "NODE_OPTIONS": "--no-experimental-fetch",
            }
            for command in (
                ["git", "init", "--quiet"],
                ["git", "remote", "add", "origin", f"{self.url}.git"],
                [
                    str(self.command), "pr", "create", "--driver=github", f"--repo={self.url}", f"--branch={branch}",
                    f"--target-branch={target}", f"--title={title}", f"--body={body}",
                    "--user-name=github-actions[bot]",
                    "--user-email=41898282+github-actions[bot]@users.noreply.github.com",
                ],
            ):  # fmt: skip
                problem = _run(command, folder, environment, self.seconds)
                if problem:
                    return problem
        return ""


def _run(command: list[str], folder: str, environment: dict[str, str], seconds: float) -> str:
    try:
        ran = subprocess.run(  # noqa: S603  # programs that the workflow named, no shell
            command, cwd=folder, env=environment, timeout=seconds, capture_output=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it did not end well ({type(error).__name__})"
    if ran.returncode == 0:
        return ""
    return f"{Path(command[0]).name} ended with {ran.returncode}: {_last_word(ran.stderr + ran.stdout)}"


def _last_word(log: bytes) -> str:
    """The last line, or the message of the error that CML prints there as JSON."""
    lines = log.decode("utf-8", "replace").strip().splitlines() or ["without a word"]
    try:
        error = json.loads(lines[-1])
    except (ValueError, RecursionError):
        error = None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message or lines[-1])[:200]
