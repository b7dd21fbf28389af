"""A real container registry on a free port of 127.0.0.1, for one test or more."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import require

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Registry:
    """Where it listens, HOST:PORT."""

    address: str

    def get(self, path: str) -> Any:
        """The JSON at a path of its API; None where there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/{path}") as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    @property
    def repositories(self) -> list[str]:
        """What was ever pushed to."""
        return list(self.get("_catalog")["repositories"])

    def tags(self, repository: str) -> dict[str, str]:
        """Tag to digest."""
        listed = (self.get(f"{repository}/tags/list") or {}).get("tags") or []
        return {tag: self.digest(repository, tag) for tag in listed}

    def digest(self, repository: str, tag: str) -> str:
        """The digest of a tag."""
        request = urllib.request.Request(
            f"http://{self.address}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFESTS}, method="HEAD"
        )
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers["Docker-Content-Digest"])


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Debian's docker-registry over `folder`, until the block ends."""
    require("docker-registry", "skopeo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": address, "relativeurls": True},
            }
        )
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        try:
            _wait(address, process)
            yield Registry(address)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "docker-registry ended at once; see its log"
        try:
            urllib.request.urlopen(f"http://{address}/v2/").close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no registry answers at {address}")
