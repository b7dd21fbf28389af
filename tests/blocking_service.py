"""`lockgate serve` with a path that blocks the event loop of the worker that answers it: GET /block.

python tests/blocking_service.py --port 0
"""

from __future__ import annotations

import os
import time
from typing import Any

from lockgate.cli.serve import serve
from lockgate.service.http import supervisor
from lockgate.service.worker import Worker


async def block() -> None:
    """What an endpoint of a team's own must not do."""
    time.sleep(3600)  # that is the point


class BlockingWorker(Worker):
    """A worker with that path."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.app.add_api_route("/block", block)

    def stop(self) -> None:
        """As with a disk that is slow."""
        time.sleep(float(os.environ.get("SECONDS_TO_STOP", "0")))
        super().stop()


if __name__ == "__main__":
    supervisor.Worker = BlockingWorker  # type: ignore[misc]
    serve()
