"""Row keys as digests of 128 bits: what is compared of millions of keys takes 16 bytes a row, where the texts take fifty and more.

Two keys with one digest are as likely as two equal draws of 2^128: among a billion rows about once in 10^20 tables.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Digests = NDArray[np.uint64]  # (rows, 2)
Places = NDArray[np.int64]

_SEEDS = ("lockgate row key", "row key, the 2nd")  # of SipHash: 16 letters each
_BLOCK_ROWS = 65_536


def key_digests(keys: pd.Series) -> Digests:
    """The digest of each key's text, shape (rows, 2), some thousands at a time."""
    digests = np.empty((len(keys), len(_SEEDS)), dtype=np.uint64)
    for rows in _blocks(len(keys)):
        texts = keys.iloc[rows].astype("str").to_numpy(dtype=object)
        for place, seed in enumerate(_SEEDS):
            digests[rows, place] = pd.util.hash_array(texts, hash_key=seed, categorize=False)
    return digests


def order_of(digests: Digests) -> Places:
    """The rows by their digests; equal ones in their order."""
    order: Places = np.lexsort((digests[:, 1], digests[:, 0]))
    return order


def repeated_row(digests: Digests, order: Places | None = None) -> int | None:
    """The first row, in the order of the digests, whose key an earlier row has too; None where all keys differ."""
    order = order_of(digests) if order is None else order
    for rows in _blocks(len(order) - 1):
        same = (digests[order[rows]] == digests[order[rows.start + 1 : rows.stop + 1]]).all(axis=1)
        if same.any():
            return int(order[rows.start + 1 + int(same.argmax())])
    return None


def are_same_keys(own: Digests, by_own: Places, other: Digests, by_other: Places) -> bool:
    """Whether two tables have the same keys, by the orders of their digests."""
    return len(own) == len(other) and all(
        np.array_equal(own[by_own[rows]], other[by_other[rows]]) for rows in _blocks(len(own))
    )


def shared_rows(own: Digests, other: Digests) -> tuple[Places, Places]:
    """The places, in either table, of the rows whose key both have; in neither table is a key there twice."""
    both = np.concatenate((own, other))
    order = order_of(both)
    first, second = order[:-1], order[1:]
    same = (both[first] == both[second]).all(axis=1)
    return first[same], second[same] - len(own)


def places_in(other: Digests, own: Digests) -> Places:
    """Where in the table `other` the key of each row of `own` stands; both have the same keys."""
    places = np.empty(len(own), dtype=np.int64)
    places[order_of(own)] = order_of(other)
    return places


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK_ROWS, rows)) for start in range(0, rows, _BLOCK_ROWS))
