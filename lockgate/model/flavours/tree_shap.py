"""Shapley values of trees, path dependent (TreeSHAP: Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67), in numpy.

What a leaf adds to a row's log-odds is the product of one factor a feature on its path. With probability t a feature is known,
and its factor is 1 where the row's value leads to the leaf, otherwise 0; else it is the share of the training rows that the
feature's splits send that way. A Shapley value is the integral over t in [0, 1] of what knowing the feature changes (Owen
1972, Management Science 18, 64-79). The integrand is a polynomial of a degree below the number of features on the path, so
Gauss's quadrature is exact with half as many points, and all of its terms are of one sign. Factors are multiplied down the
trees and what leaves add is summed up, for all trees at once, a layer of nodes at a time: the order of computation
of Linear TreeSHAP (Yu et al. 2022, NeurIPS 35). So no library is loaded to explain, and none sees a stranger's file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lockgate.model.protocol import Explain

GROUP_NODES = 16_384  # of the trees that are explained at once: what they need fits into a processor's cache


@dataclass(frozen=True)
class SplitTree:
    """A tree by its nodes, the root first.

    `left` and `right` are -1 at a leaf. Left goes a value that is below `below`, or, where the node splits by category, a
    code among its `sets`; a missing one where `missing_is_left`. `covers` is the weight of the training rows that came by,
    `leaves` what a leaf adds to the log-odds.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    features: NDArray[np.int64]
    below: NDArray[np.floating]
    missing_is_left: NDArray[np.bool_]
    covers: NDArray[np.floating]
    leaves: NDArray[np.floating]
    sets: Mapping[int, Sequence[int]]


def tree_shap(trees: Sequence[SplitTree], features: int, intercept: float) -> Explain:
    """What explains rows of that many features by `intercept` plus the sum of the trees."""
    groups = [_Group(group) for group in _grouped(trees)]
    base = intercept + sum(group.mean for group in groups)

    def explain(values: NDArray[np.float32]) -> NDArray[np.float64]:
        found = np.zeros((len(values), features + 1))
        found[:, -1] = base
        for row, contributions in zip(values, found, strict=True):
            for group in groups:
                group.add_contributions(row, contributions)
        return found

    return explain


def _grouped(trees: Sequence[SplitTree]) -> Iterator[list[SplitTree]]:
    """The trees in groups of about `GROUP_NODES` nodes, and at least one tree."""
    group: list[SplitTree] = []
    size = 0
    for tree in trees:
        group.append(tree)
        size += len(tree.left)
        if size >= GROUP_NODES:
            yield group
            group, size = [], 0
    if group:
        yield group


