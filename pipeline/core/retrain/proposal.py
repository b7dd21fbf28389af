"""What the training job hands over, checked before anything of it is pushed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import sha256_bytes
from pipeline.core.common.params import read_params
from pipeline.core.common.yaml_file import read_yaml
from pipeline.core.report.documents import parse_document
from pipeline.core.report.facts import ReportFacts
from pipeline.core.report.verdict import read_verdict

PARAMS, LOCK = "params.yaml", "dvc.lock"
GATE, MANIFEST = "reports/gate.json", "models/manifest.json"
MOST_BYTES = 5_000_000
MEND = "run the retrain again"


@dataclass(frozen=True)
class Proposal:
    """A retrained model: its digest, the verdict on it, the files to commit, and what its report is made from."""

    digest: str
    verdict: str
    files: Mapping[str, bytes]
    facts: ReportFacts

    @property
    def branch(self) -> str:
        """Named after the model, so that the same retrain twice is one branch and one pull request."""
        return f"lockgate/retrain-{self.digest[:12]}"


def read_proposal(folder: Path) -> Proposal:
    """The proposal in a downloaded artifact, whose files have to be of one and the same model.

    The verdict, the manifest and `dvc.lock` come from a job that ran training code. Raises InputError where they do
    not agree with each other, where `params.yaml` is not valid, or where a file is a link or too large.
    """
    gate = _document(folder, GATE)
    digest = sha256_bytes(_content(folder, MANIFEST))
    if gate.get("model") != digest:
        raise InputError(f"{GATE} is about another model than {MANIFEST}; {MEND}")
    lock = _content(folder, LOCK)
    if lock_entry(_file(folder, LOCK), MANIFEST) != _md5(_content(folder, MANIFEST)):
        raise InputError(f"{LOCK} is about another model than {MANIFEST}; {MEND}")
    read_params(_file(folder, PARAMS))
    pointers = {
        str(path.relative_to(folder)): _content(folder, str(path.relative_to(folder)))
        for path in sorted(folder.rglob("*.dvc"))
    }
    facts = ReportFacts(
        gate=gate,
        metrics=_optional(folder, "reports/metrics.json"),
        drift=_optional(folder, "reports/drift.json"),
        train=_optional(folder, "reports/train.json"),
        schema=_optional(folder, "models/schema.json"),
    )
    files = {PARAMS: _content(folder, PARAMS), LOCK: lock, **pointers}
    return Proposal(digest, read_verdict(gate).outcome, files, facts)


def lock_entry(path: Path, output: str) -> str | None:
    """The hash that a `dvc.lock` has for an output of any stage, or None."""
    stages = read_yaml(path).get("stages")
    for stage in (stages if isinstance(stages, Mapping) else {}).values():
        for entry in (stage.get("outs") if isinstance(stage, Mapping) else None) or []:
            if isinstance(entry, Mapping) and entry.get("path") == output:
                found = entry.get("md5")
                return str(found) if found else None
    return None


def _optional(folder: Path, name: str) -> dict[str, Any] | None:
    return _document(folder, name) if (folder / name).exists() else None


def _document(folder: Path, name: str) -> dict[str, Any]:
    """One of the kit's JSON files, held against its schema."""
    found: dict[str, Any] = parse_document(Path(name).name, _content(folder, name))
    return found


def _content(folder: Path, name: str) -> bytes:
    content = _file(folder, name).read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text; {MEND}") from None
    return content


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"the retrain left no file {name}; {MEND}")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{name} is over {MOST_BYTES:,} bytes; {MEND}")
    return path


def _md5(content: bytes) -> str:
    """DVC's own name of a content; what is trusted is the sha256."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
