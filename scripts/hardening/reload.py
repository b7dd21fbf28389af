"""Another model while clients predict: no request fails, every answer is its model's, and memory does not grow.

Two models of the same rows take each other's place again and again, on one worker and on two, by POST /admin/reload. Between them
bundles that must not be served are tried.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from hardening._load import Load, Seen
from hardening._service import ROOT, Service, end, free_port, golden_requests, start, wait_until_ready
from promises import Promises, fail

from lockgate.model.bundle import verify_bundle

CLIENTS = 8
WARM = 10  # reloads before memory is measured: both models have been there, and the allocator has its arenas
MEGABYTES = 10.0  # of all processes, over all reloads after that
P99 = 0.1  # seconds, of requests while models change


@dataclass
class Reloads:
    """What became of the reloads of one service."""

    seconds: list[float] = field(default_factory=list)  # of those that switched
    strange: list[str] = field(default_factory=list)  # answers that nobody expected
    refused: int = 0
    megabytes: list[float] = field(default_factory=list)  # after each


def other_model(folder: Path) -> Path:
    """A bundle of another model of the same rows, with its verdict, in `folder`."""
    for name in ("params.yaml", "data"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    params = (folder / "params.yaml").read_text()
    changed = params.replace("learning_rate: 0.05", "learning_rate: 0.1")
    if changed == params:
        fail("params.yaml has no learning_rate of 0.05, which this script changes for another model")
    (folder / "params.yaml").write_text(changed)
    for command in ("train", "evaluate", "gate"):
        ended = subprocess.run(
            [sys.executable, "-m", "lockgate", command], cwd=folder, capture_output=True, check=False
        )
        if ended.returncode != 0:
            fail(f"lockgate {command} of the other model ended with {ended.returncode}: {ended.stderr[-300:]!r}")
    shutil.copy(folder / "reports" / "gate.json", folder / "models")
    return folder / "models"


def put(served: Path, bundle: Path) -> None:
    """Let `served` be this bundle, as one rename."""
    link = served.with_name("link")
    link.symlink_to(bundle, target_is_directory=True)
    link.replace(served)


def ask_for_reload(port: int) -> tuple[int, str]:
    """Status of POST /admin/reload, and the digest or the code that its answer names."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120.0)
    try:
        connection.request("POST", "/admin/reload")
        response = connection.getresponse()
        answer = json.loads(response.read())
        return response.status, answer.get("model") or answer["code"]
    finally:
        connection.close()


def change_models(service: Service, admin: int, served: Path, bundles: dict[str, Path], number: int) -> Reloads:
    """So many reloads, each to the other of two bundles; every tenth time one that must not be served is tried first."""
    found, digests = Reloads(), list(bundles)
    ungated = served.with_name("ungated")
    shutil.copytree(bundles[digests[1]], ungated, ignore=shutil.ignore_patterns("gate.json"))
    for place in range(number):
        if place % 10 == 0:
            put(served, ungated)
            found.refused += ask_for_reload(admin) == (422, "reload-refused")
        digest = digests[(place + 1) % 2]
        put(served, bundles[digest])
        begun = time.monotonic()
        answer = ask_for_reload(admin)
        found.seconds.append(time.monotonic() - begun)
        if answer != (200, digest):
            found.strange.append(f"{answer[0]} {answer[1]}")
        found.megabytes.append(service.megabytes())
    return found


async def under_load(
    service: Service, admin: int, served: Path, bundles: dict[str, Path], number: int
) -> tuple[Reloads, Seen]:
    """The reloads, while clients ask and look at every answer."""
    clients = Load(service.port, golden_requests(*bundles.values()), CLIENTS)
    await clients.begin()
    await clients.settle(20.0)
    reloads = await asyncio.to_thread(change_models, service, admin, served, bundles, number)
    await clients.end(10.0)
    return reloads, clients.seen


def report(workers: int, number: int, reloads: Reloads, seen: Seen, promises: Promises) -> None:
    """The promises of one service."""
    kind = f"{workers} worker{'s' if workers > 1 else ''}"
    promises.check(
        not reloads.strange and len(reloads.seconds) == number,
        f"{number} reloads change the model ({kind})",
        f"{len(reloads.strange)} otherwise, {statistics.median(reloads.seconds):.2f} s each (median)",
    )
    failed = seen.strange + seen.refused
    promises.check(
        failed == 0 and len(seen.models) == 2,
        "no request fails meanwhile, and each answer is its model's",
        f"{failed} of {len(seen.latencies) + failed} ({seen.lost} lost, {seen.wrong} wrong, {seen.refused} refused),"
        f" by {len(seen.models)} models",
    )
    p99 = seen.percentile(0.99)
    promises.check(p99 < P99, f"their p99 is under {P99 * 1e3:g} ms", f"{p99 * 1e3:.1f} ms")
    tried = len(range(0, number, 10))
    promises.check(
        reloads.refused == tried, "a bundle without a verdict is refused each time", f"{reloads.refused} of {tried}"
    )
    early, late = statistics.median(reloads.megabytes[WARM : 2 * WARM]), statistics.median(reloads.megabytes[-WARM:])
    promises.check(
        late - early < MEGABYTES,
        f"memory grows by less than {MEGABYTES:g} MB from reload {WARM} on",
        f"{early:.0f} MB, {late:.0f} MB in the end",
    )


def main() -> int:
    """On one worker and on two."""
    parser = argparse.ArgumentParser(prog="scripts/harden reload", description=__doc__)
    parser.add_argument("--reloads", type=int, default=100, help=f"of each service, at least {3 * WARM}")
    given = parser.parse_args()
    promises = Promises()
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        first, second = Path(name) / "first", Path(name) / "second"
        shutil.copytree(ROOT / "models", first)
        shutil.copy(ROOT / "reports" / "gate.json", first)
        second.mkdir()
        bundles = {verify_bundle(one).digest: one for one in (first, other_model(second))}
        for workers in (1, 2):
            served = Path(name) / f"{workers}" / "served"
            served.parent.mkdir()
            put(served, first)
            admin = free_port()
            options = ("--bundle", str(served), "--workers", str(workers), "--admin-port", str(admin))
            service = start(*options)
            try:
                wait_until_ready(service)
                reloads, seen = uvloop.run(under_load(service, admin, served, bundles, given.reloads))
            finally:
                end(service)
            report(workers, given.reloads, reloads, seen, promises)
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
