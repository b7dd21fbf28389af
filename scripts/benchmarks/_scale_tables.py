"""The files that `scripts/bench scale` reads, made in a process of its own: that takes more memory than what is measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.config.files import staged_files
from lockgate.config.params import Params, Prepare
from lockgate.data.dataset import prepare
from lockgate.data.synthetic import AUDIT_COLUMNS, SYNTHETIC_KINDS, TARGET, generate_applicants
from lockgate.model.bundle import write_bundle
from lockgate.model.training import train

BLOCK_ROWS = 250_000  # of a group of rows, and of applicants that are made at a time
FILE_BLOCKS = 8
BUNDLE_ROWS = 20_000
PARAMS = f"prepare:\n  source: current/\n  target: {TARGET}\n"


def main() -> None:
    """Write the bundle and the tables into the folder of the first argument; the second is how many rows these have."""
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    if not (folder / "models").is_dir():
        write_project(folder)
    blocks = -(-rows // BLOCK_ROWS)
    for first in range(0, blocks, FILE_BLOCKS):
        last = min(first + FILE_BLOCKS, blocks)
        write_part(folder / "current" / f"part-{first:05}.parquet", first, rows - first * BLOCK_ROWS, last)


def write_project(folder: Path) -> None:
    """Settings, and a bundle that was trained on other applicants."""
    settings = Prepare(kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS))
    params = Params.model_validate({"prepare": settings, "train": {"nthread": 1}})
    dataset = prepare(generate_applicants(BUNDLE_ROWS, settings.seed), settings)
    write_bundle(train(dataset.train, dataset.schema, params).bundle, folder / "models", {})
    (folder / "params.yaml").write_text(PARAMS, encoding="utf-8")


def write_part(path: Path, first: int, rows: int, last: int) -> None:
    """The applicants of the blocks from `first` up to `last`, at most `rows`, unless they are there; each has its own seed."""
    wanted = min(rows, (last - first) * BLOCK_ROWS)
    if path.exists() and pq.read_metadata(path).num_rows == wanted:
        return
    writer: pq.ParquetWriter | None = None
    with staged_files(path.parent) as stage:
        for block in range(first, last):
            count = min(BLOCK_ROWS, rows - (block - first) * BLOCK_ROWS)
            frame = generate_applicants(BLOCK_ROWS, 1_000 + block, 0.0, "current").drop(columns=[*AUDIT_COLUMNS])
            table = pa.Table.from_pandas(frame.head(count), preserve_index=False)
            writer = writer or pq.ParquetWriter(stage / path.name, table.schema)
            writer.write_table(table)
        if writer:
            writer.close()


if __name__ == "__main__":
    main()
