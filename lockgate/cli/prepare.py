"""`lockgate prepare`: the source becomes train, test and current data with one schema."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from lockgate.cli.command import Command, params_option, results_option, say, warn
from lockgate.config import layout
from lockgate.config.files import staged_files
from lockgate.config.params import SYNTHETIC, read_params
from lockgate.data.dataset import conform_current, make_dataset
from lockgate.data.origin import make_origin
from lockgate.data.sources import read_source, read_table
from lockgate.data.synthetic import AUDIT_COLUMNS, FEATURE_TEXTS, SYNTHETIC_KINDS, generate_applicants
from lockgate.data.tables import write_table
from lockgate.dvc.stages import require_watched_files

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import Prepare
    from lockgate.data.dataset import Dataset


@click.command(cls=Command)
@params_option
@results_option
def prepare(params_path: Path) -> None:
    """Read the source, check it, split it, and write data/.

    \b
    Example:
        lockgate prepare
        lockgate prepare --params mine.yaml
    """
    settings = read_params(params_path).prepare
    if running := os.environ.get("DVC_STAGE"):
        require_watched_files(running, settings)
    stated, sha256 = settings, None
    if settings.source == SYNTHETIC:
        settings = _with_synthetic_roles(settings)
        source, where = generate_applicants(settings.rows, settings.seed), "synthetic data"
    else:
        (source, sha256), where = read_source(settings.source, "prepare.source"), settings.source
    dataset = make_dataset(source, settings, where)
    schema = msgspec.structs.replace(dataset.schema, origin=make_origin(stated, sha256))
    current = _current(settings, dataset)
    for warning in dataset.warnings:
        warn(warning)
    with staged_files(layout.DATA) as stage:
        write_table(dataset.train, stage / layout.TRAIN_DATA.name)
        write_table(dataset.test, stage / layout.TEST_DATA.name)
        write_table(current, stage / layout.CURRENT_DATA.name)
        (stage / layout.DATA_SCHEMA.name).write_bytes(schema.to_bytes())
    say(
        f"prepared {len(dataset.train):,} train, {len(dataset.test):,} test and {len(current):,} current rows, "
        f"{len(schema.features)} features, {dataset.train[schema.target].mean():.1%} of {schema.target}"
    )


def _with_synthetic_roles(settings: Prepare) -> Prepare:
    """The generator knows its columns; what the user said of them goes first, but audit columns stay untrained."""
    return settings.model_copy(
        update={
            "kinds": {**SYNTHETIC_KINDS, **settings.kinds},
            "texts": {**FEATURE_TEXTS, **settings.texts},
            "audit_columns": list(dict.fromkeys([*settings.audit_columns, *AUDIT_COLUMNS])),
        }
    )


def _current(settings: Prepare, dataset: Dataset) -> pd.DataFrame:
    if settings.current is None:
        return conform_current(dataset.test, dataset.schema, "the test split")
    if settings.current == SYNTHETIC:
        batch = generate_applicants(settings.current_rows, settings.seed, settings.shock, "current")
        return conform_current(batch, dataset.schema, "the synthetic current batch")
    return conform_current(read_table(settings.current, "prepare.current"), dataset.schema, settings.current)


if __name__ == "__main__":
    prepare()
