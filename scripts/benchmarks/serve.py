"""`lockgate serve` beside what people use instead: requests a second, batches, bursts, overload, scraping, and time to start.

One worker on one core, the load generator on another, all services up at once and asked in turn, so that a busy moment of
the machine hits each. Medians of the rounds. Lockgate validates, counts every feature into its bins and keeps its other metrics;
the constant route reads and computes nothing. The bundle is the worked example's, made by `scripts/bundle`.
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
import tokenize
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._serve_load import Generator, Load
from benchmarks._serve_processes import Server, running
from benchmarks._serve_scenes import Accepted, Burst, burst, saturate, scraping
from hardening._service import golden_requests

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
OWN_HTTP = ROOT / "lockgate/service/http"
LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS, BATCH, BATCH_CONNECTIONS = 32, 1_000, 2
BODIES = 2_000
BURST, BURST_LIMIT = 500, 500.0  # requests, and ms until the last is answered
TIMES, TAIL_LIMIT = 10, 2.0  # the saturating load, and its p99
SCRAPERS, LOSS_LIMIT = 20, 10.0  # clients, and percent of the predictions
BATCH_WANTED, START_WANTED, REFUSAL_WANTED = 100_000, 1.0, 5.0  # rows a processor-second; seconds
OURS, SLOW_PATH, UVICORN, ONNX, CONSTANT, PANDAS, MLFLOW = (
    "lockgate serve",
    "lockgate serve --no-fast-path",
    "its application on uvicorn",
    "FastAPI + pydantic + ONNX Runtime",
    "FastAPI, a constant",
    "FastAPI + pandas + scikit-learn",
    "mlflow models serve",
)
SERVE = ["lockgate", "serve", "--port", "{port}", "--drain-seconds", "0"]
# How many times as many requests a second the first is to answer as the second.
WANTED = {
    (OURS, CONSTANT): 1.5,
    (OURS, SLOW_PATH): 1.2,
    (OURS, ONNX): 1.0,
    (OURS, PANDAS): 25.0,
    (OURS, MLFLOW): 50.0,
    (UVICORN, CONSTANT): 0.8,
}
SCENES: dict[str, tuple[str, ...]] = {  # and which services, beside ours, have a part in each
    "rates": (SLOW_PATH, UVICORN, ONNX, CONSTANT, PANDAS, MLFLOW),
    "batches": (),
    "burst": (ONNX, CONSTANT),
    "overload": (),
    "scraping": (),
    "start": (),
}


def main() -> None:
    arguments = _arguments()
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT / "scripts")
    print("making the bundle that is served, with scripts/bundle ...", file=sys.stderr, flush=True)
    if subprocess.run(["scripts/bundle"], check=False).returncode != 0:
        sys.exit("error: scripts/bundle made no bundle; its output is above")
    if shutil.which("wrk") is None:
        subprocess.run(["scripts/system-packages", "wrk"], check=True)
    os.sched_setaffinity(0, {LOAD_CORE})  # the clients that are no process of their own
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-")))
        generator = stack.enter_context(Generator(LOAD_CORE))
        commands = _commands(folder)
        wanted = {name for scene in arguments.only for name in (OURS, *SCENES[scene])}
        if arguments.alone:
            wanted = {OURS}
        rows = _bodies(folder, wanted)
        servers = {
            name: stack.enter_context(
                running(command, SERVER_CORE, _path(name), rows[name][0], {"RIVAL_PIPELINE": str(folder)})
            )
            for name, command in commands.items()
            if name in wanted
        }
        bench = Bench(arguments.rounds, arguments.seconds, generator, rows, servers)
        scenes: dict[str, Callable[[Bench], None]] = {
            "rates": _rates,
            "batches": _batches,
            "burst": _burst,
            "overload": _overload,
            "scraping": _scraping,
            "start": _start,
        }
        for scene in SCENES:
            if scene in arguments.only:
                print(f"{scene}, {arguments.rounds} rounds ...", file=sys.stderr, flush=True)
                scenes[scene](bench)
    _say_how_busy()


@dataclass(frozen=True)
class Bench:
    """The services that are up, by name, and with what they are asked."""

    rounds: int
    seconds: int
    generator: Generator
    rows: dict[str, list[bytes]]
    servers: dict[str, Server]

    @property
    def lengths(self) -> list[int]:
        """The seconds of each round, of which the first warms up and does not count."""
        return [1, *[self.seconds] * self.rounds]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (default: 3)")
    parser.add_argument("--alone", action="store_true", help="without the others")
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES), help="these scenes (default: all)")
    return parser.parse_args()


def _bodies(folder: Path, wanted: set[str]) -> dict[str, list[bytes]]:
    """Test rows as each service takes them, after making the models that other services than ours need."""
    import json

    import pandas as pd

    from lockgate.config import layout
    from lockgate.model.bundle import verify_bundle
    from lockgate.model.features import code_matrix, model_frame

    bundle = verify_bundle(layout.MODELS)
    schema = bundle.schema
    if not wanted.isdisjoint({PANDAS, MLFLOW}):
        import xgboost
        from benchmarks._serve_rivals import save_rivals

        booster = xgboost.Booster(model_file=bytearray(bundle.contents["model.json"]))
        save_rivals(folder, pd.read_parquet(layout.TRAIN_DATA), schema, booster)
    test = pd.read_parquet(layout.TEST_DATA)[schema.feature_names].head(BODIES)
    rows = [json.dumps(row, separators=(",", ":")).encode() for row in _records(test)]
    codes = pd.DataFrame(code_matrix(model_frame(test, schema)).astype(float), columns=schema.feature_names)
    records = [json.dumps({"dataframe_records": [row]}).encode() for row in _records(codes)]
    return {**dict.fromkeys((OURS, *SCENES["rates"]), rows), MLFLOW: records}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if value is None or value != value else value for name, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def _commands(folder: Path) -> dict[str, list[str]]:
    uvicorn = ["uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "error"]
    model = str(folder / "mlflow-model")
    return {
        OURS: SERVE,
        SLOW_PATH: [*SERVE, "--no-fast-path"],
        UVICORN: [*uvicorn, "app.main:app"],
        ONNX: [*uvicorn, "--factory", "benchmarks._serve_rivals:onnx_service"],
        CONSTANT: [*uvicorn, "--factory", "benchmarks._serve_rivals:constant_service"],
        PANDAS: [*uvicorn, "--factory", "benchmarks._serve_rivals:pandas_service"],
        MLFLOW: ["mlflow", "models", "serve", "-m", model, "-p", "{port}", "--env-manager", "local", "-w", "1"],
    }


def _path(name: str) -> str:
    return "/invocations" if name == MLFLOW else "/predict"


def _rates(bench: Bench) -> None:
    """One row a request: all services in turn, and the ratios of each round."""
    bodies = {name: bench.generator.bodies(name.replace(" ", "-"), bench.rows[name]) for name in bench.servers}
    loads: dict[str, list[Load]] = {name: [] for name in bench.servers}
    for seconds in bench.lengths:
        for name, server in bench.servers.items():
            loads[name].append(bench.generator.run(server, "", bodies[name], CONNECTIONS, seconds))
    found = {name: rounds[1:] for name, rounds in loads.items()}
    width = max(map(len, found))
    print(f"\none row, {CONNECTIONS} connections, one worker on one core, medians of {bench.rounds} rounds")
    print(f"{'':{width}}  requests/s  CPU us    p50 ms    p99 ms  p99/p50  failed  MB")
    for name, rounds in found.items():
        rate, cost, p50, p99 = (_median(rounds, key) for key in ("rate", "cost", "p50", "p99"))
        tails = statistics.median(load.p99 / load.p50 if load.p50 else float("nan") for load in rounds)
        line = f"{name:{width}}  {rate:10,.0f} {cost:7,.0f} {p50:9.2f} {p99:9.2f} {tails:8.2f}"
        print(f"{line} {sum(load.failed for load in rounds):7} {bench.servers[name].megabytes():4,.0f}")
    print("\nso many times the requests (lowest to highest round), and at so much less processor time")
    for (mine, theirs), wanted in WANTED.items():
        if mine in found and theirs in found:
            pairs = list(zip(found[mine], found[theirs], strict=True))
            rates = _range([one.rate / other.rate for one, other in pairs])
            costs = _range([other.cost / one.cost for one, other in pairs])
            print(f"{f'{mine} / {theirs}':{2 * width + 3}}  {rates}  {costs}  wanted {wanted:g}")
    own = {path.name: _lines_of_code(path) for path in sorted(OWN_HTTP.glob("*.py"))}
    listed = ", ".join(f"{name} {lines}" for name, lines in sorted(own.items(), key=lambda one: -one[1]) if lines)
    print(
        f"lines of code in {OWN_HTTP.relative_to(ROOT)}: {sum(own.values()):,} ({listed}); fast_path.py is worth the ratio to "
        "--no-fast-path, and all of them that to the application on uvicorn"
    )


def _lines_of_code(path: Path) -> int:
    """Lines on which something of the program stands: no comment, no docstring, no empty line."""
    lines: set[int] = set()
    begins = True  # a statement, which is a docstring where it is a text
    with path.open() as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type in LAYOUT:
                begins |= token.type == tokenize.NEWLINE
            elif token.type != tokenize.COMMENT:
                if not (begins and token.type == tokenize.STRING):
                    lines |= {*range(token.start[0], token.end[0] + 1)}
                begins = False
    return len(lines)


def _batches(bench: Bench) -> None:
    """Batches of rows, two at a time."""
    rows = bench.rows[OURS]
    bodies = [b'{"rows":[' + b",".join(rows[at : at + BATCH]) + b"]}" for at in (0, BATCH)]
    many = bench.generator.bodies("batches", bodies)
    server = bench.servers[OURS]
    loads = [bench.generator.run(server, "/batch", many, BATCH_CONNECTIONS, seconds) for seconds in bench.lengths][1:]
    costs = [1e6 * BATCH / load.cost for load in loads]
    print(
        f"\nbatches of {BATCH:,} rows, {BATCH_CONNECTIONS} connections: {BATCH * _median(loads, 'rate'):,.0f} rows/s, "
        f"{statistics.median(costs):,.0f} a processor-second ({min(costs):,.0f} to {max(costs):,.0f}; {BATCH_WANTED:,} wanted), "
        f"failed {sum(load.failed for load in loads)}"
    )


def _burst(bench: Bench) -> None:
    """Many requests at once on an idle service."""
    requests = golden_requests()
    found: dict[str, list[Burst]] = {name: [] for name in (OURS, *SCENES["burst"]) if name in bench.servers}
    for _ in bench.lengths:
        for name, seen in found.items():
            time.sleep(1.0)  # idle
            seen.append(burst(bench.servers[name], requests, BURST))
    print(f"\n{BURST} simultaneous requests on an idle service: fewest answered, ms until the last (lowest to highest)")
    for name, seen in found.items():
        wanted = f"  wanted {BURST} and {BURST_LIMIT:g}" if name == OURS else ""
        print(
            f"{name:33}  {min(one.answered for one in seen[1:])}  {_range([one.slowest for one in seen[1:]])}{wanted}"
        )


def _overload(bench: Bench) -> None:
    """Ten times the saturating clients: those who are accepted wait hardly longer."""
    requests, server = golden_requests(), bench.servers[OURS]
    calm: list[Accepted] = []
    loaded: list[Accepted] = []
    for seconds in bench.lengths:
        calm.append(saturate(server, requests, CONNECTIONS, seconds))
        loaded.append(saturate(server, requests, CONNECTIONS * TIMES, seconds))
    pairs = list(zip(calm[1:], loaded[1:], strict=True))
    ratios = [much.p99 / usual.p99 for usual, much in pairs if usual.p99]
    rates = [much.rate / usual.rate for usual, much in pairs if usual.rate]
    print(
        f"\n{CONNECTIONS * TIMES} clients, after the first second, beside {CONNECTIONS}: p99 of what is accepted "
        f"{statistics.median(one.p99 for one in loaded[1:]):.1f} ms and {statistics.median(one.p99 for one in calm[1:]):.1f} ms,"
        f"{_range(ratios)} times (under {TAIL_LIMIT:g} wanted); answers{_range(rates)} times; "
        f"{sum(one.refused for one in loaded[1:]):,} refused, {sum(one.refused for one in calm[1:])} of {CONNECTIONS} clients"
    )


def _scraping(bench: Bench) -> None:
    """Predictions while many clients read /metrics without pause."""
    server = bench.servers[OURS]
    bodies = bench.generator.bodies("scraping", bench.rows[OURS])
    losses, costs = [], []
    for number, seconds in enumerate(bench.lengths):
        alone = bench.generator.run(server, "", bodies, CONNECTIONS, seconds)
        with scraping(server, LOAD_CORE, SCRAPERS, seconds + 5):
            scraped = bench.generator.run(server, "", bodies, CONNECTIONS, seconds)
        if number:
            losses.append(100 * (1 - scraped.rate / alone.rate))
            costs.append(100 * (scraped.cost / alone.cost - 1))
    print(
        f"\n{SCRAPERS} clients read /metrics without pause: predictions fall by {_range(losses)} % (under {LOSS_LIMIT:g} wanted), "
        f"and the service's processor time for each rises by {_range(costs)} %"
    )


def _median(loads: Sequence[Load], key: str) -> float:
    return float(statistics.median(getattr(load, key) for load in loads))


def _range(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):7.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _start(bench: Bench) -> None:
    """From the start of the process to the first prediction, and to the refusal of a damaged bundle."""
    body = bench.rows[OURS][0]
    firsts, processor, refusals = [], [], []
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        damaged = Path(shutil.copytree("models", Path(name) / "models"))
        content = bytearray((damaged / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (damaged / "model.onnx").write_bytes(content)
        command = [sys.executable, "-m", "lockgate", "serve", "--bundle", str(damaged), "--port", "0"]
        for _ in range(bench.rounds):
            with running(SERVE, SERVER_CORE, "/predict", body) as server:
                firsts.append(server.first_answer)
                processor.append(server.processor())
            started = time.perf_counter()
            refused = subprocess.run(command, capture_output=True, timeout=60, check=False)
            refusals.append(time.perf_counter() - started)
            if refused.returncode != 2:
                sys.exit(f"a damaged bundle ended with {refused.returncode}: {refused.stderr.decode()}")
    print(
        f"\nstart to first prediction:{_range(firsts)} s ({START_WANTED:g} wanted), processor time{_range(processor)} s\n"
        f"start to refusal of a damaged bundle:{_range(refusals)} s ({REFUSAL_WANTED:g} wanted)"
    )


def _say_how_busy() -> None:
    print(
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end (this benchmark alone makes about 2)"
    )


if __name__ == "__main__":
    main()
