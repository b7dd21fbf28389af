"""How often the live drift alerts are wrong: months of unchanged traffic under the rules' windows, looked at every hour."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lockgate.documents.profile_json import DriftRule, Profile
from lockgate.drift.drift_rule import null_distribution
from lockgate.drift.family_error import psi_error
from lockgate.drift.psi import SMOOTHING, psi_terms
from lockgate.service.drift.psi_chance import psi_chance

DAY, ALERT_HOURS = 24, 6  # the windows of LockgateLiveDriftWarning and LockgateLiveDrift
HOLD = 6  # hours that a warning has to last
ROWS = (200, 1_000, 5_000, 20_000, 100_000)


def threshold(chance: float, reference: int, rows: int, rule: DriftRule) -> float:
    """As the recording rule lockgate:feature_psi_threshold."""
    return max(rule.effect_floor, chance * (1 / reference + 1 / rows))


def against_nightly_run(profile: Profile) -> str:
    """The rules' thresholds over those that the nightly run works out for each number of rows."""
    rule = profile.rule
    error = psi_error(rule.family_error, len(profile.features))
    lines = ["| rows | least | largest |", "|---|---|---|"]
    for rows in ROWS:
        shares = []
        for feature, chance in zip(profile.features, psi_chance(profile), strict=True):
            nightly = max(rule.effect_floor, null_distribution(feature.counts, rows).threshold(error))
            shares.append(threshold(chance, feature.n, rows, rule) / nightly)
        lines.append(f"| {rows:,} | {min(shares):.3f} | {max(shares):.3f} |")
    return "\n".join(lines)


def false_alarms(profile: Profile, hourly: int, days: int, random: np.random.Generator) -> tuple[int, int]:
    """Days with a warning, and days with an alert, of any feature, in traffic from the population of the profile.

    What the reference leaves open about that population is drawn once, as in `drift_rule`; features are independent.
    """
    rule = profile.rule
    warned, alerted = np.zeros((2, days), dtype=np.bool_)
    for feature, chance in zip(profile.features, psi_chance(profile), strict=True):
        shares = random.dirichlet(np.asarray(feature.counts) + SMOOTHING)
        arrived = random.multinomial(hourly, shares, size=DAY * (days + 1))

        def windows(hours: int, arrived: NDArray[np.int64] = arrived) -> NDArray[np.int64]:
            until = np.vstack([np.zeros_like(arrived[:1]), np.cumsum(arrived, axis=0)])
            return until[DAY + 1 :] - until[DAY + 1 - hours : -hours]

        day, recent = (psi_terms(feature.counts, windows(hours)).sum(axis=-1) for hours in (DAY, ALERT_HOURS))
        warns = day >= threshold(chance, feature.n, DAY * hourly, rule)
        alerts = recent >= max(rule.alert, threshold(chance, feature.n, ALERT_HOURS * hourly, rule))
        if DAY * hourly >= rule.min_rows:
            warned |= lasting(warns, HOLD).reshape(days, DAY).any(axis=1)
        if ALERT_HOURS * hourly >= rule.min_rows:
            alerted |= alerts.reshape(days, DAY).any(axis=1)
    return int(warned.sum()), int(alerted.sum())


def lasting(fires: NDArray[np.bool_], hours: int) -> NDArray[np.bool_]:
    """Where an hour and the ones before it, `hours` of them, all fire."""
    runs = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(hours - 1, np.bool_), fires]), hours)
    return np.asarray(runs.all(axis=1))


def main() -> None:
    """Print how close the thresholds are, and the days with false alarms."""
    parser = argparse.ArgumentParser(prog="scripts/simulate live_drift", description=__doc__)
    parser.add_argument("--profile", type=Path, default=Path("models/profile.json"))
    parser.add_argument("--hourly", type=int, default=200, help="rows an hour, all hours alike (default: 200)")
    parser.add_argument("--days", type=int, default=30, help="of each run (default: 30)")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    profile, random = Profile.read_file(given.profile), np.random.default_rng(given.seed)
    print(f"threshold of the rules over the nightly run's, {len(profile.features)} features:\n")
    print(against_nightly_run(profile))
    found = [false_alarms(profile, given.hourly, given.days, random) for _ in range(given.runs)]
    warned, alerted = np.sum(found, axis=0)
    print(f"\nof {given.runs * given.days:,} days without drift, {given.hourly:,} rows an hour: ", end="")
    print(f"{warned} with a warning, {alerted} with an alert")


if __name__ == "__main__":
    main()
