"""How a model's own form is read from a file that may be anybody's: nothing of it reaches a library unchecked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Feature
from lockgate.model.protocol import NativeForm

# Of a root to leaf path, in nodes: ONNX Runtime walks it by recursion, and explaining goes layer by layer.
MAX_DEPTH = 1_000


Form = TypeVar("Form", bound=NativeForm)

HOW_TO_FIX = "run `lockgate train` again"
MAX_LOG_ODDS = 1e30  # of all trees together: beyond it a sum of float32 is none


class DamagedError(Exception):
    """What is wrong with a model's own form, as the rest of a sentence about its file."""


def read_form(kind: type[Form], content: bytes, features: Sequence[Feature], where: str | Path) -> Form:
    """The form of this kind in `content`; raises InputError, with `where`, where it is none of these features."""
    try:
        return kind.read(content, features)
    except DamagedError as error:
        raise InputError(f"{where} {error}; {HOW_TO_FIX}") from None


def require(holds: bool | np.bool, problem: str) -> None:
    """Raises DamagedError with the problem unless the condition holds."""
    if not holds:
        raise DamagedError(problem)


def integers(values: Iterable[int], problem: str, low: int = -(2**31), high: int = 2**32 - 1) -> NDArray[np.int64]:
    """The whole numbers; raises DamagedError where one is not within the bounds."""
    try:
        found = np.fromiter(values, dtype=np.int64)
    except OverflowError:
        raise DamagedError(problem) from None
    require(((found >= low) & (found <= high)).all(), problem)
    return found


def numbers(values: Iterable[float], problem: str, kind: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """The numbers in a precision; raises DamagedError where one is NaN."""
    try:
        found = np.fromiter(values, dtype=np.float64)
    except OverflowError:
        raise DamagedError(problem) from None
    require(not np.isnan(found).any(), problem)
    if kind is not np.float64:
        with np.errstate(over="ignore"):
            return found.astype(kind)
    return found


def require_finite_sum(leaves: Iterable[NDArray[Any]]) -> None:
    """Raises DamagedError where the largest leaves of all trees, given tree by tree, add up to no log-odds."""
    largest = sum(float(np.abs(one).max()) for one in leaves)
    require(largest <= MAX_LOG_ODDS, "is damaged: its leaves add up to no log-odds")


def require_tree(parents: NDArray[np.int64], children: NDArray[np.int64], nodes: int) -> None:
    """Raises DamagedError unless every node but the first, 0, is the child of one node before it.

    `parents` are the ids of the nodes that split, ascending; `children` (parents, 2) the ids of their children. Without
    a child before its parent there is no circle, and from the first node every other is reached.
    """
    require((children > parents[:, None]).all(), "a node has a child that is not after it")
    whole = np.array_equal(np.sort(children, axis=None), np.arange(1, nodes))
    require(whole, "a node is not the child of exactly one other")
    depth = [1] * nodes
    for parent, (left, right) in zip(parents.tolist(), children.tolist(), strict=True):
        depth[left] = depth[right] = depth[parent] + 1
    require(max(depth) <= MAX_DEPTH, f"it is deeper than {MAX_DEPTH:,} nodes (limit it with train.max_depth)")
