"""An image of one's own that verifies signatures: what docs/signatures.md adds to the kit's image is enough, and needed.

What the image holds is put together here without Docker: the same files, and the same locked packages in an environment of
their own. It needs a package index, so `scripts/image release` runs it.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import Run
from support import require, succeed

from lockgate.model.bundle import verify_bundle

ROOT = Path(__file__).parents[2]
LISTENS = "on http://127.0.0.1:"
UV = (Path(sys.executable).parent / "uv", "--quiet", "pip", "install")


def documented(instruction: str) -> str:
    """The one line of the documented Dockerfile with this instruction, its continuations joined."""
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", (ROOT / "docs/signatures.md").read_text(), re.DOTALL)
    (line,) = re.findall(rf"^{instruction} (.*)$", dockerfile.replace("\\\n", " "), re.MULTILINE)
    return str(line)


def key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    require("openssl")
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.mark.docker
def test_with_the_documented_packages_a_container_serves_what_was_signed_and_nothing_else(
    project: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from imaging.context import build_context

    private, public = key_pair(tmp_path, "a")
    succeed(run("sign", "--key", str(private)))
    image = tmp_path / "image"
    content = build_context(verify_bundle(project / "models"), project / "reports/gate.json")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(image, filter="data")

    environment, packages = tmp_path / "environment", tmp_path / "signatures"
    subprocess.run([UV[0], "--quiet", "venv", "--python", sys.executable, environment], check=True)
    python = ("--python", environment / "bin/python")
    locked = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement")
    subprocess.run([*UV, *python, *locked, image / "requirements/service.txt"], check=True)
    _, _, *options = shlex.split(documented("RUN"))
    assert "--no-compile" in options  # of pip alone
    places = {"signed.txt": str(ROOT / "requirements/signed.txt"), "/signatures": str(packages)}
    wanted = [places.get(option, option) for option in options if option != "--no-compile"]
    subprocess.run([*UV, *python, *wanted], check=True)
    added = dict(part.split("=", 1) for part in shlex.split(documented("ENV")))
    assert added.pop("PYTHONPATH") == "/signatures"
    assert added.pop("LOCKGATE_VERIFY_KEY").startswith("/")

    def serve(key: Path, *places: Path) -> str:
        """What it writes until it ends or listens."""
        log = tmp_path / "log"
        path = os.pathsep.join(map(str, (*places, image)))
        variables = {"PYTHONPATH": path, "LOCKGATE_BUNDLE": str(image / "bundle"), "LOCKGATE_VERIFY_KEY": str(key)}
        command = [environment / "bin/python", "-m", "lockgate", "serve", "--port", "0"]
        with log.open("wb") as stream:
            process = subprocess.Popen(command, cwd=tmp_path, env={**variables, **added}, stderr=stream, stdout=stream)
        try:
            deadline = time.monotonic() + 60
            while process.poll() is None and LISTENS not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            return f"{process.returncode}: {log.read_text()}"
        finally:
            process.kill()
            process.wait()

    assert LISTENS in serve(public, packages)
    refused, without = serve(key_pair(tmp_path, "b")[1], packages), serve(public)
    assert refused.startswith("2: Error: ")
    assert "was not signed by a key that is trusted here" in refused
    assert without.startswith("2: Error: ")
    assert "cryptography" in without
    assert without.count("\n") == 1