class _Group:
    """Trees as arrays of their nodes, layer by layer: first the roots, then their children, left beside right, and so on.

    What is said of a node's feature, share and known factor is that of the split above it, so nothing of a root.
    """

    def __init__(self, trees: Sequence[SplitTree]) -> None:
        starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
        left, right = (
            np.concatenate([np.where(one < 0, -1, one + start) for one, start in zip(side, starts[:-1], strict=True)])
            for side in ([tree.left for tree in trees], [tree.right for tree in trees])
        )
        layers = [starts[:-1]]
        while len(inner := layers[-1][left[layers[-1]] >= 0]):
            layers.append(np.column_stack([left[inner], right[inner]]).ravel())
        order = np.concatenate(layers)
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        self._layers = list(pairwise(np.cumsum([0, *map(len, layers)]).tolist()))
        self._roots = len(trees)
        self._splits = np.flatnonzero(left[order] >= 0)  # children of the n-th are 2 * n and 2 * n + 1 behind the roots
        self._leaves = np.flatnonzero(left[order] < 0)
        self._weights = np.concatenate([tree.leaves for tree in trees]).astype(np.float64)[order][self._leaves]

        splits = order[self._splits]
        self._features = np.concatenate([tree.features for tree in trees])[splits]
        self._below = np.concatenate([tree.below for tree in trees])[splits]
        self._missing_is_left = np.concatenate([tree.missing_is_left for tree in trees])[splits]
        self._read_sets(trees, starts, place)
        self._follow_features()
        covers = np.concatenate([tree.covers for tree in trees]).astype(np.float64)[order]
        self._find_shares(covers)

    def _read_sets(self, trees: Sequence[SplitTree], starts: NDArray[np.intp], place: NDArray[np.intp]) -> None:
        """Which splits are by category, and every (split, code) that goes left as one number, in order."""
        by_node = [
            (place[start + node], codes)
            for tree, start in zip(trees, starts[:-1], strict=True)
            for node, codes in tree.sets.items()
        ]
        nodes = np.array([node for node, _ in by_node], dtype=np.intp)
        sizes = [len(codes) for _, codes in by_node]
        codes = np.array([code for _, found in by_node for code in found], dtype=np.int64)
        self._by_category = np.searchsorted(self._splits, nodes)
        self._codes = 1 + int(codes.max(initial=0))
        self._goes_left = np.sort(np.repeat(self._by_category, sizes) * self._codes + codes)

    def _follow_features(self) -> None:
        """Each node's parent, the feature that leads to it, and the node above that the same feature leads to, or a root."""
        count = len(self._splits) + len(self._leaves)
        self._parents = np.zeros(count, dtype=np.intp)
        self._parents[self._roots :] = np.repeat(self._splits, 2)
        self._led_by = np.full(count, -1, dtype=np.intp)
        self._led_by[self._roots :] = np.repeat(self._features, 2)
        self._above = self._parents.copy()
        waiting = np.arange(self._roots, count)
        while True:
            there = self._above[waiting]
            waiting = waiting[(there >= self._roots) & (self._led_by[there] != self._led_by[waiting])]
            if not len(waiting):
                break
            self._above[waiting] = self._parents[self._above[waiting]]

    def _find_shares(self, covers: NDArray[np.float64]) -> None:
        """The share of training rows that a feature's splits lead to each node, and the quadrature that its path needs."""
        self._shares = np.ones(len(covers))
        reached = np.ones(len(covers))
        features = np.zeros(len(covers), dtype=np.intp)
        for start, end in self._layers[1:]:
            parents, above = self._parents[start:end], self._above[start:end]
            kept = covers[start:end] / covers[parents]
            reached[start:end] = reached[parents] * kept
            self._shares[start:end] = self._shares[above] * kept
            features[start:end] = features[parents] + (above < self._roots)
        self.mean = float(reached[self._leaves] @ self._weights)
        points, weights = np.polynomial.legendre.leggauss(max(1, (int(features.max()) + 1) // 2))
        self._points, self._point_weights = (points + 1) / 2, weights / 2
        self._unknown = self._shares[:, None] * (1 - self._points)

    def add_contributions(self, row: NDArray[np.float32], contributions: NDArray[np.float64]) -> None:
        """Add each feature's contribution in these trees."""
        leads = self._leads(row)
        factors = self._unknown + leads[:, None] * self._points
        # What knowing the feature changes, as a multiple of what a leaf below adds with it.
        changes = self._point_weights * (leads - self._shares)[:, None] / factors
        changes -= changes[self._above]
        products = factors / factors[self._above]
        for start, end in self._layers[1:]:
            products[start:end] *= products[self._parents[start:end]]
        products[self._leaves] *= self._weights[:, None]
        for (start, end), (_, last) in reversed(list(pairwise(self._layers))):
            inner = slice(*np.searchsorted(self._splits, [start, end]))
            products[self._splits[inner]] = products[end:last].reshape(-1, 2, products.shape[1]).sum(axis=1)
        found = np.einsum("np,np->n", changes, products)[self._roots :]
        contributions[:-1] += np.bincount(self._led_by[self._roots :], found, minlength=len(contributions) - 1)

    def _leads(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether all splits by the feature above each node, on the way to it, lead the row there."""
        values = row[self._features]
        goes_left = values < self._below
        if len(self._by_category):
            codes = np.nan_to_num(values[self._by_category], nan=self._codes).astype(np.int64)
            sought = self._by_category * self._codes + codes
            found = self._goes_left[np.searchsorted(self._goes_left, sought) % len(self._goes_left)] == sought
            goes_left[self._by_category] = found & (codes < self._codes)
        goes_left = np.where(np.isnan(values), self._missing_is_left, goes_left)
        leads = np.ones(len(self._parents), dtype=bool)
        leads[self._roots :] = np.column_stack([goes_left, ~goes_left]).ravel()
        for start, end in self._layers[1:]:
            leads[start:end] &= leads[self._above[start:end]]
        return leads
