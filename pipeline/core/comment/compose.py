"""From the artifact's files and the run's own facts to the text of the comment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import sha256_bytes
from pipeline.core.report.documents import parse_document
from pipeline.core.report.facts import ReportFacts
from pipeline.core.report.run import RunFacts

_MANIFEST = "manifest.json"


def read_facts(files: Mapping[str, bytes], run: RunFacts) -> ReportFacts:
    """What the comment may say. Files that do not fit their schemas make it a comment without a report, and say why."""
    try:
        documents = {name: parse_document(name, content) for name, content in files.items()}
        _check_manifest(files, documents)
    except InputError as error:
        return ReportFacts(run=replace(run, refused=str(error)))
    gate, manifest = documents.get("gate.json"), documents.get(_MANIFEST, {})
    foreign = gate.get("predictions") if gate else None
    if foreign is not None:
        # The files of a bundle tell nothing about somebody else's table.
        return ReportFacts(
            gate=gate, metrics=documents.get("metrics.json"), predictions=str(foreign),
            policy=documents.get("policy.json"), run=run,
        )  # fmt: skip
    return ReportFacts(
        gate=gate,
        metrics=documents.get("metrics.json"),
        drift=documents.get("drift.json"),
        train=documents.get("train.json"),
        schema=documents.get("schema.json"),
        training_data=manifest.get("training_data"),
        params=manifest.get("params"),
        policy=documents.get("policy.json"),
        run=run,
    )


def _check_manifest(files: Mapping[str, bytes], documents: Mapping[str, Any]) -> None:
    """The digest is the manifest's sha256: files of two models in one artifact are no report."""
    gate = documents.get("gate.json")
    if _MANIFEST not in files or gate is None or gate["predictions"] is not None:
        return
    if sha256_bytes(files[_MANIFEST]) != gate["model"]:
        raise InputError("manifest.json is not of the model that gate.json names")
