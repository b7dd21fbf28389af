"""What is in an image, as CycloneDX: Python's packages by cyclonedx-py, Debian's from the package database."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from lockgate.ci.release.tools import run_tool
from lockgate.config.errors import InputError
from lockgate.config.files import readable_json
from lockgate.documents.release_json import ImageRecord

_PYTHON = re.compile(r"(.*/)?[^/]+\.(dist-info|egg-info)/(METADATA|PKG-INFO|direct_url\.json)")
_DPKG = re.compile(r"var/lib/dpkg/status(\.d/[^/]+)?")  # the folder is what distroless images have
_MAX_BYTES = 50_000_000


class DebianPackage(msgspec.Struct, frozen=True, rename={"bom_ref": "bom-ref"}):
    """A component of CycloneDX, which packages are by their address, the purl."""

    bom_ref: str
    name: str
    version: str
    purl: str
    type: Literal["library"] = "library"


def image_sbom(local: str, record: ImageRecord) -> bytes:
    """The SBOM of docker's `local` image, which is `record` in the registry; equal images give equal bytes.

    Raises InputError where the image cannot be read, or has no package.
    """
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        folder = Path(name)
        paths, statuses = _package_files(local, folder)
        bom = _python_bom(paths, folder)
    components = bom.setdefault("components", [])
    for status in statuses:
        components.extend(map(msgspec.to_builtins, debian_components(status)))
    if not components:
        raise InputError(f"{local} has neither Python nor Debian packages that could be listed; check its Dockerfile")
    # GitHub's attest action takes no SBOM without a serial number, and a random one would differ at each run.
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, record.reference)}"
    bom.setdefault("metadata", {})["component"] = {
        "type": "container",
        "bom-ref": "image",
        "name": record.image,
        "version": record.digest,
        "purl": f"pkg:oci/{record.image.rsplit('/', 1)[-1]}@{quote(record.digest, safe='')}"
        f"?repository_url={quote(record.image, safe='')}",
    }
    return readable_json(bom)


def debian_components(status: str) -> Iterator[DebianPackage]:
    """The installed packages in the text of a dpkg status file."""
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph.strip())
        name, version, architecture = (fields.get(key, "") for key in ("Package", "Version", "Architecture"))
        if name and version and fields.get("Status", "is installed").endswith(" installed"):
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={quote(architecture)}"
            yield DebianPackage(purl, name, version, purl)


def _package_files(image: str, folder: Path) -> tuple[list[Path], list[str]]:
    """The folders with Python packages, copied as far as they name them, and the texts of dpkg's status."""
    archive = folder / "image.tar"
    container = run_tool("docker", "create", image, what=f"open the image {image}").decode().strip()
    try:
        run_tool("docker", "export", "--output", str(archive), container, what=f"read the image {image}")
    finally:
        run_tool("docker", "rm", container, what=f"close the image {image}")
    paths, statuses = set(), []
    with tarfile.open(archive) as opened:
        for entry in opened:
            name = entry.name.removeprefix("./")
            python, status = _PYTHON.fullmatch(name), _DPKG.fullmatch(name)
            if not (python or status) or not entry.isfile() or entry.size > _MAX_BYTES or ".." in Path(name).parts:
                continue
            stream = opened.extractfile(entry)
            content = stream.read() if stream else b""
            if python:
                target = folder / "root" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                paths.add(target.parent.parent)
            elif b"Package:" in content:
                statuses.append(content.decode(errors="replace"))
    archive.unlink()
    return sorted(paths), statuses


def _python_bom(paths: list[Path], folder: Path) -> dict[str, Any]:
    """cyclonedx-py asks an interpreter for its path; this one answers with the copied folders."""
    shim = folder / "python"
    answer = json.dumps([str(path) for path in paths] or [str(folder / "nothing")])
    shim.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(answer)}\n")
    shim.chmod(0o700)
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    written = run_tool(
        sys.executable, "-P", "-m", "cyclonedx_py", "environment", "--output-reproducible", "--validate",
        str(shim), what="list the image's Python packages", environment=environment,
    )  # fmt: skip
    bom: dict[str, Any] = json.loads(written)
    return bom
