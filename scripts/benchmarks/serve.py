"""`lockgate serve` beside what people use instead: requests a second, latencies, rows a second, and time to start.

One worker on one core, the load generator (wrk, 32 connections, bodies that vary) on another, all services up at once
and asked in turn, so that a busy moment of the machine hits each. Medians of the rounds. Lockgate validates, counts
every feature into its bins and keeps its other metrics; the constant route reads and computes nothing. The bundle is
the worked example's, made by `scripts/bundle`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._serve_load import Generator, Load
from benchmarks._serve_processes import Server, running

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS, BATCH, BATCH_CONNECTIONS = 32, 1_000, 2
BODIES = 2_000
OURS, CONSTANT, PANDAS, MLFLOW = (
    "lockgate serve",
    "FastAPI, a constant",
    "FastAPI + pandas + scikit-learn",
    "mlflow models serve",
)
# How many times as many requests a second as each of them the service is to answer.
WANTED = {CONSTANT: 1.0, PANDAS: 25.0, MLFLOW: 50.0}


def main() -> None:
    arguments = _arguments()
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT / "scripts")
    print("making the bundle that is served, with scripts/bundle ...", file=sys.stderr, flush=True)
    if subprocess.run(["scripts/bundle"], check=False).returncode != 0:
        sys.exit("error: scripts/bundle made no bundle; its output is above")
    if shutil.which("wrk") is None:
        subprocess.run(["scripts/system-packages", "wrk"], check=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-")))
        generator = stack.enter_context(Generator(LOAD_CORE))
        rows = _bodies(folder)
        one = {name: generator.bodies(name.replace(" ", "-"), bodies) for name, bodies in rows.items()}
        batches = [b'{"rows":[' + b",".join(rows[OURS][at : at + BATCH]) + b"]}" for at in (0, BATCH)]
        many = generator.bodies("batches", batches)
        commands = _commands(folder)
        servers = {
            name: stack.enter_context(
                running(commands[name], SERVER_CORE, _path(name), rows[name][0], {"RIVAL_PIPELINE": str(folder)})
            )
            for name in commands
            if name == OURS or not arguments.alone
        }
        found: dict[str, list[Load]] = {name: [] for name in servers}
        batch: list[Load] = []
        for number in range(arguments.rounds + 1):  # the first warms up
            print(f"  round {number} of {arguments.rounds} ...", file=sys.stderr, flush=True)
            seconds = arguments.seconds if number else 1
            for name, server in servers.items():
                found[name].append(generator.run(server, "", one[name], CONNECTIONS, seconds))
            batch.append(generator.run(servers[OURS], "/batch", many, BATCH_CONNECTIONS, seconds))
        _print_rates({name: loads[1:] for name, loads in found.items()}, batch[1:], servers)
    if not arguments.no_start:
        _print_starts(rows[OURS][0], arguments.rounds)
    _say_how_busy()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (default: 3)")
    parser.add_argument("--alone", action="store_true", help="without the others")
    parser.add_argument("--no-start", action="store_true", help="without the times to start")
    return parser.parse_args()


def _bodies(folder: Path) -> dict[str, list[bytes]]:
    """Test rows as each service takes them, after making the models that the others serve."""
    import json

    import pandas as pd
    import xgboost
    from benchmarks._serve_rivals import save_rivals

    from lockgate.config import layout
    from lockgate.model.bundle import verify_bundle
    from lockgate.model.features import code_matrix, model_frame

    bundle = verify_bundle(layout.MODELS)
    schema = bundle.schema
    booster = xgboost.Booster(model_file=bytearray(bundle.contents["model.json"]))
    save_rivals(folder, pd.read_parquet(layout.TRAIN_DATA), schema, booster)
    test = pd.read_parquet(layout.TEST_DATA)[schema.feature_names].head(BODIES)
    rows = [json.dumps(row, separators=(",", ":")).encode() for row in _records(test)]
    codes = pd.DataFrame(code_matrix(model_frame(test, schema)).astype(float), columns=schema.feature_names)
    records = [json.dumps({"dataframe_records": [row]}).encode() for row in _records(codes)]
    return {OURS: rows, CONSTANT: rows, PANDAS: rows, MLFLOW: records}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if value is None or value != value else value for name, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def _commands(folder: Path) -> dict[str, list[str]]:
    uvicorn = ["uvicorn", "--factory", "--port", "{port}", "--no-access-log", "--log-level", "error"]
    model = str(folder / "mlflow-model")
    return {
        OURS: ["lockgate", "serve", "--port", "{port}", "--allow-ungated", "--drain-seconds", "0"],
        CONSTANT: [*uvicorn, "benchmarks._serve_rivals:constant_service"],
        PANDAS: [*uvicorn, "benchmarks._serve_rivals:pandas_service"],
        MLFLOW: ["mlflow", "models", "serve", "-m", model, "-p", "{port}", "--env-manager", "local", "-w", "1"],
    }


def _path(name: str) -> str:
    return "/invocations" if name == MLFLOW else "/predict"


def _print_rates(found: dict[str, list[Load]], batch: list[Load], servers: dict[str, Server]) -> None:
    width = max(map(len, found))
    print(f"\none row, {CONNECTIONS} connections, one worker on one core, medians of {len(batch)} rounds")
    print(f"{'':{width}}  requests/s  CPU us    p50 ms    p99 ms  p99/p50  failed  MB")
    for name, loads in found.items():
        rate, cost, p50, p99 = (_median(loads, key) for key in ("rate", "cost", "p50", "p99"))
        tails = statistics.median(load.p99 / load.p50 for load in loads)
        line = f"{name:{width}}  {rate:10,.0f} {cost:7,.0f} {p50:9.2f} {p99:9.2f} {tails:8.2f}"
        print(f"{line} {sum(load.failed for load in loads):7} {servers[name].megabytes():4,.0f}")
    print(f"\n{OURS} answers so many times the requests (lowest to highest round), and at so much less processor time")
    for name, loads in found.items():
        if name != OURS:
            rates = [mine.rate / theirs.rate for mine, theirs in zip(found[OURS], loads, strict=True)]
            costs = [theirs.cost / mine.cost for mine, theirs in zip(found[OURS], loads, strict=True)]
            print(f"{name:{width}}  {_range(rates)}  {_range(costs)}  wanted {WANTED[name]:g}")
    rates = [BATCH * load.rate for load in batch]
    costs = [1e6 * BATCH / load.cost for load in batch]
    print(
        f"\nbatches of {BATCH:,} rows, {BATCH_CONNECTIONS} connections: {statistics.median(rates):,.0f} rows/s, "
        f"{statistics.median(costs):,.0f} a processor-second, failed {sum(load.failed for load in batch)}"
    )


def _median(loads: list[Load], key: str) -> float:
    return float(statistics.median(getattr(load, key) for load in loads))


def _range(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):7.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _print_starts(body: bytes, rounds: int) -> None:
    firsts, refusals = [], []
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        damaged = Path(shutil.copytree("models", Path(name) / "models"))
        content = bytearray((damaged / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (damaged / "model.onnx").write_bytes(content)
        command = [sys.executable, "-m", "lockgate", "serve", "--bundle", str(damaged), "--port", "0"]
        for _ in range(rounds):
            serving = ["lockgate", "serve", "--port", "{port}", "--allow-ungated", "--drain-seconds", "0"]
            with running(serving, SERVER_CORE, "/predict", body) as server:
                firsts.append(server.first_answer)
            started = time.perf_counter()
            refused = subprocess.run(command, capture_output=True, timeout=60, check=False)
            refusals.append(time.perf_counter() - started)
            if refused.returncode != 2:
                sys.exit(f"a damaged bundle ended with {refused.returncode}: {refused.stderr.decode()}")
    for what, times, limit in (("first prediction", firsts, 1.5), ("refusal of a damaged bundle", refusals, 5.0)):
        print(
            f"start to {what}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}; {limit} wanted)"
        )


def _say_how_busy() -> None:
    print(
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end (this benchmark alone makes about 2)"
    )


if __name__ == "__main__":
    main()
