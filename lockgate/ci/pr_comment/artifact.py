"""The artifact `report` as a stranger may have made it: nothing is written, followed or believed before it was checked."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.curves_json import CURVES, read_curves
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.manifest_json import Manifest
from lockgate.documents.metrics_json import read_metrics
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.schema_json import Schema
from lockgate.documents.text import clean_text
from lockgate.documents.train_json import TrainingReport
from lockgate.github.artifacts import DAMAGED_ZIP
from lockgate.report.facts import ReportFacts
from lockgate.report.run import RunFacts

MAX_FILES = 40
MAX_FILE_BYTES = 5_000_000
MAX_BYTES = 20_000_000
# Made beside the JSON for people; what a trusted job shows, it renders itself.
IGNORED = frozenset({"report.md", "report.html", "drift.html", "predictions.parquet"})


DOCUMENTS = (
    *("gate.json", "metrics.json", "drift.json", "train.json", "schema.json", "manifest.json", "policy.json"),
    *(f"plots/{name}.json" for name in CURVES),
)
Document = TypeVar("Document")


class ArtifactError(InputError):
    """The artifact is not one that the kit makes."""


def read_artifact(path: Path) -> dict[str, bytes]:
    """Name to content of the JSON documents in `path`, a folder or a ZIP file.

    Raises ArtifactError on symbolic links, devices, names that the kit does not write (absolute ones and `..` among
    them), and on more files or bytes than a report can have. Nothing is extracted.
    """
    if path.is_symlink():
        raise ArtifactError(f"{path} is a symbolic link")
    if path.is_dir():
        return _collected(_folder_entries(path))
    if path.is_file():
        return read_zip(path.read_bytes() if path.stat().st_size <= MAX_BYTES else _too_large())
    raise ArtifactError(f"{path} does not exist; the run left no report")


def read_zip(content: bytes) -> dict[str, bytes]:
    """The same for the bytes of a ZIP file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _collected(_zip_entries(archive))
    except DAMAGED_ZIP:
        raise ArtifactError("the artifact is not a readable ZIP file") from None


def _collected(entries: Iterator[tuple[str, bytes]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    for name, content in entries:
        if name in found:
            raise ArtifactError(f"the artifact has {_shown(name)} twice")
        total += len(content)
        if total > MAX_BYTES:
            _too_large()
        found[name] = content
    return found


def _folder_entries(folder: Path) -> Iterator[tuple[str, bytes]]:
    seen = 0
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            seen += 1
            _check_count(seen)
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and relative == "plots":
                continue
            if not stat.S_ISREG(mode):
                raise ArtifactError(f"{_shown(relative)} in the artifact is not a plain file")
            if _is_wanted(relative):
                yield relative, _read_at_most(path)


def _read_at_most(path: Path) -> bytes:
    # Whatever happened since the look at it: a link is not followed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    return content if len(content) <= MAX_FILE_BYTES else _too_large()


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    entries = archive.infolist()
    _check_count(len(entries))
    for entry in entries:
        mode = entry.external_attr >> 16
        if entry.filename == "plots/":
            continue
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG} or entry.is_dir():
            raise ArtifactError(f"{_shown(entry.filename)} in the artifact is not a plain file")
        if _is_wanted(entry.filename):
            # Read up to the limit, whatever size the archive claims: a bomb unpacks no further.
            with archive.open(entry) as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
            yield entry.filename, content if len(content) <= MAX_FILE_BYTES else _too_large()


def _is_wanted(name: str) -> bool:
    if name in DOCUMENTS:
        return True
    if name in IGNORED:
        return False
    hint = " (it leads outside)" if name.startswith("/") or ".." in PurePosixPath(name).parts else ""
    raise ArtifactError(f"the artifact holds {_shown(name)}, which no report has{hint}")


def _check_count(number: int) -> None:
    if number > MAX_FILES:
        raise ArtifactError(f"the artifact holds more than {MAX_FILES} files")


def _too_large() -> bytes:
    raise ArtifactError(f"the artifact is larger than a report can be ({MAX_BYTES // 1_000_000} MB)")


def _shown(name: str) -> str:
    return f"'{clean_text(name, 80)}'"


_MANIFEST = "manifest.json"


def read_facts(files: Mapping[str, bytes], run: RunFacts, current: str | None = None) -> ReportFacts:
    """What the comment may say; `current` is the sha256 of the current batch, where there is one to compare with.

    Files that are not what the kit writes make it a comment without a report, and say why.
    """
    try:
        facts = _facts(files, run)
        _check_manifest(files, facts.gate)
        if facts.drift is not None and current is not None:
            facts.drift.require_batch(current)
    except InputError as error:
        return ReportFacts(run=replace(run, refused=str(error)))
    if facts.predictions is not None:
        # The files of a bundle tell nothing about somebody else's table.
        return ReportFacts(gate=facts.gate, metrics=facts.metrics, policy=facts.policy, run=run)
    return facts


def _facts(files: Mapping[str, bytes], run: RunFacts) -> ReportFacts:
    def read(name: str, reader: Callable[[bytes, str], Document]) -> Document | None:
        return reader(files[name], name) if name in files else None

    read_curves({name: files[path] for name in CURVES if (path := f"plots/{name}.json") in files})
    manifest = read(_MANIFEST, Manifest.read)
    return ReportFacts(
        gate=read("gate.json", GateResult.read),
        metrics=read("metrics.json", read_metrics),
        drift=read("drift.json", DriftResult.read),
        train=read("train.json", TrainingReport.read),
        schema=read("schema.json", Schema.read),
        training_data=manifest.training_data if manifest else None,
        params=manifest.params_sha256 if manifest else None,
        policy=read("policy.json", PolicyDifference.read),
        run=run,
    )


def _check_manifest(files: Mapping[str, bytes], gate: GateResult | None) -> None:
    """The digest is the manifest's sha256: files of two models in one artifact are no report."""
    if _MANIFEST not in files or gate is None or gate.predictions is not None:
        return
    if sha256_bytes(files[_MANIFEST]) != gate.model:
        raise InputError("manifest.json is not of the model that gate.json names")
