"""Request ids: the client's own where it is safe to repeat, else one that no other process makes."""

from __future__ import annotations

import re
from os import urandom

SAFE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestIds:
    """Made of a random beginning and a number: a tenth of the time of a UUID."""

    def __init__(self) -> None:
        self._prefix, self._made = urandom(8).hex().encode(), 0

    def of(self, given: bytes | None) -> bytes:
        """The id for a request whose header x-request-id is `given`."""
        if given is not None and SAFE.fullmatch(given):
            return given
        self._made += 1
        return b"%s-%x" % (self._prefix, self._made)
