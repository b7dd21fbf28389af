"""Profiles that add up: counts of several tables in the same bins, as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeVar

from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import FeatureProfile, LabelCounts, LeafCounts, PairCounts, Profile, Segments
from lockgate.drift.effects import merged_scores

Part = TypeVar("Part")
HOW_TO_FIX = (
    "bins, values and trees are those of one model's profile: count the tables in them by `lockgate profile count`"
)


def merge_profiles(*profiles: Profile, names: Sequence[str] = ()) -> Profile:
    """The profile of all rows that `profiles` count in the same bins; in which order they are given makes no difference.

    What is no count is kept where all have the same, and left out where they differ: the calibration and the performance of the
    held-out scores, and the held-out scores of a feature's bins where one of the profiles has none. Of segments that are not
    counted apart, as many are left out as in the profile with the most. `names` are what messages call the profiles.
    Raises InputError where there is no profile, and where two differ in a feature, its edges or categories, the rule, the columns
    and values that are counted apart, the leaves of the trees, or the pairs of features: profiles that were made apart have
    bins of their own.
    """
    if not profiles:
        raise InputError("there is no profile to merge; name at least one")
    called = list(names) or [f"profile {place}" for place in range(1, len(profiles) + 1)]
    for name, profile in zip(called[1:], profiles[1:], strict=True):
        difference = _difference(profiles[0], profile)
        if difference is not None:
            raise InputError(f"{name} cannot be added to {called[0]}: {difference}; {HOW_TO_FIX}")
    return reduce(_sum, profiles)


def left_out(merged: Profile, profiles: Sequence[Profile]) -> list[str]:
    """What some of the profiles have and their sum has not, in words."""
    found = [
        name
        for name in ("calibration", "performance")
        if getattr(merged, name) is None and any(getattr(one, name) for one in profiles)
    ]
    lacking = [place for place, one in enumerate(merged.features) if one.scores is None]
    if any(one.features[place].scores for one in profiles for place in lacking):
        found.append("held-out scores")
    return found


def _difference(one: Profile, other: Profile) -> str | None:
    """Why two profiles do not add up, None where they do."""
    names, others = [[feature.name for feature in each.features] for each in (one, other)]
    if names != others:
        return "its features are others, or in another order"
    for feature, more in zip(one.features, other.features, strict=True):
        for what, key in (
            ("is of another kind", "kind"),
            ("has other edges", "edges"),
            ("has other categories", "categories"),
        ):
            if getattr(feature, key) != getattr(more, key):
                return f"feature {feature.name} {what}"
    if one.rule != other.rule:
        return "its rule of drift is another"
    if [_divided(each) for each in one.segments] != [_divided(each) for each in other.segments]:
        return "it counts other columns or other values apart"
    if _leaves(one) != _leaves(other):
        return "it counts the leaves of other trees"
    if (one.pairs and one.pairs.features) != (other.pairs and other.pairs.features):
        return "it counts other pairs of features"
    return None


def _divided(segments: Segments) -> tuple[object, ...]:
    return segments.column, segments.kind, segments.edges, segments.values


def _leaves(profile: Profile) -> list[int] | None:
    return None if profile.leaves is None else [len(tree) for tree in profile.leaves.trees]


def _sum(one: Profile, other: Profile) -> Profile:
    return replace(
        one,
        n=one.n + other.n,
        labels=_either(one.labels, other.labels, _labels),
        calibration=_same(one.calibration, other.calibration),
        performance=_same(one.performance, other.performance),
        leaves=_either(one.leaves, other.leaves, _leaf_counts),
        pairs=_either(one.pairs, other.pairs, _pair_counts),
        segments=tuple(map(_segments, one.segments, other.segments)),
        features=tuple(map(_feature, one.features, other.features)),
    )


def _same(one: Part | None, other: Part | None) -> Part | None:
    return one if one == other else None


def _either(one: Part | None, other: Part | None, both: Callable[[Part, Part], Part]) -> Part | None:
    """What is known: a table without labels has none to add."""
    return both(one, other) if one is not None and other is not None else one or other


def _labels(one: LabelCounts, other: LabelCounts) -> LabelCounts:
    return LabelCounts(one.n + other.n, one.positives + other.positives)


def _leaf_counts(one: LeafCounts, other: LeafCounts) -> LeafCounts:
    return LeafCounts(one.n + other.n, tuple(map(_added, one.trees, other.trees)))


def _pair_counts(one: PairCounts, other: PairCounts) -> PairCounts:
    return PairCounts(one.n + other.n, one.features, tuple(map(_added, one.counts, other.counts)))


def _segments(one: Segments, other: Segments) -> Segments:
    return replace(
        one,
        left_out=max(one.left_out, other.left_out),
        rows=_added(one.rows, other.rows),
        counts=tuple(tuple(map(_added, *values)) for values in zip(one.counts, other.counts, strict=True)),
    )


def _feature(one: FeatureProfile, other: FeatureProfile) -> FeatureProfile:
    has_scores = one.scores is not None and other.scores is not None
    scores = merged_scores([each.scores for each in (one, other) if each.scores is not None]) if has_scores else None
    return replace(one, counts=_added(one.counts, other.counts), scores=scores)


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(first + second for first, second in zip(one, other, strict=True))
