"""`scripts/released add`: one small model, carried by this kit from data to a signed, registered, served and watched champion."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from promises import fail

from lockgate.ci.nightly.history import nightly_run
from lockgate.config import layout
from lockgate.config.files import readable_json
from lockgate.config.version import __version__
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.golden_json import GoldenPredictions, GoldenRow
from lockgate.documents.nightly_json import NightlyHistory
from lockgate.documents.schema_json import Schema
from lockgate.model.bundle import GOLDEN, SCHEMA
from lockgate.registry.mlflow_client import connect
from lockgate.registry.registry import required_champion, version_uri
from lockgate.registry.stored_verdict import FOLDER
from lockgate.registry.tracking import BUNDLE_FOLDER
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
RELEASED = ROOT / "tests/released"
NAME = "released"
TAGS = "lockgate."  # how the tags of ours begin
ROWS = 20  # of the decision log
PARAMS = {
    "prepare": {"rows": 4000, "current_rows": 1500},
    "train": {"num_boost_round": 30, "early_stopping_rounds": 10, "learning_rate": 0.3, "max_depth": 2},
    "register": {"model_name": NAME},
}


def main(stated: str) -> None:
    """Write the entry of this kit's version, which `stated` has to be where it is given."""
    if stated not in ("", __version__):
        fail(f"this is version {__version__}; check out {stated}, and run its own scripts/released")
    with tempfile.TemporaryDirectory(prefix="lockgate-released-") as name, chdir(name):
        verify_key, made = carry(Path()), Path("entry")
        made.mkdir()
        (made / "verify.pem").write_bytes(verify_key)
        (made / "drift_history.json").write_bytes(drift_history())
        keep_registered(made)
        keep_decisions(made / "decisions")
        entry = RELEASED / __version__
        shutil.rmtree(entry, ignore_errors=True)
        shutil.copytree(made, entry)
    size = sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())
    print(f"{entry.relative_to(ROOT)}: {size // 1000} kB")


def carry(folder: Path) -> bytes:
    """From settings to a signed champion in `folder`'s registry; the public key."""
    key = Ed25519PrivateKey.generate()
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / layout.PARAMS).write_text(json.dumps(PARAMS))  # JSON is YAML
    for command in (["prepare"], ["train"], ["evaluate"], ["gate"], ["sign", "--key", "key.pem"], ["drift"]):
        lockgate(*command)
    lockgate("register", "--promote")
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def lockgate(*command: str) -> None:
    """Run a command."""
    ended = subprocess.run([sys.executable, "-m", "lockgate", *command], capture_output=True, text=True, check=False)
    if ended.returncode:
        fail(f"lockgate {command[0]} ended with {ended.returncode}: {ended.stderr.strip()}")


def drift_history() -> bytes:
    """The history of one night."""
    run = nightly_run(DriftResult.read_file(layout.DRIFT), 1, 1, datetime.now(UTC))
    return NightlyHistory(runs=(run,)).to_bytes()


def keep_registered(entry: Path) -> None:
    """The champion's artifacts, and what the registry says of its version and run."""
    import mlflow

    client = connect()
    version = required_champion(client, NAME)
    for folder in (BUNDLE_FOLDER, FOLDER):
        uri = f"{version_uri(client, NAME, version)}/{folder}"
        mlflow.artifacts.download_artifacts(uri, dst_path=str(entry / "artifacts"))
    registered = {
        "name": NAME,
        "tags": client.get_model_version(NAME, str(version.number)).tags,
        "run_tags": {
            name: value for name, value in client.get_run(version.run_id).data.tags.items() if name.startswith(TAGS)
        },
    }
    (entry / "registered.json").write_bytes(readable_json(registered))


def keep_decisions(folder: Path) -> None:
    """The decision log of a service that was asked the bundle's golden rows."""
    golden, schema = GoldenPredictions.read_file(layout.MODELS / GOLDEN), Schema.read_file(layout.MODELS / SCHEMA)
    rows = [row for row, _ in golden.complete(schema)][:ROWS]
    worker = Worker(read_bundle(layout.MODELS), "pass", Settings(decision_log=folder))
    worker.start()
    asyncio.run(predict(worker, rows))
    worker.stop()


async def predict(worker: Worker, rows: list[GoldenRow]) -> None:
    """Ask the service's application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(worker.app), base_url="http://service") as client:
        (await client.post("/predict/batch", json={"rows": rows})).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1])
