"""Whether to wake somebody: K of the last N nights alarmed, and the newest did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pipeline.core.nightly.history import merge
from pipeline.core.nightly.night import AlarmOn, Night

# What the current model met a month ago says nothing about tonight; missed nights within it do no harm.
OLDEST = timedelta(days=30)

State = Literal["alarm", "watching", "clear", "unknown"]


@dataclass(frozen=True)
class Decision:
    """`alarm`: wake somebody. `watching`: tonight alarmed, too few nights before it did. `clear`: tonight did not.

    `unknown`: tonight had too few rows, which is neither an alarm nor its end. `alarmed` of `looked` nights alarmed,
    where `k` of `n` are asked for.
    """

    state: State
    alarmed: int
    looked: int
    k: int
    n: int


def decide(nights: Iterable[Night], k: int, n: int, alarm_on: AlarmOn = "warn") -> Decision:
    """The decision on the newest of `nights`, which are in any order; 1 <= k <= n.

    Nights of another model than the newest's do not count, nor those with too few rows or `OLDEST` before it. Raises
    ValueError where there is no night at all.
    """
    ordered = merge(nights)
    if not ordered:
        raise ValueError("there is no night to decide on")
    newest = ordered[-1]
    alike = [night for night in ordered if night.model == newest.model and newest.time - night.time <= OLDEST]
    looked = [night for night in alike if night.judged][-n:]
    alarmed = sum(night.alarmed(alarm_on) for night in looked)
    return Decision(_state(newest, alarmed, k, alarm_on), alarmed, len(looked), k, n)


def _state(newest: Night, alarmed: int, k: int, alarm_on: AlarmOn) -> State:
    if not newest.judged:
        return "unknown"
    if not newest.alarmed(alarm_on):
        return "clear"
    return "alarm" if alarmed >= k else "watching"
