"""A request's place in a distributed trace: the header `traceparent` of W3C Trace Context, and the answer to it.

Taken as Levels 1 and 2 ask: a header that is invalid, or there twice, is as none. No trace is begun here, and `tracestate`,
which is for requests that a service sends on, is not read: this one sends none. These levels define no header for answers; the
draft of Level 3 puts the trace into `server-timing` (until 2025 into a header `traceresponse`).
https://www.w3.org/TR/trace-context-2/, https://w3c.github.io/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import urandom
from typing import NamedTuple

SAMPLED, RANDOM = 1, 2
FLAGS = SAMPLED | RANDOM  # those that are defined; all others have to be 0 in what is sent
# What follows the flags, after another dash, is of later versions than 00.
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    """Ids in hexadecimal: of the trace, and of the span that is the answering of this request."""

    trace_id: str
    span_id: str
    flags: int

    def server_timing(self) -> tuple[bytes, bytes]:
        """The header of the answer."""
        return b"server-timing", b"trace;desc=00-%s-%s-%02x" % (
            self.trace_id.encode(),
            self.span_id.encode(),
            self.flags,
        )


def read_traceparent(values: Sequence[bytes]) -> Trace | None:
    """The trace that a request's headers `traceparent` name, with a new span of it; None where they name none."""
    if len(values) != 1:
        return None
    found = _TRACEPARENT.fullmatch(values[0].strip(b" \t"))
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    return Trace(found[2].decode(), urandom(8).hex(), int(found[4], 16) & FLAGS)
