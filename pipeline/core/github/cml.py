"""Running CML, whatever it does: in a folder and an environment of its own, for a limited time, with no child left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

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
        # On Node 20 a relative link in the report crashes it otherwise.
        "NODE_OPTIONS": "--no-experimental-fetch",
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
