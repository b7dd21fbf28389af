"""Bad days on demand: statuses, limits, latency and lost answers, one after the other, for an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What happens to one request. With `performed` it is carried out first, and only its answer is lost."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "the fake was told to fail"
    delay: float = 0.0
    performed: bool = False


SECONDARY_LIMIT = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY_LIMIT = "API rate limit exceeded for installation."


class Faults:
    """For each operation (`*` is any) the faults still to come; None lets a request pass."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Fault | None]] = {}

    def plan(self, operation: str, *faults: Fault | None, times: int = 1) -> None:
        """Adds `faults`, `times` over, to what awaits the operation."""
        self._planned.setdefault(operation, []).extend([*faults] * times)

    def plan_json(self, plan: Mapping[str, Any]) -> None:
        """The same from JSON: {"operation": ..., "faults": [{"status": 502} or null, ...], "times": 3}."""
        faults = [None if fault is None else Fault(**fault) for fault in plan["faults"]]
        self.plan(plan["operation"], *faults, times=plan.get("times", 1))

    def next(self, operation: str) -> Fault | None:
        """The fault for this request, used up by asking."""
        for name in (operation, "*"):
            if self._planned.get(name):
                return self._planned[name].pop(0)
        return None

    def left(self) -> dict[str, int]:
        """Faults that no request has met: a test that expects them to happen asserts that there are none."""
        return {name: len(faults) for name, faults in self._planned.items() if faults}
