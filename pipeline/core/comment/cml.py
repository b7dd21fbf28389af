"""CML as the poster: one `cml comment`, with everything that it must not do switched off."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.core.comment.comments import Report

# It sleeps 125 s on a secondary rate limit; the REST API waits more cleverly.
SECONDS = 90
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_KEPT = ("PATH", "LANG", "NODE_EXTRA_CA_CERTS", *_PROXIES, *(name.lower() for name in _PROXIES))


@dataclass(frozen=True)
class Cml:
    """An installed CML. `command` is its program; `url` the repository's page on the server that is to be asked."""

    command: Path
    url: str
    token: str = field(repr=False)
    seconds: float = SECONDS

    def comment(self, verb: Literal["create", "update"], number: int, report: Report) -> str:
        """Post the report on pull request `number`; what went wrong in a few words, empty where CML says it posted.

        Whether it did, only GitHub knows.
        """
        with tempfile.TemporaryDirectory(prefix="lockgate-cml-") as folder:
            file = Path(folder, "report.md")
            file.write_text(report.body, encoding="utf-8")
            # Publishing sends pictures and linked files to a public server, and the default target may be a commit.
            command = [
                str(self.command), "comment", verb, "--driver=github", f"--repo={self.url}", f"--target=pr/{number}",
                "--publish=false", f"--watermark-title={report.title}", str(file),
            ]  # fmt: skip
            return self._run(command, folder, _environment(os.environ, folder, self.token, report.commit))

    def _run(self, command: list[str], folder: str, environment: Mapping[str, str]) -> str:
        log = Path(folder, "log")
        with log.open("wb") as stream:
            try:
                process = subprocess.Popen(  # noqa: S603  # the program that the workflow named, no shell
                    command, cwd=folder, env=environment, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                )  # fmt: skip
            except OSError as error:
                return f"CML did not start ({error.strerror})"
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                return f"CML did not end within {self.seconds:g} s"
            finally:
                _end(process)
        return "" if code == 0 else f"CML ended with {code}: {_reason(log)}"


def _environment(outer: Mapping[str, str], folder: str, token: str, commit: str) -> dict[str, str]:
    """Nothing of the job but what CML needs; a home of its own, because it edits git's global configuration."""
    return {
        **{name: outer[name] for name in _KEPT if name in outer},
        "HOME": folder,
        "CI": "true",
        "GITHUB_REPOSITORY": outer.get("GITHUB_REPOSITORY", ""),
        "GITHUB_SHA": commit,
        "REPO_TOKEN": token,
        "ITERATIVE_DO_NOT_TRACK": "1",
        # On Node 20 a relative link in the report crashes it otherwise.
        "NODE_OPTIONS": "--no-experimental-fetch",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and whatever it started, which may outlive it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(log: Path) -> str:
    """CML's own message. Its log is one line of JSON an error, with the whole request in it; what crashes writes text."""
    text = log.read_bytes()[:100_000].decode("utf-8", "replace")
    logged = re.search(r'"level":"error","message":"((?:[^"\\]|\\.){1,200})', text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return logged[1] if logged else lines[-1][:200] if lines else "without a word"
