"""What a scrape asks for, by its headers, and how often scrapes are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from lockgate.service.api.errors import Header, refuse
from lockgate.service.metrics.prometheus_text import OPENMETRICS, TEXT, Format

# A scrape takes one to three milliseconds of the worker's processor time, compressed and sent: ten a second are 3 % of it at
# the most, however many ask.
SECONDS_BETWEEN = 0.1
MAX_WAIT_SECONDS = 5.0  # half of Prometheus's own limit


class ScrapePace:
    """Two scrapes at once, as of a pair of Prometheus servers; then each waits for its turn, in the order in which they came.

    None is answered with another's numbers, so none is older than its request. One whose turn would be too late is refused when
    it has waited as long as it may, so that a client that tries again at once costs nothing either.
    """

    def __init__(self) -> None:
        self._next = 0.0  # when the next turn is, by the monotonic clock

    async def turn(self) -> None:
        """Wait for a turn; raises Refusal where it would be too late."""
        now = monotonic()
        turn = max(self._next, now - SECONDS_BETWEEN)
        if turn - now > MAX_WAIT_SECONDS:
            await asyncio.sleep(MAX_WAIT_SECONDS)
            raise refuse(
                503, "overloaded", ("path",), "too many scrapes at a time; try again", [(b"retry-after", b"5")]
            )
        self._next = turn + SECONDS_BETWEEN
        if turn > now:
            await asyncio.sleep(turn - now)


def format_asked_for(headers: Sequence[Header]) -> Format:
    """OpenMetrics where Accept prefers it, else the text format, whatever is asked for: a scraper reads either."""
    ranges = _weighed(headers, b"accept")
    openmetrics = _quality(ranges, "application/openmetrics-text", "1.0.0")
    return OPENMETRICS if openmetrics > _quality(ranges, "text/plain", "0.0.4") else TEXT


def takes_gzip(headers: Sequence[Header]) -> bool:
    """Whether Accept-Encoding names gzip, or anything, and does not prefer the plain text."""
    codings = {name: quality for name, _, quality in _weighed(headers, b"accept-encoding")}
    gzip = codings.get("gzip", codings.get("*", 0.0))
    return gzip > 0.0 and gzip >= codings.get("identity", 0.0)


Weighed = list[tuple[str, dict[str, str], float]]  # a name, its parameters, and its quality


def _weighed(headers: Sequence[Header], name: bytes) -> Weighed:
    """What a header lists, with the quality of each; what has no number from 0 to 1 as its quality is left out."""
    given = b",".join(value for one, value in headers if one == name).decode("latin-1").lower()
    found: Weighed = []
    for item in given.split(","):
        value, *rest = (part.strip() for part in item.split(";"))
        parameters = {key.strip(): text.strip(' "') for key, _, text in (part.partition("=") for part in rest)}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            continue
        if value and 0.0 <= quality <= 1.0:
            found.append((value, parameters, quality))
    return found


def _quality(ranges: Weighed, kind: str, version: str) -> float:
    """The quality of a type in a version, by the range that fits it most closely; 0 where none does, 1 where there is no range."""
    closeness = {"*/*": 0, f"{kind.partition('/')[0]}/*": 1, kind: 2}
    fitting = [
        (closeness[value] + ("version" in parameters), quality)
        for value, parameters, quality in ranges
        if value in closeness and parameters.get("version", version) == version
    ]
    return max(fitting, default=(0, 0.0 if ranges else 1.0))[1]
