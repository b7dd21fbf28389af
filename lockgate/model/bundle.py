"""The bundle `models/`: a model, what it needs to be served and watched, and the manifest that names it all.

A bundle is data. Its folder has plain files of limited size, those that the manifest names and a few that may stand beside
them; every byte is hashed before it is parsed, and model.onnx is checked before ONNX Runtime sees it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from lockgate.config.errors import InputError
from lockgate.config.files import TEMPORARY_PREFIX, open_file, read_at_most, sha256_bytes, write_files
from lockgate.config.limits import BUNDLE_BYTES, BUNDLE_FILE_BYTES
from lockgate.documents.manifest_json import Manifest, Origin, Partitioning, Settings
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Schema
from lockgate.model.flavours.table import FLAVOURS, require_same_model
from lockgate.model.onnx_check import CheckedOnnx, check_onnx
from lockgate.model.onnx_message import shown
from lockgate.model.protocol import NativeForm

if TYPE_CHECKING:
    from lockgate.config.params import Params

ONNX_MODEL = "model.onnx"
SCHEMA = "schema.json"
PROFILE = "profile.json"
GOLDEN = "golden.json"
MANIFEST = "manifest.json"
REQUIRED_FILES = (ONNX_MODEL, SCHEMA, PROFILE, GOLDEN)
# Beside the bundle and outside its digest: where it came from, the verdict it came with from the registry, and its signature.
PROVENANCE = "provenance.json"
VERDICT = "gate.json"
VERDICT_ENVELOPE = "gate.json.dsse"
# All that may stand in the folder and is not in the manifest; DVC keeps a list for git there.
BESIDE = frozenset({PROVENANCE, VERDICT, VERDICT_ENVELOPE, ".gitignore"})
MAX_FILES = 100
HOW_TO_FIX = "take a bundle made by this version: `lockgate train`, `dvc repro` or `lockgate pull`"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file has the content that its manifest names.

    `contents` has the bytes that were hashed, by file name, the manifest's own included: whoever parses them parses what
    was verified, whoever writes into `folder` meanwhile. `onnx` is model.onnx, checked; `native` is the model in its
    library's own form, if it is there.
    """

    folder: Path
    digest: str
    manifest: Manifest
    contents: Mapping[str, bytes] = field(repr=False)
    onnx: CheckedOnnx
    native: NativeForm | None = field(repr=False)

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
        return Schema.read(self.contents[SCHEMA], self.path(SCHEMA), HOW_TO_FIX)

    @cached_property
    def profile(self) -> Profile:
        """The frozen bins and counts of the training rows."""
        return Profile.read(self.contents[PROFILE], self.path(PROFILE), HOW_TO_FIX)


