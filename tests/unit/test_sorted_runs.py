"""Runs of rows on the disk: a part that is worked on twice leaves the files of one of both."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from lockgate.data.sorted_runs import ROLE, TRAIN, Bucket, RunWriter, sort_bucket
from lockgate.documents.schema_json import ROW_KEY

ROWS = pa.table(
    {
        ROW_KEY: pa.array(["ffffb", "0000a"], pa.large_string()),
        ROLE: pa.array([TRAIN, TRAIN], pa.int8()),
        "income": [2.0, 1.0],
    }
)


def write_runs(folder: Path) -> tuple[str, ...]:
    writer = RunWriter(folder, 0, 2)
    writer.add(ROWS)
    writer.close()
    return tuple(writer.runs)


def test_what_is_written_again_is_another_file_in_the_place_of_the_first(tmp_path: Path) -> None:
    """Where it were the same file, a worker that is late would empty it under whoever reads it."""
    runs = write_runs(tmp_path)
    files = [sort_bucket(Bucket(number, tmp_path, runs, ROWS.schema)).files[TRAIN] for number in range(2)]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted([*runs, *files])
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.iterdir()}
    kept = [path.open("rb") for path in tmp_path.iterdir()]  # so that no number of a file is given twice
    assert write_runs(tmp_path) == runs
    for number in range(2):
        sort_bucket(Bucket(number, tmp_path, runs, ROWS.schema))
    after = {path.name: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.iterdir()}
    for file in kept:
        file.close()
    assert after.keys() == before.keys()
    assert all(after[name][1] == content for name, (_, content) in before.items())
    assert all(after[name][0] != number for name, (number, _) in before.items())
