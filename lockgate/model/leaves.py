"""Which leaf of each tree a row falls into, from model.onnx: what is watched is what is served, whatever trained it.

Beside each operator with trees stands one of the same trees that has an output a tree, and whose leaves weigh their own
number: ONNX Runtime then gives the leaves as exactly as the score and about as fast, and what comes before the trees (missing
values filled, categories encoded) stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import LeafCounts, Profile
from lockgate.drift.bins import Counts
from lockgate.drift.cells import CellCounts, ModelBatch, RowCells, RowSample, Split, row_keys, sample_rows
from lockgate.model import onnx_writer
from lockgate.model.bundle import ONNX_MODEL, PROFILE, Bundle
from lockgate.model.features import code_matrix
from lockgate.model.onnx_ensemble import LEAF, LEAF_PREFIXES, MODES, Ensemble, read_ensemble
from lockgate.model.onnx_file import Node, OnnxFile, read_onnx
from lockgate.model.onnx_runtime import INPUT, onnx_session
from lockgate.model.onnx_trees import TREES_DOMAIN

# Of a larger forest the first trees are watched: those of boosting say most, and those of a random forest are alike.
MAX_TREES = 1_000
MAX_LEAVES = 30_000
ENTRIES_AT_ONCE = 4_000_000  # rows times trees in memory
NAN_BITS = np.uint32(0x7FC00000)  # of every missing value, whatever made it
_OURS = "lockgate/"  # in front of the names of what stands beside the model's own operators
_LEAF = MODES.index(LEAF)


class TreeLeaves:
    """The trees of a model: `sizes` has the leaves of each, numbered through all trees; `left_out` trees are not watched."""

    def __init__(self, content: bytes, forests: Sequence[_Forest], model: OnnxFile) -> None:
        self.sizes = tuple(int(size) for forest in forests for size in forest.sizes)
        self.left_out = sum(forest.left_out for forest in forests)
        self._forests = [forest for forest in forests if forest.sizes]
        self._run: Any = onnx_session(_leaf_model(content, self._forests, model)).run

    def cells(self, matrix: NDArray[np.float32]) -> CellCounts:
        """The rows of a `code_matrix` in the leaves; the sample has rows of the matrix."""
        return CellCounts(self._counts(matrix), _sample(matrix))

    def batch(self, rows: int, cells: CellCounts, names: Sequence[str]) -> ModelBatch:
        """The `rows` that were counted in `cells`, and what the trees ask about the features, which `names` are in their order."""
        watched = (
            f"{len(self.sizes):,} of the {len(self.sizes) + self.left_out:,} trees" if self.left_out else "the trees"
        )
        unseen = f"what none of {watched} asks about, and a change of what the features mean for the outcome"
        sample: NDArray[np.float32] = cells.sample.drawn()
        found = RowCells(rows, cells.counts, self.numbers(sample))
        return ModelBatch("leaves", found, lambda: self.splits(sample, names), unseen)

    def count(self, features: pd.DataFrame) -> LeafCounts:
        """How many rows of a `model_frame` fall into each leaf, as a profile keeps it."""
        return self.counted(self.counts(features), len(features))

    def counts(self, features: pd.DataFrame) -> Counts:
        """How many rows of a `model_frame` fall into each leaf, numbered through all trees: of several frames they add up."""
        return self._counts(code_matrix(features))

    def counted(self, counts: Counts, rows: int) -> LeafCounts:
        """The `counts` of so many rows as a profile keeps them."""
        ends = np.cumsum(self.sizes)
        return LeafCounts(rows, tuple(tuple(part.tolist()) for part in np.split(counts, ends[:-1])))

    def numbers(self, matrix: NDArray[np.float32]) -> NDArray[np.int32]:
        """The number of each row's leaf in each tree, shape (rows, trees), for a `code_matrix`."""
        outputs = [_name("leaves", forest) for forest in self._forests]
        found = self._run(outputs, {INPUT: matrix})
        return np.concatenate(found, axis=1).astype(np.int32)

    def splits(self, matrix: NDArray[np.float32], names: Sequence[str]) -> list[Split]:
        """What the trees ask, question by question; a few rows tell which features reach the columns that the trees see."""
        return [split for forest in self._forests for split in _splits(forest, self._asked(forest, matrix, names))]

    def _counts(self, matrix: NDArray[np.float32]) -> Counts:
        at_once = max(ENTRIES_AT_ONCE // len(self.sizes), 1)
        counts = np.zeros(sum(self.sizes), np.int64)
        for start in range(0, len(matrix), at_once):
            counts += np.bincount(self.numbers(matrix[start : start + at_once]).ravel(), minlength=len(counts))
        return counts

    def _asked(self, forest: _Forest, matrix: NDArray[np.float32], names: Sequence[str]) -> list[tuple[str, ...]]:
        """Of each column that the trees see, the features that it depends on, found by taking another row's value of each."""
        if forest.node.inputs[0] == INPUT:
            return [(name,) for name in names]
        output = _name("asked", forest)
        (seen,) = self._run([output], {INPUT: matrix})
        asked: list[list[str]] = [[] for _ in range(seen.shape[1])]
        for place, name in enumerate(names):
            changed = matrix.copy()
            changed[:, place] = np.roll(changed[:, place], 1)
            (found,) = self._run([output], {INPUT: changed})
            differs = ~((found == seen) | (np.isnan(found) & np.isnan(seen))).all(axis=0)
            for column in np.flatnonzero(differs):
                asked[column].append(name)
        return [tuple(one) for one in asked]


def _sample(matrix: NDArray[np.float32]) -> RowSample:
    bits = matrix.view(np.uint32)
    return sample_rows(row_keys([np.where(np.isnan(matrix), NAN_BITS, bits)]), matrix)


@dataclass(frozen=True)
class _Forest:
    """The first trees of the operator at `place` in the graph: the entries in its arrays that are theirs.

    Of each entry the leaves below it are numbered from `first` to before `end`: within a tree in the order of a walk that takes
    "yes" first. `order` has the entries with children before their parents.
    """

    place: int
    node: Node
    ensemble: Ensemble
    order: Sequence[int]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    sizes: Sequence[int]
    left_out: int


def tree_leaves(content: bytes) -> TreeLeaves | None:
    """The trees of a checked model.onnx; None where it has none, or the first of them has more than `MAX_LEAVES` leaves."""
    model = read_onnx(content)
    forests: list[_Forest] = []
    trees = leaves = 0
    for place, node in enumerate(model.nodes):
        if node.operator in LEAF_PREFIXES:
            forest = _forest(place, node, MAX_TREES - trees, leaves)
            trees, leaves = trees + len(forest.sizes), leaves + sum(forest.sizes)
            forests.append(forest)
    return TreeLeaves(content, forests, model) if trees else None


@lru_cache(maxsize=2)
def served_leaves(content: bytes) -> TreeLeaves | None:
    """`tree_leaves`, once in a process."""
    return tree_leaves(content)


def bundle_leaves(bundle: Bundle) -> TreeLeaves | None:
    """The trees of a bundle's model. Raises InputError where its profile counts the leaves of other trees."""
    trees, counted = served_leaves(bundle.onnx.content), bundle.profile.leaves
    if (trees.sizes if trees else ()) != tuple(len(tree) for tree in (counted.trees if counted else ())):
        raise InputError(
            f"{bundle.path(PROFILE)} does not count the leaves of the trees in {ONNX_MODEL}; {Profile.HOW_TO_FIX}"
        )
    return trees


def _forest(place: int, node: Node, trees: int, numbered: int) -> _Forest:
    """At most so many trees of the operator, the first leaf of which is number `numbered`."""
    ensemble = read_ensemble(node)
    count = len(ensemble.trees)
    roots = np.flatnonzero(np.diff(ensemble.trees, prepend=ensemble.trees[0] - 1)).tolist()
    first, end = np.zeros(count, np.int64), np.zeros(count, np.int64)
    is_leaf = ensemble.modes == _LEAF
    sizes: list[int] = []
    order: list[int] = []
    for root, after in zip(roots[:trees], [*roots[1:], count], strict=False):
        size = int(is_leaf[root:after].sum())
        if numbered + size > MAX_LEAVES:
            break
        for entry in _children_first(root, ensemble):
            if is_leaf[entry]:
                first[entry], numbered = numbered, numbered + 1
                end[entry] = numbered
            else:
                yes, no = ensemble.yes[entry], ensemble.no[entry]
                first[entry], end[entry] = min(first[yes], first[no]), max(end[yes], end[no])
            order.append(entry)
        sizes.append(size)
    return _Forest(place, node, ensemble, order, first, end, sizes, len(roots) - len(sizes))


def _children_first(root: int, ensemble: Ensemble) -> Iterator[int]:
    """The entries of a tree, each once and after its children: a node may have several parents."""
    walked: set[int] = set()
    stack = [(root, False)]
    while stack:
        entry, is_done = stack.pop()
        if is_done:
            yield entry
        elif entry not in walked:
            walked.add(entry)
            stack.append((entry, True))
            if ensemble.modes[entry] != _LEAF:
                stack += [(int(ensemble.no[entry]), False), (int(ensemble.yes[entry]), False)]


def _splits(forest: _Forest, asked: Sequence[tuple[str, ...]]) -> Iterator[Split]:
    """The questions of the trees. Questions about the same column that follow each other, as of a set of categories, are one."""
    ensemble, is_leaf = forest.ensemble, forest.ensemble.modes == _LEAF
    branches = [entry for entry in forest.order if not is_leaf[entry]]
    parents = np.bincount(np.concatenate([ensemble.yes[branches], ensemble.no[branches]]), minlength=len(is_leaf))
    columns = ensemble.features
    # The entries that answer a branch, and whether it is itself a part of the question before it.
    answers: dict[int, list[int]] = {}
    continued: set[int] = set()
    for entry in branches:
        found: list[int] = []
        for child in (int(ensemble.yes[entry]), int(ensemble.no[entry])):
            if not is_leaf[child] and columns[child] == columns[entry] and parents[child] == 1:
                found += answers[child]
                continued.add(child)
            else:
                found.append(child)
        answers[entry] = found
    for entry in branches:
        if entry not in continued:
            bounds = {int(bound) for child in answers[entry] for bound in (forest.first[child], forest.end[child])}
            yield Split(asked[columns[entry]], tuple(sorted(bounds)))


def _leaf_model(content: bytes, forests: Sequence[_Forest], model: OnnxFile) -> bytes:
    """The model with the leaves of each forest as an output, and what its trees see as another."""
    wanted = {forest.node.inputs[0] for forest in forests}
    nodes: list[bytes] = []
    for node in reversed(model.nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node.inputs)
            nodes.insert(0, content[slice(*node.span)])
    outputs: dict[str, int | None] = {}
    for forest in forests:
        seen, leaves, asked = forest.node.inputs[0], _name("leaves", forest), _name("asked", forest)
        nodes.append(
            onnx_writer.node("TreeEnsembleRegressor", [seen], [leaves], _attributes(forest), domain=TREES_DOMAIN)
        )
        nodes.append(onnx_writer.node("Cast", [seen], [asked], [onnx_writer.integer("to", onnx_writer.FLOAT)]))
        outputs |= {leaves: len(forest.sizes), asked: None}
    constants = [content[slice(*one.span)] for name, one in model.initializers.items() if name in wanted]
    features = (model.inputs[0].shape or ())[1]
    return onnx_writer.model(nodes, int(features or 0), constants, model.opsets, outputs)


def _name(what: str, forest: _Forest) -> str:
    return f"{_OURS}{what}/{forest.place}"


def _attributes(forest: _Forest) -> list[bytes]:
    """Of a TreeEnsembleRegressor with an output a tree."""
    ensemble = forest.ensemble
    entries = np.sort(np.asarray(forest.order))
    leaves = entries[ensemble.modes[entries] == _LEAF]
    places = np.searchsorted(np.cumsum(forest.sizes), forest.first[leaves] - forest.first[leaves].min(), side="right")
    is_leaf = ensemble.modes[entries] == _LEAF

    def node_ids(side: NDArray[np.int64]) -> list[int]:
        found: list[int] = np.where(is_leaf, 0, ensemble.nodes[side[entries]]).tolist()
        return found

    return [
        onnx_writer.integer("n_targets", len(forest.sizes)),
        onnx_writer.integers("nodes_falsenodeids", node_ids(ensemble.no)),
        onnx_writer.integers("nodes_featureids", ensemble.features[entries].tolist()),
        onnx_writer.integers(
            "nodes_missing_value_tracks_true", ensemble.missing_is_yes[entries].astype(np.int64).tolist()
        ),
        onnx_writer.texts("nodes_modes", [MODES[mode].decode() for mode in ensemble.modes[entries]]),
        onnx_writer.integers("nodes_nodeids", ensemble.nodes[entries].tolist()),
        onnx_writer.integers("nodes_treeids", ensemble.trees[entries].tolist()),
        onnx_writer.integers("nodes_truenodeids", node_ids(ensemble.yes)),
        onnx_writer.integers("target_ids", places.tolist()),
        onnx_writer.integers("target_nodeids", ensemble.nodes[leaves].tolist()),
        onnx_writer.integers("target_treeids", ensemble.trees[leaves].tolist()),
        *_numbers("nodes_values", ensemble.values[entries], ensemble),
        *_numbers("target_weights", forest.first[leaves], ensemble),
    ]


def _numbers(name: str, values: NDArray[Any], ensemble: Ensemble) -> list[bytes]:
    if ensemble.values.dtype == np.float64:
        name = f"{name}_as_tensor"
        return [onnx_writer.tensor_attribute(name, onnx_writer.doubles(name, [len(values)], values.tolist()))]
    return [onnx_writer.floats(name, values.tolist())]
