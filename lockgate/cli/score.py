"""`lockgate score`: a table through a bundle that passed, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from time import time
from uuid import uuid4

import click
import pyarrow as pa

from lockgate.cli.command import Command, params_option, say
from lockgate.config.errors import InputError
from lockgate.config.files import staged_files
from lockgate.config.layout import MODELS
from lockgate.data.download import is_url
from lockgate.data.sources import read_source_batches
from lockgate.data.table_writer import require_table_name, table_writer
from lockgate.documents.schema_json import LOG_REQUEST_ID, Schema
from lockgate.model.bundle import verify_bundle
from lockgate.model.table_scores import ScoredRows, TableScorer
from lockgate.project import Project
from lockgate.service.bundle import require_verdict
from lockgate.service.settings import Settings

LOG_ROWS = 20_000  # of a file of the decision log, as `lockgate serve` has by default


@click.command(cls=Command)
@params_option
@click.argument("file")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Where the scores go: .csv or .parquet.")
@click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), default=MODELS, show_default=True, help="Its folder."
)
@click.option(
    "--verdict", type=click.Path(path_type=Path), help="Its gate.json; else beside it, else reports/gate.json."
)
@click.option("--allow-ungated", is_flag=True, help="Score with a bundle that no gate has passed.")
@click.option("--require-signed", is_flag=True, envvar="LOCKGATE_REQUIRE_SIGNED", help="As `lockgate serve` has it.")
@click.option(
    "--verify-key", envvar="LOCKGATE_VERIFY_KEY", help="Public keys, one of which must have signed the verdict."
)
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="Carry this column along too; may be given several times."
)
@click.option(
    "--unseen-categories",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    show_default=True,
    help="What a category is that the training rows did not have.",
)
@click.option("--log", type=click.Path(path_type=Path), help="Add the decisions to the decision log in this folder.")
def score(
    params_path: Path,
    file: str,
    output: Path,
    folder: Path,
    verdict: Path | None,
    allow_ungated: bool,
    require_signed: bool,
    verify_key: str | None,
    keep: tuple[str, ...],
    unseen_categories: str,
    log: Path | None,
) -> None:
    """Score the table FILE with a bundle that passed its gate, and write identifiers, probability, decision and model.

    FILE is a path, a folder, a pattern of names or a URL, of any size: it is read by the bundle's schema, some rows at a time. Each
    row gets the same bits as from /predict, and a row that /predict would refuse ends the command with exit code 2;
    then nothing is written.

    \b
    Examples:
        lockgate score applications.csv --output scores.csv
        lockgate score june/ --output scores.parquet --keep branch --log decisions/
    """
    require_table_name(output, "--output")
    if not is_url(file) and Path(file).resolve() == output.resolve():
        raise InputError(f"--output is {output}, the table FILE itself; give the scores a name of their own")
    service = Settings(
        verdict=verdict, allow_ungated=allow_ungated, require_signed=require_signed, verify_key=verify_key
    )
    bundle = verify_bundle(folder)
    require_verdict(bundle.digest, folder, service.verdict, service.allow_ungated, service.verify_key)
    scorer = TableScorer(bundle, refuse_unseen=unseen_categories == "refuse", keep=keep)
    read = Project(settings=params_path).params_or_defaults.prepare.read
    rows = 0
    with ExitStack() as opened:
        # What is opened last is closed first: both are whole before either is in its place.
        log_stage = opened.enter_context(staged_files(log)) if log else None
        stage = opened.enter_context(staged_files(output.parent))
        write = opened.enter_context(table_writer(stage / output.name))
        record = opened.enter_context(_decision_log(log_stage, bundle.schema, bundle.digest)) if log_stage else None
        for batch in read_source_batches(file, "FILE", read):
            scored = scorer.score(batch)
            answers = scored.answers
            if record is not None:
                answers = answers.append_column(LOG_REQUEST_ID, pa.array(record(scored)))
            write(answers)
            rows += answers.num_rows
    say(f"scored {rows:,} rows with model {bundle.digest[:12]}: {output}")


@contextmanager
def _decision_log(folder: Path, schema: Schema, digest: str) -> Iterator[Callable[[ScoredRows], list[str]]]:
    """A function that records scored rows, as the service does, and returns the request id that each row has in the log."""
    from lockgate.service.decision_log import Decided, write_decisions

    waiting: list[Decided] = []
    run, files, rows = uuid4().hex[:16], 0, 0

    def write() -> None:
        nonlocal files
        write_decisions(waiting, schema, digest, folder / f"decisions-{run}-{files}.parquet")
        files += 1
        waiting.clear()

    def record(scored: ScoredRows) -> list[str]:
        nonlocal rows
        values = zip(*(column.to_pylist() for column in scored.features.columns), strict=True)
        columns = [column.to_pylist() for column in scored.identifiers.columns]
        identifiers = zip(*columns, strict=True) if columns else repeat(())
        now, ids = time(), []
        answers = zip(values, scored.probabilities.tolist(), scored.decisions, strict=True)
        for (row, probability, decision), known in zip(answers, identifiers, strict=False):
            rows += 1
            ids.append(f"{run}-{rows:x}")
            waiting.append(Decided(ids[-1], now, (row,), (probability,), (decision,), (known,)))
            if len(waiting) == LOG_ROWS:
                write()
        return ids

    yield record
    if waiting:
        write()
