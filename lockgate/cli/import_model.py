"""`lockgate import-model`: a model that was trained elsewhere becomes the bundle, and a run in MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, existing_file, say, warn
from lockgate.cli.stage import stage_options
from lockgate.config import layout
from lockgate.config.files import read_bytes
from lockgate.model.expected_scores import require_expected
from lockgate.model.import_model import import_model as make_bundle
from lockgate.model.import_model import require_own_section
from lockgate.project import Project


@click.command(cls=Command)
@stage_options
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@existing_file("The rows that the model was trained on: the prepared ones, or the source.", "--table")
@click.option(
    "--scores", metavar="COLUMN|FILE", help="What the model has to give for the table: a column of it, or a file."
)
@click.option("--output", metavar="NAME", help="The output with the probability, where several could have it.")
@click.option(
    "--class", "event_class", metavar="N", type=int, help="The event's column, 0 or 1, where the output has two."
)
def import_model(
    project: Project, file: Path, table: Path | None, scores: str | None, output: str | None, event_class: int | None
) -> None:
    """Make the bundle models/ of the ONNX model FILE, and log the run to MLflow.

    The table says what the model's columns are, as `lockgate prepare` reads them by params.yaml: data/train.parquet by default, or
    the file of prepare.source, which is prepared first. With --scores the bundle's scores are held against those that the model
    gave where it was trained; a difference of more than 1e-5 ends with exit code 2.

    \b
    Examples:
        lockgate import-model model.onnx --scores scores.csv
        lockgate import-model model.onnx --table train.parquet --scores score
        lockgate import-model model.onnx --output probabilities --class 0
    """
    require_own_section(project.params)
    content = read_bytes(file, "give the file of a model in ONNX")
    described = project.read_described_rows(table or layout.TRAIN_DATA)
    schema = project.schema
    expected = None if scores is None else project.read_expected_scores(scores, described)
    project.connect()  # a server that is away is known before the work, not after it
    imported = make_bundle(
        content,
        project.read_rows("train"),
        schema,
        project.params,
        name=str(file),
        output=output,
        event_class=event_class,
    )
    if expected is None:
        warn(
            "nothing says what this model has to give, so its columns and categories may be mixed up; give its scores with --scores"
        )
    else:
        say(require_expected(imported.trained.bundle, expected))
    project.write_import(imported)
