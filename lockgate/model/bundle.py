"""The bundle `models/`: a model, what it needs to be served and watched, and the manifest that names it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes, sha256_bytes
from lockgate.documents.manifest_json import Manifest, Origin, Settings
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Schema

if TYPE_CHECKING:
    from lockgate.config.params import Params

ONNX_MODEL = "model.onnx"
SCHEMA = "schema.json"
PROFILE = "profile.json"
GOLDEN = "golden.json"
MANIFEST = "manifest.json"
REQUIRED_FILES = (ONNX_MODEL, SCHEMA, PROFILE, GOLDEN)
# Beside the bundle and outside its digest: where it came from, the verdict it came with from the registry, and who signed it.
PROVENANCE = "provenance.json"
VERDICT = "gate.json"
VERDICT_ENVELOPE = "gate.json.dsse"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file has the content that its manifest names.

    `contents` has the bytes that were hashed, by file name, the manifest's own included: whoever parses them parses what
    was verified, whoever writes into `folder` meanwhile.
    """

    folder: Path
    digest: str
    manifest: Manifest
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def files(self) -> Mapping[str, str]:
        """The sha256 of each file, by its name."""
        return self.manifest.files

    @property
    def training_data(self) -> str:
        """The sha256 of the training rows' file."""
        return self.manifest.training_data

    @property
    def params(self) -> str:
        """The identity of the settings that shaped the bundle."""
        return self.manifest.params_sha256

    def path(self, name: str) -> Path:
        """Where the bundle's file `name` is."""
        return self.folder / name

    @cached_property
    def schema(self) -> Schema:
        """What the model's columns are."""
        return Schema.read(self.contents[SCHEMA], self.path(SCHEMA))

    @cached_property
    def profile(self) -> Profile:
        """The frozen bins and counts of the training rows."""
        return Profile.read(self.contents[PROFILE], self.path(PROFILE))


def verify_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, every file's sha256 checked before anything parses it.

    A damaged model file can crash its parser or load and score wrongly, so the hash comes first.
    Raises InputError naming the file that is missing or has other content.
    """

    def content(name: str) -> bytes:
        file = folder / name
        if name == MANIFEST:
            return read_bytes(file, Manifest.HOW_TO_FIX)
        if not file.is_file():
            raise InputError(f"{file} is missing although the manifest names it; {Manifest.HOW_TO_FIX}")
        try:
            return file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror or error}); {Manifest.HOW_TO_FIX}") from None

    return _verified(folder, content)


def bundle_from(files: Mapping[str, bytes], folder: Path) -> Bundle:
    """The bundle of these files, the manifest among them; messages call it `folder`. Raises as `verify_bundle` does."""
    return _verified(folder, lambda name: files.get(name, b""))


def _verified(folder: Path, content: Callable[[str], bytes]) -> Bundle:
    path = folder / MANIFEST
    contents = {MANIFEST: content(MANIFEST)}
    manifest = Manifest.read(contents[MANIFEST], path)
    for name in REQUIRED_FILES:
        if name not in manifest.files:
            raise InputError(f"{path} does not name {name}; {Manifest.HOW_TO_FIX}")
    for name, expected in manifest.files.items():
        contents[name] = content(name)
        if sha256_bytes(contents[name]) != expected:
            raise InputError(f"{folder / name} is corrupted (its sha256 is not the manifest's); {Manifest.HOW_TO_FIX}")
    return Bundle(folder, sha256_bytes(contents[MANIFEST]), manifest, contents)


def make_manifest(files: Mapping[str, bytes], training_data: str, origin: Origin | None, params: Params) -> Manifest:
    """The manifest of `files` (name to content); the sha256 of its bytes is the model's digest.

    `training_data` is the sha256 of the training rows' file, `origin` what those were prepared from.
    """
    return Manifest(
        files={name: sha256_bytes(files[name]) for name in sorted(files)},
        training_data=training_data,
        origin=origin,
        params=effective_params(params),
    )


def effective_params(params: Params) -> Settings:
    """The parameters that shape a bundle given its training data; how many threads work on it is not one."""
    return {
        "train": params.train.effective(),
        "drift": params.drift.model_dump(mode="json", exclude={"history"}),
        "decision": params.decision.model_dump(mode="json"),
    }
