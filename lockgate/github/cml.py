"""Running CML, whatever it does: in a folder and an environment of its own, for a limited time, with no child left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_KEPT = ("PATH", "LANG", "NODE_EXTRA_CA_CERTS", *_PROXIES, *(name.lower() for name in _PROXIES))


def cml_environment(outer: Mapping[str, str], folder: str, token: str, commit: str) -> dict[str, str]:
    """Nothing of the job but what CML needs; a home of its own, because it edits git's global configuration."""
    return {
        **{name: outer[name] for name in _KEPT if name in outer},
        "HOME": folder,
        "CI": "true",
        "GITHUB_REPOSITORY": outer.get("GITHUB_REPOSITORY", ""),
        "GITHUB_SHA": commit,
        "REPO_TOKEN": token,
        "ITERATIVE_DO_NOT_TRACK": "1",
    }


def run_bounded(command: Sequence[str], folder: str, environment: Mapping[str, str], seconds: float, name: str) -> str:
    """What went wrong in a few words that begin with `name`; empty where the program ended with 0 in time."""
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(  # noqa: S603  # the program that the workflow named, no shell
                command, cwd=folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            return f"{name} did not start ({error.strerror})"
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"{name} did not end within {seconds:g} s"
        finally:
            _end(process)
        log.seek(0)
        return "" if code == 0 else f"{name} ended with {code}: {_reason(log.read(100_000))}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and whatever it started, which may outlive it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(log: bytes) -> str:
    """CML's own message. Its log is one line of JSON an error, with the whole request in it; what crashes writes text."""
    text = log.decode("utf-8", "replace")
    logged = re.search(r'"level": ?"error", ?"message": ?"((?:[^"\\]|\\.){1,200})', text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return logged[1] if logged else lines[-1][:200] if lines else "without a word"


class Report(Protocol):
    """What is posted as a comment: its text, the title that CML finds it by, and the commit that it is about."""

    @property
    def title(self) -> str:
        """One for each report of a pull request."""

    @property
    def body(self) -> str:
        """Markdown."""

    @property
    def commit(self) -> str:
        """The whole SHA."""


# It sleeps 125 s on a secondary rate limit; the REST API waits more cleverly.
COMMENT_SECONDS = 90


@dataclass(frozen=True)
class Cml:
    """An installed CML. `command` is its program; `url` the repository's page on the server that is to be asked."""

    command: Path
    url: str
    token: str = field(repr=False)
    seconds: float = COMMENT_SECONDS

    def comment(self, verb: Literal["create", "update"], number: int, report: Report) -> str:
        """Post the report on pull request `number`; what went wrong in a few words, empty where CML says it posted.

        Whether it did, only GitHub knows.
        """
        with tempfile.TemporaryDirectory(prefix="lockgate-cml-") as folder:
            file = Path(folder, "report.md")
            file.write_text(report.body, encoding="utf-8")
            command = [str(self.command), *self.arguments(verb, number, report.title, file)]
            environment = cml_environment(os.environ, folder, self.token, report.commit)
            return run_bounded(command, folder, environment, self.seconds, "CML")

    def arguments(self, verb: Literal["create", "update"], number: int, title: str, file: Path) -> list[str]:
        """What `comment` gives to the program.

        Publishing would send pictures and linked files to a public server, and the default target may be a commit.
        """
        return [
            "comment", verb, "--driver=github", f"--repo={self.url}", f"--target=pr/{number}", "--publish=false",
            f"--watermark-title={title}", str(file),
        ]  # fmt: skip


PULL_REQUEST_SECONDS = 120


@dataclass(frozen=True)
class CmlPoster:
    """An installed CML. `command` is its program; `url` the repository's page."""

    command: Path
    url: str
    token: str = field(repr=False)
    commit: str
    seconds: float = PULL_REQUEST_SECONDS

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
