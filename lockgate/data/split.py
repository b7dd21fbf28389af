"""Row keys, and splits that depend on the row and the seed alone: not on order, chunks or machines.

Rows without identifiers are told apart by their content, all of it as it stands in the file: what a column is declared to be,
or whether it is dropped, moves no row. Copies of a row have the key of the first with a number behind it, and a split looks
at what stands before the number: no copy of a row that was trained on is a test row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Train
from lockgate.data.source_table import SourceTable, cell_texts

KEY_BYTES = 16
SEPARATOR = "\x1f"
COPY = "-"  # between the key of a row and the number of its copy
MISSING = "\x00"
BLOCK_ROWS = 65_536
MAX_EXACT = 2**53  # beyond it two whole numbers share a float


def content_keys(columns: pa.Table) -> pa.ChunkedArray:
    """One key a row, of its content: 32 hexadecimal digits, and `-1`, `-2` and so on for copies of a row."""
    return numbered_keys(content_hashes(columns))


def content_hashes(columns: pa.Table) -> pa.ChunkedArray:
    """What `content_keys` are before copies have numbers: a hash of all cells of the row, in the order of the columns' names."""
    names = sorted(columns.column_names)
    blocks = columns.select(names).to_batches(max_chunksize=BLOCK_ROWS)
    # Hashed once more with a zero: the keys that rows without copies have always had.
    keys = [[_hash(f"{_hash(row)}{SEPARATOR}0".encode()) for row in _row_contents(block)] for block in blocks]
    return pa.chunked_array([pa.array(block, pa.large_string()) for block in keys], pa.large_string())


def identifier_keys(source: SourceTable, id_columns: Sequence[str], missing: Iterable[str] = ()) -> pa.ChunkedArray:
    """One key a row, 32 hexadecimal digits: a hash of its identifiers, which are the texts of their cells.

    So 7 and "7" are one identifier, and 007 is another. Texts in `missing`, and empty ones, identify nothing.
    Raises InputError where identifiers repeat or miss.
    """
    texts = [cell_texts(source.cells(name)) for name in id_columns]
    for name, text in zip(id_columns, texts, strict=True):
        absent = are_no_identifiers(text, missing)
        if count := pc.sum(absent).as_py():
            refuse_missing(name, count, source.place(pc.index(absent, True).as_py()), source.name)
    joined = _joined_identifiers(texts)
    repeated = _copy_numbers(joined)
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        refuse_repeated(source, id_columns, row, int((repeated > 0).sum()), source.place(row))
    return _hashed(joined)


def identifier_hashes(source: SourceTable, id_columns: Sequence[str]) -> pa.ChunkedArray:
    """`identifier_keys` of some of the rows of a table, of which none tells whether its identifiers miss or repeat."""
    return _hashed(_joined_identifiers([cell_texts(source.cells(name)) for name in id_columns]))


def are_no_identifiers(texts: pa.ChunkedArray, missing: Iterable[str]) -> pa.ChunkedArray:
    """Which texts identify nothing: missing ones, empty ones, and those in `missing`."""
    absent = pc.equal(pc.utf8_trim_whitespace(texts), "").fill_null(True)
    return pc.or_(absent, pc.is_in(texts, pa.array(list(missing), texts.type)))


def refuse_missing(name: str, count: int, first: str, where: str) -> NoReturn:
    """Raises the InputError for an identifier column with missing values, the first of them in the place `first`."""
    raise InputError(
        f"{where}: identifier column `{name}` has {count:,} missing values, the first in {first}; fill them, or "
        "leave these rows out"
    )


def refuse_repeated(source: SourceTable, id_columns: Sequence[str], row: int, count: int, place: str) -> NoReturn:
    """Raises the InputError for the identifiers of a row that are there before; `count` rows are so."""
    shown = ", ".join(repr(cell_texts(source.cells(name).slice(row, 1))[0].as_py()) for name in id_columns)
    raise InputError(
        f"{source.name}: the identifier {', '.join(id_columns)} of {place}, {shown}, is there twice "
        f"({count:,} such rows); add the column that tells them apart to prepare.id_columns, or remove "
        "the copies"
    )


