"""`scripts/image check`: builds the image of a bundle, runs it as a platform would, and holds it to its promises."""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imaging.base import some_base
from imaging.build import Wanted, build
from imaging.container import LOCKED_DOWN, PYTHON, Container, run_python, running
from imaging.context import ROOT
from imaging.docker import docker, inspect
from imaging.imported import import_model_of
from promises import Promises

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.files import read_json, readable_json, sha256_file
from lockgate.config.layout import GATE, MODELS
from lockgate.config.terminal import say_error
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.documents.schema_json import Schema
from lockgate.model.bundle import GOLDEN, ONNX_MODEL, SCHEMA, verify_bundle
from lockgate.service.client import ServiceClient

LIMIT_MB = 230
HEALTHY_SECONDS = 30
STOP_SECONDS = 10
REFUSAL_SECONDS = 5
ABSENT = ("pandas", "mlflow", "dvc", "evidently", "sklearn", "pyarrow", "matplotlib", "pip", "setuptools")


def check_image(image: str, base: str, project: Path, promises: Promises) -> None:
    """What can be checked without running the service."""
    size = (inspect("image", image)["Size"] - inspect("image", base)["Size"]) / 1e6
    promises.check(size < LIMIT_MB, f"under {LIMIT_MB} MB beyond its base", f"{size:.0f} MB")
    config = inspect("image", image)["Config"]
    labels, prefix = config["Labels"], "org.opencontainers.image"
    commit = subprocess.run(["git", "-C", project, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    expected = {
        f"{prefix}.revision": commit.stdout.strip(),
        f"{prefix}.base.name": base,
        f"{prefix}.licenses": "Apache-2.0",
        "lockgate.dvc-lock.sha256": sha256_file(project / "dvc.lock"),
        "lockgate.model.digest": verify_bundle(project / MODELS).digest,
    }
    wrong = [name for name, value in expected.items() if labels.get(name, "").removesuffix("-dirty") != value]
    promises.check(
        not wrong,
        "labels name commit, dvc.lock, model and base",
        f"wrong: {wrong}" if wrong else f"{len(labels)} labels",
    )
    promises.check(config["User"] == "10001:10001", "not root", f"user {config['User']}")
    promises.check(
        "http" not in json.dumps(docker("history", "--no-trunc", image)), "no layer names a package index", "none"
    )
    found = run_python(image, f"import importlib.util as u; print(*[m for m in {ABSENT} if u.find_spec(m)])")
    promises.check(not found, f"none of {', '.join(ABSENT)} can be imported", found or "none")


def check_service(image: str, project: Path, promises: Promises) -> None:
    """What the running service does, until it is stopped."""
    with running(image) as container:
        seconds = container.wait_until_healthy(HEALTHY_SECONDS)
        promises.check(
            True, "healthy by its own check, read-only, no capabilities, nothing mounted", f"{seconds:.1f} s"
        )
        check_golden(container, project, "golden probabilities to 1e-6", promises)
        changed = docker("diff", container.name)
        promises.check(not changed, "nothing written", changed or "no file")
        check_stop(container, promises)


def check_golden(container: Container, project: Path, promise: str, promises: Promises) -> None:
    """The bundle's own made-up rows, asked of the service."""
    asked = subprocess.run(
        [sys.executable, "-m", "lockgate", "smoke", container.url, "--bundle", project / MODELS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    promises.check(asked.returncode == 0, promise, (asked.stdout + asked.stderr).strip())


def check_imported(base: str, project: Path, promises: Promises) -> None:
    """The image of a bundle that holds nothing but ONNX: a model that was trained elsewhere."""
    with tempfile.TemporaryDirectory() as name:
        imported = import_model_of(project, Path(name) / "imported")
        image = build(Wanted(imported / MODELS, base=base), imported, show=False)
        with running(image) as container:
            container.wait_until_healthy(HEALTHY_SECONDS)
            check_golden(container, imported, "an imported model's golden probabilities to 1e-6", promises)
            service = ServiceClient(container.url, 10.0)
            status, _ = service.ask("/explain", {})
            promises.check(status == http.HTTPStatus.NOT_FOUND, "an imported model has no /explain", str(status))


def check_extras(image: str, project: Path, promises: Promises) -> None:
    """What needs packages that a plain prediction does not: explanations, documentation, the decision log."""
    schema = Schema.read_file(project / MODELS / SCHEMA)
    row, _ = GoldenPredictions.read_file(project / MODELS / GOLDEN).complete(schema)[0]
    log = ("--tmpfs", "/decisions:uid=10001,mode=0700", "--env", "LOCKGATE_DECISION_LOG=/decisions")
    with running(image, *log, "--env", "LOCKGATE_LOG_SECONDS=0.2") as container:
        service = ServiceClient(container.url, 10.0)
        service.wait_until_ready(HEALTHY_SECONDS)
        status, answer = service.ask("/explain", row)
        promises.check(
            status == http.HTTPStatus.OK and bool(answer.get("reasons")), "/explain gives reasons", str(status)
        )
        status, answer = service.ask("/openapi.json")
        promises.check(status == http.HTTPStatus.OK and "/predict" in answer["paths"], "/openapi.json", str(status))
        service.ask("/predict", row)
        written = ""
        end = time.monotonic() + HEALTHY_SECONDS
        while not written and time.monotonic() < end:
            time.sleep(0.2)
            written = docker("exec", container.name, PYTHON, "-c", "import os; print(*os.listdir('/decisions'))")
        promises.check(".parquet" in written, "decisions are written where a folder is mounted", written or "nothing")


def check_stop(container: Container, promises: Promises) -> None:
    """SIGTERM with a client connected."""
    client = http.client.HTTPConnection(container.url.removeprefix("http://"), timeout=5)
    client.request("GET", "/health")
    client.getresponse().read()
    code, seconds = container.stop(STOP_SECONDS)
    promises.check(
        code == 0 and seconds < STOP_SECONDS,
        f"SIGTERM ends it within {STOP_SECONDS} s with 0",
        f"{code}, {seconds:.1f} s",
    )
    client.close()


def check_refusals(image: str, wanted: Wanted, project: Path, promises: Promises) -> None:
    """Bundles that must be neither served nor baked in."""
    bundle = project / MODELS
    with tempfile.TemporaryDirectory(dir=ROOT / ".venv") as name:  # a daemon elsewhere may not see /tmp
        folder = Path(name)
        folder.chmod(0o755)
        copy = shutil.copytree(bundle, folder / "bundle")
        (copy / GATE.name).unlink(missing_ok=True)
        refuse(image, copy, "a mounted bundle without a verdict", GATE.name, promises)
        verdict = wanted.verdict or project / GATE
        shutil.copyfile(verdict, copy / GATE.name)
        (copy / ONNX_MODEL).write_bytes((copy / ONNX_MODEL).read_bytes()[:-1])
        refuse(image, copy, "a mounted bundle with a damaged file", "corrupted", promises)
        blocked = folder / GATE.name
        blocked.write_bytes(readable_json(read_json(verdict, "") | {"verdict": "block"}))
        try:
            build(Wanted(bundle, blocked, wanted.base), project, show=False)
            said = "it was built"
        except InputError as error:
            said = next((line for line in str(error).splitlines() if "error: " in line), str(error))
        promises.check("says block" in said, "no image of a bundle that was blocked", said[-200:])


def refuse(image: str, bundle: Path, what: str, word: str, promises: Promises) -> None:
    """The service ends with 2 and one line that has `word`."""
    start = time.monotonic()
    ended = subprocess.run(
        ["docker", "run", "--rm", *LOCKED_DOWN, "--volume", f"{bundle}:/bundle:ro", image],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    seconds = time.monotonic() - start
    said = (ended.stdout + ended.stderr).strip()
    kept = ended.returncode == EXIT_BAD_INPUT and word in said and "\n" not in said and seconds < REFUSAL_SECONDS
    promises.check(
        kept, f"{what} is refused within {REFUSAL_SECONDS} s", f"{ended.returncode}, {seconds:.1f} s, {said[-200:]}"
    )


def check_rebuild(image: str, wanted: Wanted, project: Path, promises: Promises) -> None:
    """Built once more from nothing: the same files in the same layers."""
    again = build(wanted, project, show=False, options=("--no-cache",))
    layers = [inspect("image", one)["RootFS"]["Layers"] for one in (image, again)]
    same = sum(one == other for one, other in zip(*layers, strict=True))
    promises.check(
        layers[0] == layers[1], "a build without any cache gives the same layers", f"{same} of {len(layers[0])}"
    )


def main() -> int:
    """Build, check, and print how long it took."""
    parser = argparse.ArgumentParser(prog="scripts/image check", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="with models/ and reports/gate.json")
    parser.add_argument("--base", help="the base image (default: the Dockerfile's, or one made with debootstrap)")
    given = parser.parse_args()
    promises = Promises()
    start = time.monotonic()
    try:
        base = given.base or some_base()
        based = time.monotonic()
        wanted = Wanted(given.project / MODELS, base=base, tag="lockgate:check")
        image = build(wanted, given.project, show=False)
        print(
            f"built {image[7:19]} on {base}: {time.monotonic() - based:.0f} s, its base {based - start:.0f} s",
            flush=True,
        )
        check_image(image, base, given.project, promises)
        check_service(image, given.project, promises)
        check_extras(image, given.project, promises)
        check_imported(base, given.project, promises)
        check_refusals(image, wanted, given.project, promises)
        check_rebuild(image, wanted, given.project, promises)
    except InputError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    print(f"{time.monotonic() - start:.0f} s in all")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