def verify_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, every file's sha256 checked before anything parses it.

    Raises InputError, one line, where a file is missing, has other content than its manifest says, is not in the manifest,
    is no plain file or too large, and where model.onnx is not what `check_onnx` takes.
    """
    try:
        with os.scandir(folder) as entries:
            # What a command is about to write here is not there yet.
            found = {one.name: one for one in entries if not one.name.startswith(TEMPORARY_PREFIX)}
    except FileNotFoundError:
        raise InputError(f"{folder / MANIFEST} does not exist; {Manifest.HOW_TO_FIX}") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror or error}); {Manifest.HOW_TO_FIX}") from None
    for name, entry in sorted(found.items()):
        if not entry.is_file(follow_symlinks=False):
            kind = "a link" if entry.is_symlink() else "a folder or a device"
            raise InputError(
                f"{folder / shown(name)} is {kind}, and a bundle has only files; remove it, or {Manifest.HOW_TO_FIX}"
            )
    return _verified(folder, found, lambda name: _read_file(folder / name))


def bundle_from(files: Mapping[str, bytes], folder: Path) -> Bundle:
    """The bundle of these files, the manifest among them; messages call it `folder`. Raises as `verify_bundle` does."""
    return _verified(folder, files, lambda name: files[name])


def write_bundle(bundle: Bundle, folder: Path, beside: Mapping[str, bytes] | None = None) -> None:
    """Write a bundle into `folder`, with what stands `beside` it; the files of another one that was there go.

    Where a file cannot be written, nothing changes.
    """
    contents = {**bundle.contents, **(beside or {})}
    # DVC removes the manifest before a stage runs, so what it would name is also known by the kinds' own names.
    others = {*BESIDE, *REQUIRED_FILES, *(flavour.native for flavour in FLAVOURS.values()), *_names_in(folder)}
    write_files(folder, contents)
    for name in others - {*contents, ".gitignore"}:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder / name} is not of this bundle and cannot be removed ({error.strerror}); remove it"
            ) from None


def _names_in(folder: Path) -> Collection[str]:
    try:
        return Manifest.read_file(folder / MANIFEST).files
    except InputError:
        return ()


def _read_file(path: Path) -> bytes:
    try:
        with open_file(path, follow_links=False) as stream:
            return read_at_most(stream, BUNDLE_FILE_BYTES, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {Manifest.HOW_TO_FIX}") from None


def _verified(folder: Path, names: Collection[str], content: Callable[[str], bytes]) -> Bundle:
    path = folder / MANIFEST
    if MANIFEST not in names:
        raise InputError(f"{path} does not exist; {Manifest.HOW_TO_FIX}")
    contents: dict[str, bytes] = {}

    def take(name: str) -> None:
        contents[name] = content(name)
        BUNDLE_FILE_BYTES.require(len(contents[name]), str(folder / name))
        BUNDLE_BYTES.require(sum(map(len, contents.values())), f"the bundle {folder}")

    take(MANIFEST)
    manifest = Manifest.read(contents[MANIFEST], path)
    for name in REQUIRED_FILES:
        if name not in manifest.files:
            raise InputError(f"{path} does not name {name}; {Manifest.HOW_TO_FIX}")
    if len(manifest.files) > MAX_FILES or {MANIFEST, *BESIDE} & set(manifest.files):
        raise InputError(
            f"{path} names more than {MAX_FILES} files, or one that is no part of it; {Manifest.HOW_TO_FIX}"
        )
    for name in sorted(set(names) - {MANIFEST, *manifest.files, *BESIDE}):
        raise InputError(f"{folder / shown(name)} is not in {MANIFEST}, and a bundle has nothing else; remove it")
    for name, expected in manifest.files.items():
        if name not in names:
            raise InputError(f"{folder / name} is missing although the manifest names it; {Manifest.HOW_TO_FIX}")
        take(name)
        if sha256_bytes(contents[name]) != expected:
            raise InputError(f"{folder / name} is corrupted (its sha256 is not the manifest's); {Manifest.HOW_TO_FIX}")
    onnx = check_onnx(contents[ONNX_MODEL], str(folder / ONNX_MODEL))
    native = require_same_model(contents, contents[ONNX_MODEL], contents[SCHEMA], folder)
    return Bundle(folder, sha256_bytes(contents[MANIFEST]), manifest, contents, onnx, native)


def make_manifest(
    files: Mapping[str, bytes],
    training_data: str,
    origin: Origin | None,
    params: Params,
    partitioning: Partitioning | None = None,
) -> Manifest:
    """The manifest of `files` (name to content); the sha256 of its bytes is the model's digest.

    `training_data` is the sha256 of the training rows' file, `origin` what those were prepared from, `partitioning` how they
    were spread over several machines.
    """
    return Manifest(
        files={name: sha256_bytes(files[name]) for name in sorted(files)},
        training_data=training_data,
        origin=origin,
        params=effective_params(params),
        partitioning=partitioning or UNSET,
    )


def effective_params(params: Params) -> Settings:
    """The parameters that shape a bundle given its training data; how many threads work on it is not one."""
    return {
        "train": params.train.effective(),
        "drift": params.drift.model_dump(mode="json", exclude={"history", "evidently", "performance", "log_days"}),
        "decision": params.decision.model_dump(mode="json"),
        # Its other keys judge a model; by these columns the profile counts its rows apart.
        "evaluate": params.evaluate.model_dump(mode="json", include={"slices"}),
    }
