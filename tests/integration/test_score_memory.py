"""`lockgate score` takes no more memory for a table of any size: it has some thousands of rows in hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from support import FULL

from lockgate.data.parquet_file import STREAMED_ROWS

ROWS = 2_000_000 if FULL else 150_000
FEW = 2 * STREAMED_ROWS
ALLOWED = (
    60_000  # kB; the text of 150,000 rows alone is 27 MB, and whole as Arrow, as numbers and as a frame four times that
)
SCORE = """
from lockgate.cli.main import main
main(["score", "rows.csv", "--output", "scores.csv"], standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_kilobytes(project: Path, rows: int) -> int:
    """The most memory resident while so many rows are scored."""
    table = pa.Table.from_pandas(pd.read_parquet(project / "data/current.parquet"), preserve_index=False)
    with pacsv.CSVWriter(project / "rows.csv", table.schema) as writer:
        for start in range(0, rows, table.num_rows):
            writer.write_table(table.slice(0, min(table.num_rows, rows - start)))
    ran = subprocess.run([sys.executable, "-c", SCORE], cwd=project, capture_output=True, text=True, check=True)
    with (project / "scores.csv").open() as stream:
        assert sum(1 for _ in stream) == rows + 1
    return int(ran.stdout.split()[-1])


def test_memory_does_not_grow_with_the_table(project: Path) -> None:
    few, many = peak_kilobytes(project, FEW), peak_kilobytes(project, ROWS)
    assert many - few < ALLOWED, (few, many)
