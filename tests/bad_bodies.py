"""Bodies that no applicant's is, with the status that refuses each; MARK stands in them where a client's text would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MARK = "zq7secret"


def edited(row: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**row, **changes}).encode()


def raw(row: dict[str, Any], name: str, value: str) -> bytes:
    """The row with a value that is written as given."""
    return json.dumps({**row, name: MARK}).replace(json.dumps(MARK), value).encode()


BAD: dict[str, tuple[int, Callable[[dict[str, Any]], bytes]]] = {
    "nothing": (400, lambda row: b" "),
    "not JSON": (400, lambda row: b"income=" + MARK.encode()),
    "cut off": (400, lambda row: json.dumps(row).encode()[:-1]),
    "two values": (400, lambda row: json.dumps(row).encode() + b"{}"),
    "NaN": (400, lambda row: raw(row, "income", "NaN")),
    "Infinity": (400, lambda row: raw(row, "income", "Infinity")),
    "-Infinity": (400, lambda row: raw(row, "income", "-Infinity")),
    "UTF-16": (400, lambda row: json.dumps(row).encode("utf-16")),
    "UTF-32": (400, lambda row: json.dumps(row).encode("utf-32")),
    "BOM": (400, lambda row: b"\xef\xbb\xbf" + json.dumps(row).encode()),
    "Latin-1": (400, lambda row: raw(row, "housing", '"é"').decode().encode("latin-1")),
    "lone surrogate": (400, lambda row: raw(row, "housing", r'"\ud800"')),
    "lone surrogate in a key": (400, lambda row: json.dumps(row).encode()[:-1] + rb', "\udfff": 1}'),
    "overflow": (422, lambda row: raw(row, "income", "1e400")),
    "5,000 digits": (422, lambda row: raw(row, "income", "7" * 5000)),
    "5,000 digits and a fraction": (422, lambda row: raw(row, "interest_rate", "7" * 5000 + ".5")),
    "beyond float32": (422, lambda row: edited(row, interest_rate=1e39)),
    "beyond whole floats": (422, lambda row: edited(row, income=2**53)),
    "part of a whole number": (422, lambda row: edited(row, dependants=1.5)),
    "true": (422, lambda row: edited(row, income=True)),
    "a number as a text": (422, lambda row: edited(row, income="30000")),
    "a list": (422, lambda row: edited(row, income=[30000])),
    "an object": (422, lambda row: edited(row, income={"value": MARK})),
    "a number as a category": (422, lambda row: edited(row, housing=3)),
    "null where none was": (422, lambda row: edited(row, dependants=None)),
    "unseen category": (422, lambda row: edited(row, housing=MARK)),
    "missing key": (422, lambda row: json.dumps({k: v for k, v in row.items() if k != "income"}).encode()),
    "unknown key": (422, lambda row: edited(row, **{MARK: 1})),
    "audit column": (422, lambda row: edited(row, sex="female")),
    "duplicate key": (422, lambda row: json.dumps(row).encode()[:-1] + b', "income": 1}'),
    "duplicate key, escaped": (422, lambda row: json.dumps(row).encode()[:-1] + rb', "inc\u006fme": 1}'),
    "deep": (422, lambda row: raw(row, "income", "[" * 900 + "]" * 900)),
    "deeper than any stack": (400, lambda row: raw(row, "income", "[" * 100_000)),
    "deep in an unknown key": (400, lambda row: b'{"x":' + b'{"x":' * 50_000),
    "a list of rows": (422, lambda row: json.dumps([row]).encode()),
    "a text": (422, lambda row: json.dumps(MARK).encode()),
    "null": (422, lambda row: b"null"),
}
