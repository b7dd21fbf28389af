"""A folder that the kit writes: whole files or none, on a disk as in a storage, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.data.stored_folder import StoredFolder, folder_beside, folder_of_table, has_room_beside

ROWS = pa.table({"a": [1, 2], "b": ["x", None]})


@pytest.fixture(params=["disk", "storage"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoredFolder]:
    """An empty one."""
    if request.param == "disk":
        yield StoredFolder(str(tmp_path / "log"), "--log")
        return
    yield StoredFolder("memory://stored/log", "--log")
    memory = fsspec.filesystem("memory")
    if memory.exists("/stored"):
        memory.rm("/stored", recursive=True)


def test_what_is_written_is_read_replaced_and_removed(folder: StoredFolder) -> None:
    assert folder.names() == []
    folder.write("2.parquet", ROWS)
    folder.write("1.parquet", ROWS.slice(1))
    assert folder.names() == ["1.parquet", "2.parquet"]
    assert [(name, table.to_pydict()) for name, table in folder.tables()] == [
        ("1.parquet", {"a": [2], "b": [None]}),
        ("2.parquet", {"a": [1, 2], "b": ["x", None]}),
    ]
    folder.write("1.parquet", ROWS)
    assert folder.read("1.parquet") == ROWS
    folder.remove("1.parquet")
    assert folder.names() == ["2.parquet"]


def test_a_write_that_stops_half_way_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StoredFolder("memory://stored/log", "--log")
    memory = type(fsspec.filesystem("memory"))
    try:
        folder.write("1.parquet", ROWS)
        monkeypatch.setattr(memory, "mv", lambda *_: (_ for _ in ()).throw(PermissionError("not yours")))
        for name in ("1.parquet", "2.parquet"):
            with pytest.raises(
                InputError, match=rf"--log: memory://stored/log \({name}\) cannot be read or changed: not yours"
            ):
                folder.write(name, ROWS.slice(1))
        assert folder.names() == ["1.parquet"]
        assert folder.read("1.parquet") == ROWS
    finally:
        fsspec.filesystem("memory").rm("/stored", recursive=True)


def test_a_damaged_file_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"\(torn.parquet\) cannot be read or changed: [^\n]+$"):
        list(StoredFolder(str(tmp_path), "--log").tables())


def test_names_of_other_files_are_left_alone(tmp_path: Path) -> None:
    folder = StoredFolder(str(tmp_path), "--log")
    folder.write("2026/11/1.parquet", ROWS)
    for name in (".2.parquet", "_3.parquet", "notes.txt", "4.csv"):
        (tmp_path / name).write_text("x")
    assert folder.names() == ["2026/11/1.parquet"]


@pytest.mark.parametrize(
    ("location", "folder", "beside"),
    [
        ("decisions", "decisions", "outcomes"),
        ("decisions/", "decisions/", "outcomes"),
        ("a/decisions/*.parquet", "a/decisions", "a/outcomes"),
        ("a/decisions/1.parquet", "a/decisions", "a/outcomes"),
        ("/a/decisions", "/a/decisions", "/a/outcomes"),
        (".", ".", "../outcomes"),
        ("s3://bank/logs/decisions/", "s3://bank/logs/decisions/", "s3://bank/logs/outcomes"),
        ("s3://bank/decisions/2026-*.parquet", "s3://bank/decisions", "s3://bank/outcomes"),
    ],
)
def test_the_folder_of_a_table_and_the_one_beside_it(location: str, folder: str, beside: str) -> None:
    assert folder_of_table(location) == folder
    assert folder_beside(folder, "outcomes") == beside
    assert has_room_beside(folder)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("s3://bank", "s3://bank is the root of a storage"),
        ("s3://bank/", "is the root of a storage"),
        ("https://bank.example/logs/decisions", "https://bank.example/logs/decisions can only be read"),
        ("HTTP://bank.example", "can only be read"),
    ],
)
def test_where_there_is_no_room_beside_a_folder(location: str, reason: str) -> None:
    assert not has_room_beside(location)
    with pytest.raises(InputError, match=reason):
        folder_beside(location, "outcomes")
