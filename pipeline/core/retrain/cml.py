"""CML opens the pull request: `cml pr create` for a branch that is there already, in a folder without the project."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.github.cml import cml_environment, run_bounded

SECONDS = 120


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
            environment = cml_environment(os.environ, folder, self.token, self.commit) | {
                "GITHUB_REPOSITORY": self.url.split("/", 3)[-1],
                "GITHUB_REF": f"refs/heads/{target}",
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
                name = "git" if command[0] == "git" else "CML"
                problem = run_bounded(command, folder, environment, self.seconds, name)
                if problem:
                    return problem
        return ""
