"""How often a night on which nothing changed warns, by all rules of `lockgate drift` together and by each."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from simulations._nights import RULE_OF_THUMB, RULES, fired, share
from simulations._worlds import WORLDS, World

from lockgate.data.synthetic import TARGET
from lockgate.model.drift import measure_drift

MOST_FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class Plan:
    """How much to simulate: models trained in each world, and the nights of each kind and size that each sees."""

    bundles: int = 40
    nights: int = 10
    training_rows: int = 20_000
    rounds: int = 600
    rows: tuple[int, ...] = (200, 1_000, 10_000)
    seed: int = 1


@dataclass
class CleanNights:
    """The nights that warned: how many of each bundle, and in all by each rule; and by the rule of thumb, PSI of 0.1."""

    warned: list[int] = field(default_factory=list)
    rule_of_thumb: list[int] = field(default_factory=list)
    by_rule: Counter[str] = field(default_factory=Counter)


def clean_nights(world: World, plan: Plan) -> dict[tuple[int, bool], CleanNights]:
    """By the rows of a night, and whether their outcomes are known, what the nights gave."""
    found = {kind: CleanNights() for kind in product(plan.rows, (True, False))}
    for number in range(plan.bundles):
        bundle = world.bundle(plan.training_rows, plan.seed * 1_000 + number, plan.rounds)
        for (rows, is_known), nights in found.items():
            results = []
            for night in range(plan.nights):
                batch = world.night(rows, plan.seed, number, rows, is_known, night)
                results.append(measure_drift(bundle, batch if is_known else batch.drop(columns=TARGET)))
            warned = [fired(one) for one in results]
            nights.by_rule.update(rule for rules in warned for rule in rules)
            nights.warned.append(sum(map(bool, warned)))
            nights.rule_of_thumb.append(
                sum(any(one.psi >= RULE_OF_THUMB for one in result.features) for result in results)
            )
        print(f"{world.name}: {number + 1} of {plan.bundles}", file=sys.stderr)
    return found


def table(worlds: Iterable[World], plan: Plan) -> list[str]:
    """Print it line by line; what was promised and not kept."""
    print(f"| Features | Rows | Outcomes | Nights that warn [95 %] | {' | '.join(RULES)} | A PSI of 0.1 |")
    print("|:--|--:|:--|--:|" + "--:|" * (len(RULES) + 1))
    missed = []
    for world in worlds:
        for (rows, is_known), nights in clean_nights(world, plan).items():
            parts = " | ".join(str(nights.by_rule[rule]) for rule in RULES)
            warned, thumb = (share(counts, plan.nights) for counts in (nights.warned, nights.rule_of_thumb))
            known = "known" if is_known else "unknown"
            print(f"| {world.name} | {rows:,} | {known} | {warned} | {parts} | {thumb} |", flush=True)
            if sum(nights.warned) > MOST_FALSE_ALARMS * plan.nights * plan.bundles:
                missed.append(f"{world.name}: {warned} of clean nights of {rows:,} rows warn, outcomes {known}")
    return missed


def main() -> None:
    """Parse, simulate, print Markdown; exit 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(prog="scripts/simulate drift", description=__doc__)
    plan = Plan()
    parser.add_argument("--bundles", type=int, default=plan.bundles, help="in each world (default: %(default)s)")
    parser.add_argument(
        "--nights",
        type=int,
        default=plan.nights,
        help="that each bundle sees of every size, with outcomes and without (default: %(default)s)",
    )
    parser.add_argument("--rows", type=int, nargs="+", default=plan.rows, help="of a night (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="(default: %(default)s)")
    given = parser.parse_args()
    if min(given.bundles, given.nights) < 1:
        parser.error("--bundles and --nights must be at least 1")
    plan = Plan(bundles=given.bundles, nights=given.nights, rows=tuple(given.rows), seed=given.seed)
    start = time.perf_counter()
    missed = table(WORLDS, plan)
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    for line in missed:
        print(f"not kept: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
