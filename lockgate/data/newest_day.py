"""How new a batch is: the day of its newest row, by which a night sees that its feed has stopped."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.columns import read_column
from lockgate.data.roles import with_schema_names
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import LOG_TIME, Reading, Schema

NO_DAY = "{}; nobody can tell how new the batch is"  # what a warning says of an error: the model needs no time


def newest_day(batch: SourceTable, schema: Schema) -> date | None:
    """The newest day (UTC) in the schema's time column, or in the decision log's own; None where neither holds times.

    Raises InputError where the column holds something else than the training data's did.
    """
    source = with_schema_names(batch, schema)
    if schema.time_column in source.names:
        name, reading = str(schema.time_column), schema.reading_of(str(schema.time_column))
    elif LOG_TIME in source.names:
        name, reading = LOG_TIME, Reading("time")
    else:
        return None
    times = read_column(name, source.cells(name), reading, source).values
    newest = pc.max(times).as_py() if pa.types.is_timestamp(times.type) else None
    return newest.date() if newest else None
