"""A bundle's folder has plain files that its manifest names, of limited size; its digest covers each byte of them."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx_models
import pandas as pd
import pytest
from onnx_models import manifest_of, write_bundle_of
from releasing import small_bundle

from lockgate.config.errors import InputError
from lockgate.config.files import readable_json, sha256_bytes
from lockgate.model.bundle import BESIDE, MAX_FILES, Bundle, bundle_from, verify_bundle, write_bundle
from lockgate.model.scoring import score_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "models").folder


def rename_manifest(folder: Path, *names: str) -> None:
    """The manifest also names these files, with the right hashes."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    files |= {name: (folder / name).read_bytes() if (folder / name).exists() else b"" for name in names}
    (folder / "manifest.json").write_bytes(manifest_of(files))


def listen(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


STRANGERS: dict[str, Callable[[Path], object]] = {
    "a folder or a device": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": listen,
    "a link": lambda path: path.symlink_to("model.onnx"),
    "a link to nothing": lambda path: path.symlink_to("absent"),
    "a link out of the folder": lambda path: path.symlink_to("/etc/passwd"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("name", ["weights", "schema.json", "manifest.json", *sorted(BESIDE)])
@pytest.mark.parametrize("kind", STRANGERS)
def test_what_is_no_file_is_refused_without_being_opened(folder: Path, kind: str, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    STRANGERS[kind](folder / name)
    with pytest.raises(InputError, match=rf"models/{name} is a (link|folder or a device), and a bundle has only files"):
        verify_bundle(folder)


def test_a_file_that_the_manifest_does_not_name_is_refused(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"models/weights\.bin is not in manifest\.json, .*; remove it"):
        verify_bundle(folder)


def test_what_may_stand_beside_it_and_what_a_command_is_writing_do_no_harm(folder: Path) -> None:
    expected = verify_bundle(folder)
    for name in BESIDE:
        (folder / name).write_bytes(b"anything")
    (folder / ".lockgate-1-abc").mkdir()
    found = verify_bundle(folder)
    assert found == expected
    assert not BESIDE & set(found.contents)


@pytest.mark.parametrize("name", ["manifest.json", "gate.json", "gate.json.dsse", "provenance.json"])
def test_a_manifest_does_not_name_what_stands_outside_of_the_digest(folder: Path, name: str) -> None:
    if name != "manifest.json":
        (folder / name).write_bytes(b"{}")
    rename_manifest(folder, name)
    with pytest.raises(InputError, match=r"manifest\.json names more than 100 files, or one that is no part of it"):
        verify_bundle(folder)


def test_a_bundle_of_too_many_files_is_refused(folder: Path) -> None:
    names = [f"part{place}" for place in range(MAX_FILES - 4)]
    for name in names:
        (folder / name).write_bytes(b"")
    rename_manifest(folder)
    assert len(verify_bundle(folder).files) == MAX_FILES
    (folder / "one-more").write_bytes(b"")
    rename_manifest(folder)
    with pytest.raises(InputError, match="names more than 100 files"):
        verify_bundle(folder)


def test_a_file_beyond_the_limit_is_not_read(folder: Path) -> None:
    with (folder / "schema.json").open("wb") as stream:
        stream.truncate(2**40)  # takes no room on the disk, and would fill the memory
    with pytest.raises(InputError, match=r"schema\.json has 1,099,511,627,776 bytes, and the limit is 100,000,000"):
        verify_bundle(folder)


def test_the_limits_hold_for_files_and_for_all_of_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    largest, whole = max(map(len, contents.values())), sum(map(len, contents.values()))
    for variable, limit in (("LOCKGATE_MAX_BUNDLE_FILE_BYTES", largest), ("LOCKGATE_MAX_BUNDLE_BYTES", whole)):
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(limit))
            verify_bundle(folder)
            patch.setenv(variable, str(limit - 1))
            for verify in (lambda: verify_bundle(folder), lambda: bundle_from(contents, folder)):
                with pytest.raises(InputError, match=f"the limit is {limit - 1:,}; .*{variable}={limit}"):
                    verify()


def test_bytes_are_verified_as_a_folder_is(folder: Path) -> None:
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert bundle_from(contents, folder) == verify_bundle(folder)
    with pytest.raises(InputError, match="weights is not in"):
        bundle_from({**contents, "weights": b""}, folder)
    with pytest.raises(InputError, match=r"model\.onnx is missing although the manifest names it"):
        bundle_from({name: content for name, content in contents.items() if name != "model.onnx"}, folder)
    with pytest.raises(InputError, match=r"manifest\.json does not exist"):
        bundle_from({}, folder)


def test_a_model_that_is_no_data_is_refused_although_its_hash_is_right(tmp_path: Path) -> None:
    hostile = write_bundle_of(tmp_path / "models", onnx_models.content(onnx_models.node("RandomNormalLike")))
    with pytest.raises(InputError, match=r"models/model\.onnx has the operator `RandomNormalLike`"):
        verify_bundle(hostile)


def test_a_bundle_replaces_the_one_before_it_whole(folder: Path, tmp_path: Path) -> None:
    """Of another kind of model, with other files; what a person put there stays, and is named."""
    (folder / "model.txt").write_text("of LightGBM")
    rename_manifest(folder)
    for name in ("gate.json", "provenance.json", ".gitignore", "scorecard.json"):
        (folder / name).write_text("old")
    new = small_bundle(tmp_path / "new", "two")
    write_bundle(new, folder, {"provenance.json": b"new"})
    assert {path.name for path in folder.iterdir()} == {*new.contents, "provenance.json", ".gitignore"}
    assert (folder / "provenance.json").read_bytes() == b"new"
    assert verify_bundle(folder).contents == new.contents
    (folder / "model.txt").mkdir()
    with pytest.raises(InputError, match=r"models/model\.txt is not of this bundle and cannot be removed"):
        write_bundle(new, folder)
    (folder / "model.txt").rmdir()
    (folder / "notes.txt").write_text("mine")
    write_bundle(new, folder)
    with pytest.raises(InputError, match=r"notes\.txt is not in manifest\.json"):
        verify_bundle(folder)


def changed(content: bytes, chance: random.Random) -> bytes:
    """One byte changed, left out or put in, or the end cut off."""
    place = chance.randrange(len(content))
    other = bytes([content[place] ^ chance.randrange(1, 256)])
    return chance.choice(
        [
            content[:place] + other + content[place + 1 :],
            content[:place] + content[place + 1 :],
            content[:place] + other + content[place:],
            content[:place],
        ]
    )


def test_the_digest_covers_every_byte_that_can_change_an_answer(trained_project: Path) -> None:
    """Each file, at places in all of it: the bundle is refused, and with a manifest that fits it is another model."""
    whole = verify_bundle(trained_project / "models")
    assert len(whole.contents) == len(whole.files) + 1 == 6
    chance = random.Random(10)  # noqa: S311
    for name, content in whole.contents.items():
        for one in (content + b" ", b" " + content, b"", *(changed(content, chance) for _ in range(40))):
            digests = set()
            for manifest in (whole.contents["manifest.json"], fitting(whole, name, one)):
                with suppress(InputError):
                    digests.add(
                        bundle_from({**whole.contents, "manifest.json": manifest, name: one}, Path("it")).digest
                    )
            assert whole.digest not in digests


def fitting(whole: Bundle, name: str, content: bytes) -> bytes:
    """The bundle's manifest, with the hash of another file."""
    manifest = json.loads(whole.contents["manifest.json"])
    manifest["files"][name] = sha256_bytes(content)
    return readable_json(manifest)


def test_what_lies_outside_of_the_digest_changes_no_answer(project: Path) -> None:
    rows = pd.read_parquet(project / "data/test.parquet")
    before = verify_bundle(project / "models")
    scores = score_bundle(before, rows)
    for name in BESIDE:
        (project / "models" / name).write_bytes(b'{"digest": "another"}')
    after = verify_bundle(project / "models")
    assert after.digest == before.digest
    assert np.array_equal(score_bundle(after, rows), scores)
