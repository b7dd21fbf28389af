"""The docker command."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lockgate.config.errors import InputError


def docker(
    *arguments: str, content: bytes | None = None, show: bool = False, limit: float = 900, stderr_too: bool = False
) -> str:
    """Run `docker ARGUMENTS`; what it printed on stdout, stripped.

    `content` goes to its stdin, `show` lets its stderr through, `stderr_too` returns it as well, `limit` is in seconds.
    Raises InputError, with the end of its output, where it fails.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments], input=content, stdout=subprocess.PIPE, timeout=limit, check=False,
            stderr=None if show else subprocess.STDOUT if stderr_too else subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError("there is no docker here; install it, or run scripts/with-docker scripts/image ...") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"docker {' '.join(arguments[:2])} did not end within {limit:g} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout or b"").decode(errors="replace").strip()[-2000:]
        raise InputError(f"docker {' '.join(arguments[:2])} failed with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace").strip()


def inspect(kind: str, name: str) -> dict[str, Any]:
    """What docker knows of an image or a container."""
    found: dict[str, Any] = json.loads(docker(kind, "inspect", name))[0]
    return found
