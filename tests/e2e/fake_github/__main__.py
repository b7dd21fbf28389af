"""`python -m fake_github --port 0 [--state FILE]`: prints its address on the first line, runs until it is stopped."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from fake_github.server import FakeGitHub


def main() -> None:
    """Serve until SIGTERM or SIGINT; ends with 1 where a request did not fit GitHub's description."""
    parser = argparse.ArgumentParser(prog="fake_github", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, help="JSON to start from")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    state = json.loads(arguments.state.read_text()) if arguments.state else None
    with FakeGitHub(state, arguments.port) as fake:
        print(fake.url, flush=True)  # noqa: T201
        ended.wait()
    for problem in fake.problems:
        print(problem, flush=True)  # noqa: T201
    raise SystemExit(1 if fake.problems else 0)


if __name__ == "__main__":
    main()