def numbered_keys(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """The keys, in the order of the rows, where a number behind it tells a copy from the first."""
    numbers = _copy_numbers(keys)
    if not numbers.any():
        return keys
    behind, between = pa.array(numbers).cast(pa.large_string()), pa.scalar(COPY, pa.large_string())
    return pc.if_else(pa.array(numbers > 0), pc.binary_join_element_wise(keys, behind, between), keys)


def _joined_identifiers(texts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    between = pa.scalar(SEPARATOR, pa.large_string())
    return pc.binary_join_element_wise(*[text.cast(pa.large_string()) for text in texts], between)


def _hashed(joined: pa.ChunkedArray) -> pa.ChunkedArray:
    keys = [
        pa.array([_hash(text.encode()) for text in block.to_pylist()], pa.large_string()) for block in joined.chunks
    ]
    return pa.chunked_array(keys, pa.large_string())


def count_copies(keys: pa.ChunkedArray) -> int:
    """How many rows with these keys are copies of another one."""
    return int(pc.sum(pc.match_substring(keys, COPY)).as_py() or 0)


def hashed_shares(keys: Iterable[str], seed: int, purpose: str) -> np.ndarray:
    """A number in [0, 1) for each key, uniform over keys, the same for copies of a row.

    `purpose` keeps several splits independent.
    """
    prefix = f"{purpose}{SEPARATOR}{seed}{SEPARATOR}".encode()
    digests = b"".join(
        hashlib.blake2b(prefix + key.partition(COPY)[0].encode(), digest_size=8).digest() for key in keys
    )
    shares: np.ndarray = (np.frombuffer(digests, ">u8") >> np.uint64(11)).astype("float64") * 2.0**-53
    return shares


def is_validation(keys: Iterable[str], train: Train) -> np.ndarray:
    """True for each of the training rows that says when to stop, and is not fitted to."""
    held_out: np.ndarray = hashed_shares(keys, train.seed, "validation") < train.validation_size
    return held_out


def out_of_time(times: pa.ChunkedArray, name: str, test_size: float, where: str) -> np.ndarray:
    """True for the newest `test_size` of the rows, rows of one time together, an array of shape (rows,).

    `times` are numbers or times in UTC, none missing. Raises InputError where they are too few distinct ones to split at.
    """
    values = times.to_numpy()
    newest: np.ndarray = values >= first_newest(values, np.ones(len(values), np.int64), name, test_size, where)
    return newest


def first_newest(times: np.ndarray, counts: np.ndarray, name: str, test_size: float, where: str) -> np.generic:
    """The time from which on rows are the newest `test_size`, where `counts` rows have each of the `times`."""
    order = np.argsort(times, kind="stable")
    before, rows = np.cumsum(counts[order]), int(counts.sum())
    position = rows - max(1, round(rows * test_size))
    boundary: np.generic = times[order[np.searchsorted(before, position, side="right")]]
    if boundary == times[order[0]]:
        raise InputError(
            f"{where}: time column `{name}` has too few distinct values to split off the newest {test_size:.0%}; "
            "use a finer one or `time_column: null`"
        )
    return boundary


def require_past(times: pa.ChunkedArray, name: str, source: SourceTable, last_day: date) -> None:
    """Raises InputError where a row is of a later day: one with a mistyped year would lead the test set."""
    late = are_late(times, last_day)
    if count := pc.sum(late).as_py():
        row = pc.index(late, True).as_py()
        refuse_late(name, times.slice(row, 1), count, source.place(row), source.name, last_day)


def are_late(times: pa.ChunkedArray, last_day: date) -> pa.ChunkedArray:
    """Which times are of a later day."""
    if not pa.types.is_timestamp(times.type):
        return pc.and_not(times.is_null(), times.is_null())
    first_late = pd.Timestamp(last_day) + pd.Timedelta(days=1)
    return pc.greater_equal(times.cast(pa.timestamp(times.type.unit)), pa.scalar(first_late.to_pydatetime()))


def refuse_late(name: str, time: pa.ChunkedArray, count: int, place: str, where: str, last_day: date) -> NoReturn:
    """Raises the InputError for `count` rows of a later day, of which the first is in `place` and has this `time`."""
    day = pc.strftime(time, format="%Y-%m-%d")[0]
    raise InputError(
        f"{where}: time column `{name}` {place} is of {day}, which is after today, "
        f"{last_day} ({count:,} such); correct the rows, or set prepare.future_times: accept"
    )


def _row_contents(block: pa.RecordBatch) -> list[bytes]:
    """The content of each row: numbers by their 64-bit pattern, one pattern for missing, then the texts of the others."""
    columns = dict(zip(block.schema.names, block.columns, strict=True))
    numeric = [name for name, column in columns.items() if _is_number(column.type)]
    numbers = np.empty((block.num_rows, len(numeric)), "<f8")
    for position, name in enumerate(numeric):
        numbers[:, position] = columns[name].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    numbers += 0.0  # one zero: -0.0 is no other value
    numbers[np.isnan(numbers)] = np.nan
    patterns, width = numbers.tobytes(), numbers.itemsize * len(numeric)
    contents = [patterns[row * width : (row + 1) * width] for row in range(block.num_rows)]
    if texts := [_texts(column) for name, column in columns.items() if name not in numeric]:
        between = pa.scalar(SEPARATOR, pa.large_string())
        joined = pc.binary_join_element_wise(*texts, between, null_handling="replace", null_replacement=MISSING)
        contents = [pattern + text.encode() for pattern, text in zip(contents, joined.to_pylist(), strict=True)]
    for name in numeric:
        for row in np.flatnonzero(_is_beyond_floats(columns[name])):
            contents[row] += f"{SEPARATOR}{name}={columns[name][row]}".encode()
    return contents


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _texts(column: pa.Array) -> pa.Array:
    """The cells as texts; what has no text of its own (lists, structures, bytes that are no text) as Python writes it."""
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        written = [None if value is None else repr(value) for value in column.to_pylist()]
        return pa.array(written, pa.large_string())
    return cell_texts(pa.chunked_array([column])).combine_chunks().cast(pa.large_string())


def _is_beyond_floats(column: pa.Array) -> np.ndarray:
    """Which cells are whole numbers that share a float with others."""
    if not pa.types.is_integer(column.type):
        return np.zeros(len(column), bool)
    if pa.types.is_uint64(column.type):  # compared with a signed number it would have to be one
        outside = pc.greater(column, pa.scalar(MAX_EXACT, pa.uint64()))
    else:
        outside = pc.or_(pc.less(column, pa.scalar(-MAX_EXACT)), pc.greater(column, pa.scalar(MAX_EXACT)))
    return np.asarray(outside.fill_null(False).to_numpy(zero_copy_only=False))


def _copy_numbers(texts: pa.ChunkedArray) -> np.ndarray:
    """0 for each text that is new, 1 for its first copy, 2 for its second and so on."""
    if pc.count_distinct(texts).as_py() == len(texts):
        return np.zeros(len(texts), np.int64)
    codes = pd.Series(texts.dictionary_encode().combine_chunks().indices.to_numpy())
    numbers: np.ndarray = codes.groupby(codes, sort=False).cumcount().to_numpy()
    return numbers


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=KEY_BYTES).hexdigest()
