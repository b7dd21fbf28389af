"""Requests made from the OpenAPI document, right ones and wrong ones, are answered as it says: Schemathesis, all checks."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from hardening._service import running
from promises import Promises

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def main() -> int:
    """The document's examples, its edges, and made-up requests; seeded."""
    parser = argparse.ArgumentParser(prog="scripts/harden openapi", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="made-up requests a path (default: 100)")
    parser.add_argument("--seed", type=int, default=42)
    given = parser.parse_args()
    promises = Promises()
    with running() as service, tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        service.settled_megabytes()  # explanations load after readiness, and until then are refused with 503
        address = f"http://127.0.0.1:{service.port}/openapi.json"
        command = [str(SCHEMATHESIS), "run", address, "--checks", "all", "--no-color", "--seed", str(given.seed)]
        command += ["--max-examples", str(given.examples)]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        made = re.search(r"([\d,]+) generated", ended.stdout)
        status_500 = sum(
            float(line.rsplit(" ", 1)[1])
            for line in service.get("/metrics")[1].decode().splitlines()
            if re.match(r'lockgate_requests_total\{.*status="5\d\d"', line)
        )
        if ended.returncode:
            print(ended.stdout[-6000:], ended.stderr[-1000:], file=sys.stderr)
        said = f"{made.group(1)} requests" if made else "no request was made"
        promises.check(ended.returncode == 0 and made is not None, "every answer is one that the document names", said)
        promises.check(status_500 == 0, "none of them has a status from 500 on", f"{status_500:g} had one")
        promises.check(service.process.poll() is None, "the service is alive", "it answers")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
