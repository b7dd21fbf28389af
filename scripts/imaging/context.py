"""What is sent to the build: the kit, its locked packages, and one bundle with its verdict."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.model.bundle import MANIFEST, PROVENANCE, VERDICT, VERDICT_ENVELOPE, Bundle

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "bundle"
DOCKERFILE = "app/Dockerfile"


def build_context(bundle: Bundle, verdict: Path) -> bytes:
    """A tar of the context, the same bytes for the same content: times, owners and modes are set.

    The bundle is in `bundle/`, with `verdict` as its gate.json, and the signature that lies beside that. Raises InputError
    where a file cannot be read.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in kit_files():
            _add(archive, str(path.relative_to(ROOT)), path)
        for name in [*sorted(bundle.files), MANIFEST]:
            _add(archive, f"{BUNDLE}/{name}", bundle.path(name))
        if bundle.path(PROVENANCE).is_file():
            _add(archive, f"{BUNDLE}/{PROVENANCE}", bundle.path(PROVENANCE))
        _add(archive, f"{BUNDLE}/{VERDICT}", verdict)
        envelope = verdict.with_name(f"{verdict.name}.dsse")
        if envelope.is_file():
            _add(archive, f"{BUNDLE}/{VERDICT_ENVELOPE}", envelope)
    return stream.getvalue()


def kit_files() -> list[Path]:
    """What the image is made of but for the bundle: what serving needs of the kit, its locked packages, the Dockerfile.

    Sorted. Folders of the kit that .dockerignore names are left out, so that `docker build .` gives the same image.
    """
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = {ROOT / line for line in lines if line.startswith("lockgate/")}
    kit = (
        path
        for path in (ROOT / "lockgate").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and left_out.isdisjoint(path.parents)
    )
    return sorted([*kit, ROOT / DOCKERFILE, ROOT / "requirements/service.txt"])


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be put into the image: {error.strerror}") from error
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))
