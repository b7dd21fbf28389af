"""The cells of a column of texts: those that are numbers as programs write them, quickly, and the different texts among others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SAMPLE_CELLS = 20_000
FIRST_CELLS = 200


@dataclass(frozen=True)
class DistinctTexts:
    """The texts of a column, without nulls, how many cells hold each, and which of them a cell holds (null where it is null).

    Of a column whose texts hardly repeat, a text may be there several times: to find that out costs more than it saves.
    """

    values: pa.Array
    counts: np.ndarray
    of_cells: pa.Array

    def chosen(self, mask: pa.Array) -> DistinctTexts:
        """The texts where `mask` is true; `of_cells` is null for the others."""
        where = np.asarray(mask.to_numpy(zero_copy_only=False), bool)
        positions = pa.array(np.cumsum(where) - 1, pa.int64(), mask=~where)
        return DistinctTexts(self.values.filter(mask), self.counts[where], positions.take(self.of_cells))

    @property
    def total(self) -> int:
        """How many cells hold one of them."""
        return int(self.counts.sum())

    def most_frequent(self, number: int | None = None) -> list[tuple[str, int]]:
        """The texts with their counts, the most frequent first and then by the alphabet, `number` of them at most."""
        counted: Counter[str] = Counter()
        for text, count in zip(self.values.to_pylist(), self.counts.tolist(), strict=True):
            counted[text] += count
        return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:number]


def distinct_texts(cells: pa.ChunkedArray, counts: np.ndarray | None = None) -> DistinctTexts:
    """The texts of `cells`, each of which stands for as many as `counts` says, or for itself."""
    if counts is not None:
        return _present_texts(cells, counts)
    sample = cells.slice(0, SAMPLE_CELLS).drop_null()
    if len(cells) > SAMPLE_CELLS and pc.count_distinct(sample).as_py() * 2 > len(sample) > SAMPLE_CELLS // 2:
        return _present_texts(cells, np.ones(len(cells), np.int64))
    encoded = pa.chunked_array(cells.chunks, cells.type).dictionary_encode().combine_chunks()
    of_cells = encoded.indices.cast(pa.int64())
    counts = np.bincount(of_cells.drop_null().to_numpy(), minlength=len(encoded.dictionary))
    return DistinctTexts(encoded.dictionary, counts, of_cells)


def _present_texts(cells: pa.ChunkedArray, counts: np.ndarray) -> DistinctTexts:
    """Every text that is there as one of its own."""
    whole = cells.combine_chunks()
    present = np.asarray(whole.is_valid().to_numpy(zero_copy_only=False), bool)
    return DistinctTexts(whole.drop_null(), counts[present], pa.array(np.cumsum(present) - 1, mask=~present))


def all_true(mask: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all of the mask, or nothing, is true."""
    return bool(pc.all(mask, min_count=0).as_py())


def any_true(*masks: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all of the masks are true at some position; null is not."""
    found = masks[0]
    for mask in masks[1:]:
        found = pc.and_(found, mask)
    return bool(pc.any(found, min_count=0).as_py())


@dataclass(frozen=True)
class PlainNumbers:
    """The cells of a column that are numbers as programs write them, and the others.

    `values` are int64 where all of them are whole, else float64, null at the others. `others` are the texts of the others,
    and `are_other` says which cells they are, an array of shape (rows,). `leading_zeros` says whether the digits of a number
    begin with a zero that counts for nothing.
    """

    values: pa.ChunkedArray
    others: pa.ChunkedArray
    are_other: np.ndarray
    leading_zeros: bool


_DIGITS = np.zeros(256, bool)
_DIGITS[list(b"0123456789")] = True
_SIGNS = np.zeros(256, bool)
_SIGNS[list(b"+-")] = True


def plain_numbers(cells: pa.ChunkedArray, but: Sequence[str] = ()) -> PlainNumbers | None:
    """The cells of a column of texts as numbers by pyarrow's own cast, quickly; None where it is no column of such.

    That is where no cell looks like a number, or one only looks so. `but` names texts that are none even where they look
    like one.
    """
    look, zeros = _looks(cells)
    if not look.any():
        return None
    if but:
        look &= ~np.asarray(pc.is_in(cells, pa.array(but, cells.type)).to_numpy())
    numbers = cells if look.all() else pc.if_else(pa.array(look), cells, pa.scalar(None, pa.string()))
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers.slice(0, FIRST_CELLS).cast(kind)  # a cast that fails takes longer than one that does not
            values = numbers.cast(kind)
        except pa.ArrowInvalid:
            continue
        others = cells.filter(pa.array(~look)) if not look.all() else cells.slice(0, 0)
        return PlainNumbers(values, others, ~look, bool((zeros & look).any()))
    return None


def _looks(cells: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Which cells begin and end as a plain number does, and which have a zero and another digit at their front.

    Bytes are looked at, which takes a tenth of the time of a regular expression.
    """
    looks, zeros = [np.zeros(0, bool)], [np.zeros(0, bool)]
    for chunk in cells.chunks:
        _, offsets, data = chunk.buffers()
        ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        begin, end = ends[:-1], ends[1:]
        letters = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
        last_letter = len(letters) - 1
        first = letters[np.minimum(begin, last_letter)]
        last = letters[np.maximum(end - 1, 0)]
        signed = _SIGNS[first]
        digit = np.minimum(begin + signed, last_letter)
        following = letters[np.minimum(digit + 1, last_letter)]
        zero = (letters[digit] == ord("0")) & (digit + 1 < end)
        hexadecimal = zero & ((following == ord("x")) | (following == ord("X")))
        look = (_DIGITS[first] | signed | (first == ord("."))) & (
            _DIGITS[last] | ((last == ord(".")) & (end - begin > 1))
        )
        if chunk.null_count:  # what lies under a null is nobody's
            look &= np.asarray(chunk.is_valid().to_numpy(zero_copy_only=False))
        looks.append(look & (end > begin) & ~hexadecimal)
        zeros.append(zero & _DIGITS[following])
    return np.concatenate(looks), np.concatenate(zeros)
