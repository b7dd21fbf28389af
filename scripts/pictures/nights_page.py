"""Thirty nights of the worked example, each measured and decided by the kit, on the page that the kit draws, taken by chromium.

The economy turns bad from the sixteenth night on, and half-way through it the outcomes have less and less to do with the scores. A
night finds the batch of the night before; a retrain is started, and its model, of applicants of the new times, comes at last.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from PIL import Image, ImageChops

from lockgate import Params, measure_drift, prepare, read_params, train
from lockgate.ci.nightly.gravest_fact import gravest_fact
from lockgate.ci.nightly.history import decide, nightly_run
from lockgate.config.files import sha256_bytes
from lockgate.data.synthetic import generate_applicants, with_synthetic_roles
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import NightlyRun, RetrainRun
from lockgate.model.bundle import Bundle
from lockgate.report.nights import nights_files

PICTURE = Path("docs/images/nights.png")
NIGHTS, ROWS, START = 30, 3_000, datetime(2026, 10, 28, 3, 17, tzinfo=UTC)
TURN, DYING, STALE, RETRAINED, NEW_MODEL = 15, 18, 21, 21, 24
NEW_TIMES = 0.6  # the shock that the economy ends with
WIDTH, TALLEST, COLOURS = 900, 1600, 250
MOST_BYTES = 140_000


def trained_bundle(params: Params, seed: int, shock: float) -> Bundle:
    """A model of applicants of these times."""
    settings = with_synthetic_roles(params.prepare)
    dataset = prepare(generate_applicants(20_000, seed, shock), settings)
    return train(dataset.train, dataset.schema, params).bundle


def measured_nights(params: Params) -> tuple[list[NightlyRun], DriftResult]:
    """The history after the last night, and that night's result."""
    old, new = trained_bundle(params, params.prepare.seed, 0.0), trained_bundle(params, 5, NEW_TIMES)
    chance = np.random.default_rng(4)
    runs: list[NightlyRun] = []
    for night in range(NIGHTS):
        drawn = night - (night == STALE)  # the stale night finds the batch before
        shock = NEW_TIMES if night >= NEW_MODEL else max(0.0, NEW_TIMES * (drawn - TURN) / (NEW_MODEL - TURN))
        batch = generate_applicants(ROWS, 1_000 + drawn, shock, "current")
        outcomes = batch["default"].to_numpy().copy()
        if DYING <= night < NEW_MODEL:
            loose = np.random.default_rng(drawn).random(ROWS) < (drawn - DYING + 2) / (NEW_MODEL - DYING + 2)
            outcomes[loose] = chance.permutation(outcomes[loose])
        labelled = batch.assign(default=outcomes) if drawn % 3 == 2 else batch.drop(columns="default")
        time = START + timedelta(days=night)
        result = measure_drift(
            new if night >= NEW_MODEL else old, labelled, settings=params.drift, evaluate=params.evaluate, time=time
        )
        found = replace(result, batch=sha256_bytes(str(drawn).encode()))
        run = nightly_run(found, night + 1, 1, time, thresholds=params.evaluate.floors)
        decision = decide([*runs, run], params.drift.history.k, params.drift.history.n)
        started = (RetrainRun(900, time - timedelta(hours=5), "success"),) if night == RETRAINED else ()
        fact = gravest_fact(result, decision.stale)
        runs.append(replace(run, state=decision.state, fact=fact, retrains=started))
        print(night + 1, decision.state, fact)
    return runs, result


def main() -> None:
    """Draw the nights into `PICTURE`."""
    runs, result = measured_nights(read_params(Path("params.yaml")))
    html = nights_files(runs, result, "https://github.com/acme/credit/actions/runs/{}".format)["nights.html"]
    with tempfile.TemporaryDirectory() as folder:
        page, taken = Path(folder, "nights.html"), Path(folder, "taken.png")
        page.write_bytes(html)
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={WIDTH},{TALLEST}", f"--screenshot={taken}", page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        picture = Image.open(taken).convert("RGB")
    _, _, right, bottom = ImageChops.difference(
        picture, Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    ).getbbox()
    cropped = picture.crop((0, 0, right + 16, min(bottom + 16, picture.height)))
    cropped.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"error: {PICTURE} has {size:,} bytes, more than {MOST_BYTES:,}")
    print(f"{PICTURE}: {size:,} bytes")


if __name__ == "__main__":
    main()
