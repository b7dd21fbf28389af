"""Thresholds that make sense: of a known metric, in its direction, within its range."""

from __future__ import annotations

from lockgate.config.metric_names import FOR_CHAMPIONS, FOR_SLICES, METRICS, Metric
from lockgate.config.suggest import nearest


def check_floors(floors: dict[str, float]) -> dict[str, float]:
    """Floors are for metrics where higher is better; raises ValueError otherwise."""
    return _check(floors, "higher", "a floor", "evaluate.ceilings")


def check_ceilings(ceilings: dict[str, float]) -> dict[str, float]:
    """Ceilings are for metrics where lower is better; raises ValueError otherwise."""
    return _check(ceilings, "lower", "a ceiling", "evaluate.floors")


def check_slice_floors(floors: dict[str, float]) -> dict[str, float]:
    """Floors for slices are for ROC-AUC and PR-AUC; raises ValueError otherwise."""
    _check(floors, "higher", "a floor", "evaluate.ceilings")
    return _only(floors, FOR_SLICES, "slices are judged by")


def check_margins(margins: dict[str, float]) -> dict[str, float]:
    """Margins are for metrics whose paired difference has an interval, no wider than the metric's range.

    Raises ValueError otherwise.
    """
    for name, margin in margins.items():
        low, high = _metric(name).valid_range
        if margin > high - low:
            raise ValueError(f"`{name}`: a margin of {margin:g} is wider than the metric's range")
    return _only(margins, FOR_CHAMPIONS, "champions are compared by")


def _check(thresholds: dict[str, float], direction: str, role: str, other: str) -> dict[str, float]:
    for name, threshold in thresholds.items():
        metric = _metric(name)
        if metric.direction != direction:
            raise ValueError(f"`{name}` is better when {metric.direction}, so it cannot have {role}; use `{other}`")
        low, high = metric.valid_range
        if not low <= threshold <= high:
            raise ValueError(f"`{name}`: {threshold:g} is outside the metric's range {low:g} to {high:g}")
    return thresholds


def _only(thresholds: dict[str, float], metrics: tuple[str, ...], what: str) -> dict[str, float]:
    for name in thresholds:
        if name not in metrics:
            raise ValueError(f"`{name}`: {what} {', '.join(f'`{metric}`' for metric in metrics)}")
    return thresholds


def _metric(name: str) -> Metric:
    if name not in METRICS:
        raise ValueError(f"unknown metric `{name}`; {nearest(name, METRICS)}")
    return METRICS[name]
