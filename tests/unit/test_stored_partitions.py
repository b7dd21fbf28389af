"""A folder in a storage is a table in parts of which each is fetched where it is read, and is the same table as on a disk."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.partitions import PartitionedTable, open_partitions
from lockgate.data.sources import read_source_table
from lockgate.engine.engine import LocalEngine

FOLDER = "memory://user:s3cret@bucket/parts/"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Files of a folder, in the storage and in `tmp_path`: Parquet in two groups of rows, one without rows, a CSV, and no table."""
    (tmp_path / "deeper").mkdir()
    pd.DataFrame({"x": ["1", "2", "3"]}).to_parquet(tmp_path / "a.parquet", row_group_size=2)
    pd.DataFrame({"x": pd.Series([], dtype="str")}).to_parquet(tmp_path / "deeper/b.parquet")
    (tmp_path / "deeper/c.csv").write_text("x\n4\n")
    (tmp_path / "notes.txt").write_text("x\n5\n")
    found = {one.relative_to(tmp_path).as_posix(): one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name, content in found.items():
        memory.pipe(f"/bucket/parts/{name}", content)
    return found


@pytest.fixture
def in_storage(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> str:
    """The folder's address, which holds a password as some storages take one."""
    plain = fsspec.core.url_to_fs
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url: plain(url.replace("user:s3cret@", "")))
    return FOLDER


def rows_of(table: PartitionedTable) -> list[str]:
    return [cell for batch in table.batches() for cell in batch.columns["x"].to_pylist()]


def fetched() -> list[Path]:
    return [file for file in Path(tempfile.gettempdir()).rglob("*") if file.name == "download"]


def test_it_is_the_table_that_it_is_on_a_disk(in_storage: str, tmp_path: Path) -> None:
    with open_partitions(str(tmp_path), "prepare.source", Read()) as here:
        expected = rows_of(here)
    with open_partitions(in_storage, "prepare.source", Read(), LocalEngine(2)) as there:
        assert rows_of(there) == expected == ["1", "2", "3", "4"]
        assert there.sha256 == here.sha256 == read_source_table(str(tmp_path), "prepare.source", Read()).sha256
        assert there.name == "memory://bucket/parts/"
        assert {one.name for one in there.batches()} == {f"{there.name} (a.parquet)", f"{there.name} (deeper/c.csv)"}
    with open_partitions(f"{in_storage}*.parquet", "prepare.source", Read()) as pattern:
        assert (pattern.rows, pattern.schema and pattern.schema.names) == (3, ["x"])


def test_a_part_travels_and_is_on_the_disk_only_while_it_is_read(in_storage: str) -> None:
    with open_partitions(in_storage, "prepare.source", Read()) as table:
        assert fetched() == []
        parts = pickle.loads(pickle.dumps(table.partitions))  # noqa: S301 as Dask sends it to a worker
        assert len(parts) == 2
        for part in parts:
            for _ in part.batches():
                assert len(fetched()) == 1
        assert fetched() == []


def test_no_password_is_shown(in_storage: str) -> None:
    with open_partitions(in_storage, "prepare.source", Read()) as table:
        assert "s3cret" not in repr(table)
        fsspec.filesystem("memory").rm("/bucket/parts/a.parquet")
        with pytest.raises(InputError, match=r"^memory://bucket/parts/ \(a.parquet\) does not exist") as refused:
            rows_of(table)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_changes_in_between_is_refused(in_storage: str) -> None:
    with open_partitions(in_storage, "prepare.source", Read()) as table:
        fsspec.filesystem("memory").pipe("/bucket/parts/deeper/c.csv", b"x\n6\n")
        with pytest.raises(InputError, match=r"\(deeper/c.csv\) changed while the table was read"):
            rows_of(table)


def test_what_is_no_table_is_refused_by_its_file(in_storage: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/parts/d.parquet", b"PAR1 is not all of it PAR1")
    with (
        pytest.raises(InputError, match=r"^prepare.source: memory://bucket/parts/ \(d.parquet\) cannot be read"),
        open_partitions(in_storage, "prepare.source", Read()),
    ):
        pass
    memory.pipe("/bucket/parts/d.parquet", pd.DataFrame({"y": ["1"]}).to_parquet(index=False))
    with (
        pytest.raises(InputError, match=r"\(d.parquet\) has no column `x`, which .* \(a.parquet\) has"),
        open_partitions(f"{in_storage}*.parquet", "prepare.source", Read()),
    ):
        pass
    with (
        pytest.raises(InputError, match="no file of a table"),
        open_partitions(f"{in_storage}*.feather", "prepare.source", Read()),
    ):
        pass
