"""A container of the image as a platform would run it, on a free port of 127.0.0.1."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imaging.docker import docker, inspect

from lockgate.config.errors import InputError

PYTHON = "/opt/lockgate/bin/python"
LOCKED_DOWN = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host")


@dataclass(frozen=True)
class Container:
    """A running container, and the address of its service."""

    name: str
    url: str

    def wait_until_healthy(self, seconds: float) -> float:
        """Seconds until its own health check succeeded; raises InputError, with its log, when it has not."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            state = inspect("container", self.name)["State"]
            if not state["Running"]:
                break
            if state["Health"]["Status"] == "healthy":
                return time.monotonic() - start
            time.sleep(0.1)
        raise InputError(f"the container is not healthy after {seconds:g} s; it printed: {self.log()}")

    def stop(self, grace: int) -> tuple[int, float]:
        """Exit code and seconds of `docker stop`, which kills after `grace` seconds."""
        start = time.monotonic()
        docker("stop", "--time", str(grace), self.name)
        return inspect("container", self.name)["State"]["ExitCode"], time.monotonic() - start

    def log(self) -> str:
        """What it printed, on one line."""
        return " ".join(docker("logs", self.name, limit=30, stderr_too=True).split())[-1500:]


@contextmanager
def running(image: str, *options: str) -> Iterator[Container]:
    """The image's service, read-only and without any capability; removed at the end."""
    port = _free_port()
    name = docker(
        "run", "--detach", *LOCKED_DOWN, "--env", "LOCKGATE_HOST=127.0.0.1", "--env", f"LOCKGATE_PORT={port}",
        *options, image,
    )  # fmt: skip
    try:
        yield Container(name, f"http://127.0.0.1:{port}")
    finally:
        docker("rm", "--force", "--volumes", name)


def run_python(image: str, code: str, *options: str) -> str:
    """What `code` prints in a container of the image."""
    return docker(
        "run",
        "--rm",
        "--interactive",
        *LOCKED_DOWN,
        "--entrypoint",
        PYTHON,
        *options,
        image,
        "-",
        content=code.encode(),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
