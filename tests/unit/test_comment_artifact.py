"""The artifact of a hostile run: what is read, and everything that is refused before it is read."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from lockgate.ci.pr_comment import artifact
from lockgate.ci.pr_comment.artifact import ArtifactError, read_artifact, read_zip

GOOD = {"gate.json": b"{}", "plots/roc.json": b"[]"}


def zipped(files: dict[str, bytes], **modes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = modes.get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_folder_and_a_zip_give_the_same(tmp_path: Path) -> None:
    files = {**GOOD, "report.html": b"<script>"}
    (tmp_path / "report.zip").write_bytes(zipped(files))
    assert read_artifact(folder_of(tmp_path / "report", files)) == GOOD
    assert read_artifact(tmp_path / "report.zip") == GOOD


@pytest.mark.parametrize(
    "name",
    ["../gate.json", "/etc/gate.json", "plots/../gate.json", "a/gate.json", "evil.json", "gate.json ", "plots/x.json",
     "gate\u202ejson.exe", "C:\\gate.json", "GATE.JSON"],
)  # fmt: skip
def test_a_name_that_no_report_has_is_refused_in_a_zip(name: str) -> None:
    with pytest.raises(ArtifactError, match="which no report has") as caught:
        read_zip(zipped({"gate.json": b"{}", name: b"{}"}))
    assert "\u202e" not in str(caught.value)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR, stat.S_IFIFO])
def test_what_is_no_plain_file_is_refused_in_a_zip(kind: int) -> None:
    with pytest.raises(ArtifactError, match="not a plain file"):
        read_zip(zipped({"gate.json": b"/etc/passwd"}, **{"gate.json": kind | 0o777}))


def test_the_same_name_twice_is_refused() -> None:
    buffer = io.BytesIO(zipped({"gate.json": b"{}"}))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("gate.json", b"[]")
    with pytest.raises(ArtifactError, match="twice"):
        read_zip(buffer.getvalue())


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"not a ZIP", zipped(GOOD)[:-30], zipped(GOOD).replace(b"gate", b"gbte", 1)]
)
def test_a_damaged_zip_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError):
        read_zip(content)


def test_a_bomb_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({"drift.json": b" " * 50_000_000})
    assert len(bomb) < 100_000
    with pytest.raises(ArtifactError, match="larger than a report"):
        read_zip(bomb)
    monkeypatch.setattr(artifact, "MAX_BYTES", 1000)
    with pytest.raises(ArtifactError, match="larger than a report"):
        read_zip(zipped({"drift.json": b" " * 600, "gate.json": b" " * 600}))


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = {f"{number}.json": b"" for number in range(41)}
    for read in (lambda: read_zip(zipped(many)), lambda: read_artifact(folder_of(tmp_path, many))):
        with pytest.raises(ArtifactError, match=r"more than 40 files|which no report has"):
            read()


@pytest.mark.parametrize("name", ["gate.json", "plots", "plots/roc.json", "anything"])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, name: str) -> None:
    secret = folder_of(tmp_path / "secret", {"roc.json": b"secret"})
    folder = tmp_path / "report"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(secret if name == "plots" else secret / "roc.json")
    with pytest.raises(ArtifactError, match="not a plain file"):
        read_artifact(folder)


def test_a_link_in_place_of_the_whole_is_not_followed(tmp_path: Path) -> None:
    folder_of(tmp_path / "elsewhere", GOOD)
    (tmp_path / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="symbolic link"):
        read_artifact(tmp_path / "report")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate.json")
    with pytest.raises(ArtifactError, match="not a plain file"):
        read_artifact(tmp_path)


@pytest.mark.parametrize("name", ["gate.json/x.json", "plots/roc.json/x", "deep/a/b/c"])
def test_folders_that_no_report_has_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError):
        read_artifact(folder_of(tmp_path, {name: b"{}"}))


def test_no_artifact_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="left no report"):
        read_artifact(tmp_path / "nothing")
