"""The bundle `models/`: a model, what it needs to be served and watched, and the manifest that names it all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.config.errors import InputError
from lockgate.config.files import canonical_json, read_json, readable_json, sha256_bytes

if TYPE_CHECKING:
    from lockgate.config.params import Params

MODEL = "model.json"
ONNX_MODEL = "model.onnx"
SCHEMA = "schema.json"
PROFILE = "profile.json"
GOLDEN = "golden.json"
MANIFEST = "manifest.json"
REQUIRED_FILES = (MODEL, ONNX_MODEL, SCHEMA, PROFILE, GOLDEN)
# Beside the bundle and outside its digest: where it came from, and the verdict it came with from the registry.
PROVENANCE = "provenance.json"
VERDICT = "gate.json"
MANIFEST_VERSION = 1
MEND = "restore it with `dvc checkout`, `dvc repro` or `lockgate pull`"

SHA256 = re.compile(r"[0-9a-f]{64}")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file has the content that its manifest names.

    `contents` has the bytes that were hashed, by file name, the manifest's own included: whoever parses them parses what
    was verified, whoever writes into `folder` meanwhile.
    """

    folder: Path
    digest: str
    files: dict[str, str]
    training_data: str
    params: str
    contents: Mapping[str, bytes] = field(repr=False)

    def path(self, name: str) -> Path:
        """Where the bundle's file `name` is."""
        return self.folder / name


def verify_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, every file's sha256 checked before anything parses it.

    A damaged model file can crash its parser or load and score wrongly, so the hash comes first.
    Raises InputError naming the file that is missing or has other content.
    """
    path = folder / MANIFEST
    manifest = read_json(path, MEND)
    contents = {MANIFEST: _content(path)}
    files: Any = manifest.get("files")
    training_data: Any = manifest.get("training_data")
    params: Any = manifest.get("params")
    if manifest.get("schema") != MANIFEST_VERSION or not _hashes(files) or not _are_sha256(training_data, params):
        raise InputError(f"{path} is not a bundle's manifest of version {MANIFEST_VERSION}; {MEND}")
    for name in REQUIRED_FILES:
        if name not in files:
            raise InputError(f"{path} does not name {name}; {MEND}")
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise InputError(f"{file} is missing although the manifest names it; {MEND}")
        contents[name] = _content(file)
        if sha256_bytes(contents[name]) != expected:
            raise InputError(f"{file} is corrupted (its sha256 is not the manifest's); {MEND}")
    return Bundle(folder, sha256_bytes(contents[MANIFEST]), files, training_data, params, contents)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror or error}); {MEND}") from None


def _hashes(files: Any) -> bool:
    return isinstance(files, dict) and all(
        PLAIN_NAME.fullmatch(name) and _are_sha256(expected) for name, expected in files.items()
    )


def _are_sha256(*values: Any) -> bool:
    return all(isinstance(value, str) and SHA256.fullmatch(value) for value in values)


def make_manifest(files: Mapping[str, bytes], training_data: str, params: Params) -> bytes:
    """The manifest of `files` (name to content): nothing in it differs between two equal runs.

    `training_data` is the sha256 of the training rows. The sha256 of the returned bytes is the model's digest.
    """
    return readable_json(
        {
            "schema": MANIFEST_VERSION,
            "files": {name: sha256_bytes(files[name]) for name in sorted(files)},
            "training_data": training_data,
            "params": sha256_bytes(canonical_json(effective_params(params))),
        }
    )


def effective_params(params: Params) -> dict[str, Any]:
    """The parameters that shape a bundle given its training data; how many threads work on it is not one."""
    return {
        "train": params.train.model_dump(exclude={"nthread"}),
        "drift": params.drift.model_dump(exclude={"history"}),
        "decision": params.decision.model_dump(),
    }
