"""A release's files: the archive, the record of the image, the digests, the predicate, the SBOM's Debian part."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from releasing import COMMIT, passed_gate, small_bundle

from lockgate.ci.release.archive import bundle_archive, unpack_bundle
from lockgate.ci.release.image import image_repository, release_digests, require_same_release
from lockgate.ci.release.sbom import debian_components
from lockgate.ci.release.version import parse_tag
from lockgate.config.errors import InputError
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord, ReleaseDigests, VerdictStatement

RECORD = ImageRecord(image="ghcr.io/acme/credit", digest="sha256:" + "a" * 64, model="b" * 64, commit=COMMIT)


def test_equal_bundles_make_equal_archives_and_come_back_whole(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "one")
    (bundle.folder / "provenance.json").write_text("{}")
    archive = bundle_archive(bundle)
    assert archive == bundle_archive(small_bundle(tmp_path / "two"))
    (tmp_path / "archive").write_bytes(archive)
    back = unpack_bundle(tmp_path / "archive", tmp_path / "back", bundle.digest)
    assert (back.digest, sorted(path.name for path in back.folder.iterdir())) == (
        bundle.digest,
        sorted([*bundle.files, "manifest.json"]),
    )


def packed(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def link(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entry


@pytest.mark.parametrize(
    "content",
    [
        b"not an archive",
        packed((tarfile.TarInfo("models/../../x"), b"1")),
        packed((tarfile.TarInfo("/etc/x"), b"1")),
        packed((tarfile.TarInfo("models/a/b"), b"1")),
        packed((link("models/model.json"), b"")),
        packed((tarfile.TarInfo("models/a"), b"1"), (tarfile.TarInfo("models/a"), b"2")),
        packed(*((tarfile.TarInfo(f"models/{n}"), b"") for n in range(200))),
        packed((tarfile.TarInfo("models/a"), b"1"))[:-20],
    ],
    ids=["garbage", "above", "absolute", "nested", "link", "twice", "many", "cut"],
)
def test_other_archives_leave_nothing_behind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(InputError, match="fetch it again"):
        unpack_bundle(tmp_path / "archive", tmp_path / "back", "0" * 64)
    assert not (tmp_path / "back").exists()


def test_an_archive_of_another_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(bundle_archive(small_bundle(tmp_path / "one")))
    with pytest.raises(InputError, match="holds the bundle"):
        unpack_bundle(tmp_path / "archive", tmp_path / "back", "0" * 64)
    assert not (tmp_path / "back").exists()


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "image.json").write_bytes(RECORD.to_bytes())
    assert ImageRecord.read_file(tmp_path / "image.json") == RECORD


@pytest.mark.parametrize("changed", [{"digest": "latest"}, {"schema": 0}, {"digest": "sha256:" + "A" * 64}])
def test_what_is_no_record_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    (tmp_path / "image.json").write_text(json.dumps(json.loads(RECORD.to_bytes()) | changed))
    with pytest.raises(InputError, match=r"image\.json is not as it must be .*; delete the artifact"):
        ImageRecord.read_file(tmp_path / "image.json")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ghcr.io/Acme/Credit", "ghcr.io/acme/credit"), ("127.0.0.1:5000/a/b__c", "127.0.0.1:5000/a/b__c")],
)
def test_an_image_is_named_in_small_letters(name: str, expected: str) -> None:
    assert image_repository(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "credit",
        "ghcr.io/a:v1",
        "ghcr.io/a@sha256:00",
        "ghcr.io/a b",
        "ghcr.io/$(id)",
        "ghcr.io/a\n",
        "https://ghcr.io/a",
        "",
    ],
)
def test_other_names_of_images_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no image repository"):
        image_repository(name)


def test_digests_name_every_file_and_tell_releases_apart(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    gate = GateResult.read(json.dumps(passed_gate(bundle.digest)).encode(), "gate.json")
    ours = release_digests(parse_tag("model-v1.0.0"), RECORD, bundle, gate, {"gate.json": b"{}"})
    assert set(ours.files) == {"gate.json"}
    assert ours.record == RECORD
    require_same_release(ours, ours)
    for name in ("commit", "model", "image_digest"):
        with pytest.raises(InputError, match="published already"):
            require_same_release(replace(ours, **{name: "other"}), ours)
    with pytest.raises(InputError, match="did not make this release"):
        ReleaseDigests.read(json.dumps({**json.loads(ours.to_bytes()), "image_digest": None}).encode(), "digests.json")


def test_the_statement_holds_the_whole_verdict_and_is_the_same_at_each_run() -> None:
    gate = GateResult.read(json.dumps(passed_gate("b" * 64)).encode(), "gate.json")
    first, second = (VerdictStatement(commit=COMMIT, gate_json="d" * 64, gate=gate).to_bytes() for _ in range(2))
    assert first == second
    VerdictStatement.read(first, "verdict.json").gate.require_pass("b" * 64, "verdict.json")


def test_debian_packages_are_those_installed() -> None:
    status = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u1\nDescription: C\n more\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
        "Package: distroless\nArchitecture: amd64\nVersion: 1:2\n"
    )
    found = list(debian_components(status))
    assert [component.name for component in found] == ["libc6", "distroless"]
    assert found[0].purl == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64"
