"""What is a tree: every node is reached from the first exactly once, by a path that is not too long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.model.flavours.native_form import MAX_DEPTH, DamagedError, require_tree

Children = dict[int, tuple[int, int]]


def grown(choices: list[int]) -> Children:
    """A tree that grew by splitting one leaf after the other, children after their parents."""
    children: Children = {}
    leaves = [0]
    for choice in choices:
        parent = leaves.pop(choice % len(leaves))
        first = 2 * len(children) + 1
        children[parent] = (first, first + 1)
        leaves += [first, first + 1]
    return children


def check(children: Children, nodes: int) -> None:
    parents = sorted(children)
    pairs = np.array([children[parent] for parent in parents], dtype=np.int64).reshape(-1, 2)
    require_tree(np.array(parents, dtype=np.int64), pairs, nodes)


def is_tree(children: Children, nodes: int) -> bool:
    """By walking it."""
    seen: list[int] = []
    waiting = [0]
    while waiting and len(seen) <= nodes:
        node = waiting.pop()
        seen.append(node)
        waiting += children.get(node, ())
    after = all(child > parent for parent, pair in children.items() for child in pair)
    return after and sorted(seen) == list(range(nodes))


@given(st.lists(st.integers(0, 1000), max_size=40), st.data())
def test_a_tree_with_one_child_changed_is_one_only_if_a_walk_says_so(choices: list[int], data: st.DataObject) -> None:
    children = grown(choices)
    nodes = 2 * len(children) + 1
    check(children, nodes)
    if not children:
        return
    parent = data.draw(st.sampled_from(sorted(children)))
    left, right = children[parent]
    other = data.draw(st.integers(-2, nodes + 1))
    children[parent] = (other, right) if data.draw(st.booleans()) else (left, other)
    if is_tree(children, nodes):
        check(children, nodes)
    else:
        with pytest.raises(DamagedError, match="a node"):
            check(children, nodes)


def test_a_tree_may_be_deep_and_not_endlessly_so() -> None:
    check({2 * level: (2 * level + 1, 2 * level + 2) for level in range(MAX_DEPTH - 1)}, 2 * MAX_DEPTH - 1)
    with pytest.raises(DamagedError, match="deeper than 1,000 nodes"):
        check({2 * level: (2 * level + 1, 2 * level + 2) for level in range(MAX_DEPTH)}, 2 * MAX_DEPTH + 1)
