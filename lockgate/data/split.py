"""Row keys, and splits that depend on the row and the seed alone: not on order, chunks or machines.

Rows without identifiers are told apart by their content. Copies of a row have the key of the first with a number behind it,
and a split looks at what stands before the number: no copy of a row that was trained on is a test row.
"""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np
import pandas as pd
from pandas.api import types

from lockgate.config.errors import InputError
from lockgate.data.columns import to_text

KEY_BYTES = 16
SEPARATOR = "\x1f"
COPY = "-"  # between the key of a row and the number of its copy
MISSING = "\x00"


def row_keys(frame: pd.DataFrame, id_columns: list[str], where: str) -> np.ndarray:
    """One key a row, an array of shape (rows,): 32 hexadecimal digits, and `-1`, `-2` and so on for copies of a row.

    The digits are a hash of the identifier columns, or, without any, of the row's content (columns in the order of their
    names). Raises InputError where identifiers repeat or miss.
    """
    if id_columns:
        return _identifier_keys(frame, id_columns, where)
    hashes = _content_hashes(frame)
    copies = pd.Series(hashes).groupby(hashes, sort=False).cumcount().to_numpy()
    return np.array([f"{key}{COPY}{number}" if number else key for key, number in zip(hashes, copies, strict=True)])


def hashed_shares(keys: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """A number in [0, 1) for each key, uniform over keys, the same for copies of a row.

    `purpose` keeps several splits independent.
    """
    prefix = f"{purpose}{SEPARATOR}{seed}{SEPARATOR}".encode()
    integers = np.array(
        [
            int.from_bytes(hashlib.blake2b(prefix + key.partition(COPY)[0].encode(), digest_size=8).digest())
            for key in keys
        ],
        dtype="uint64",
    )
    shares: np.ndarray = (integers >> np.uint64(11)).astype("float64") * 2.0**-53
    return shares


def out_of_time(times: pd.Series, test_size: float, where: str, last_day: date | None = None) -> np.ndarray:
    """True for the newest `test_size` of the rows, rows of one time together, an array of shape (rows,).

    Raises InputError where times are missing or unusable, later than `last_day`, or too few distinct ones to split at.
    """
    if times.isna().any():
        raise InputError(
            f"{where}: time column `{times.name}` has {int(times.isna().sum()):,} missing values; fill them"
        )
    if not types.is_numeric_dtype(times):
        times = _instants(times, where)
        if last_day is not None:
            _require_past(times, last_day, where)
    values = times.to_numpy()
    boundary = np.sort(values)[len(values) - max(1, round(len(values) * test_size))]
    newest: np.ndarray = values >= boundary
    if newest.all():
        raise InputError(
            f"{where}: time column `{times.name}` has too few distinct values to split off the newest {test_size:.0%}; "
            "use a finer one or `time_column: null`"
        )
    return newest


def _instants(times: pd.Series, where: str) -> pd.Series:
    """The times in UTC; those that name no zone are taken to be in it."""
    parsed = pd.to_datetime(
        times, errors="coerce", format=None if types.is_datetime64_any_dtype(times) else "ISO8601", utc=True
    )
    if parsed.isna().any():
        row = int(np.flatnonzero(parsed.isna().to_numpy())[0])
        raise InputError(
            f"{where}: time column `{times.name}` row {row + 1} is no ISO 8601 time or number; write it as 2026-01-31"
        )
    return parsed


def _require_past(times: pd.Series, last_day: date, where: str) -> None:
    """One row with a mistyped year would lead the test set."""
    late = (times >= pd.Timestamp(last_day, tz="UTC") + pd.Timedelta(days=1)).to_numpy()
    if late.any():
        row = int(np.flatnonzero(late)[0])
        raise InputError(
            f"{where}: time column `{times.name}` row {row + 1} is of {times.iloc[row]:%Y-%m-%d}, which is after today, "
            f"{last_day} ({int(late.sum()):,} such); correct the rows, or set prepare.future_times: accept"
        )


def _identifier_keys(frame: pd.DataFrame, id_columns: list[str], where: str) -> np.ndarray:
    texts = [to_text(frame[name]) for name in id_columns]
    for name, text in zip(id_columns, texts, strict=True):
        if text.isna().any():
            raise InputError(
                f"{where}: identifier column `{name}` has {int(text.isna().sum()):,} missing values; fill them"
            )
    joined = [SEPARATOR.join(values) for values in zip(*texts, strict=True)]
    duplicated = pd.Series(joined).duplicated()
    if duplicated.any():
        row = int(np.flatnonzero(duplicated.to_numpy())[0])
        raise InputError(
            f"{where}: the identifier {', '.join(id_columns)} of row {row + 1} is there twice ({int(duplicated.sum()):,} "
            "such rows); add the column that tells them apart to prepare.id_columns, or remove the copies"
        )
    return np.array([_hash(text.encode()) for text in joined])


def _content_hashes(frame: pd.DataFrame) -> np.ndarray:
    """Hash of each row's content; numbers by their 64-bit pattern, one pattern for missing."""
    names = sorted(frame.columns)
    numeric = [name for name in names if types.is_numeric_dtype(frame[name])]
    others = [name for name in names if name not in numeric]
    numbers = np.array(frame[numeric].to_numpy(dtype="<f8", na_value=np.nan), order="C")
    numbers[np.isnan(numbers)] = np.nan
    texts = [to_text(frame[name]).fillna(MISSING) for name in others]
    joined = [SEPARATOR.join(values) for values in zip(*texts, strict=True)] if texts else [""] * len(frame)
    hashes = [_hash(row.tobytes() + text.encode()) for row, text in zip(numbers, joined, strict=True)]
    # Hashed once more with a zero: the keys that rows without copies have always had.
    return np.array([_hash(f"{key}{SEPARATOR}0".encode()) for key in hashes])


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=KEY_BYTES).hexdigest()
