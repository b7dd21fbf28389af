"""Damaged boosters, and the process that tries them: `booster_mutants.py FLAVOUR FOLDER` prints a line for each file there.

A damaged booster that is read at all gets a model.onnx of its own, as whoever means harm would give it one.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Schema
from lockgate.model.flavours.lightgbm_text import LightGBMForm
from lockgate.model.flavours.native_form import read_form
from lockgate.model.flavours.xgboost_json import XGBoostForm
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.model.protocol import NativeForm

FORMS: dict[str, type[NativeForm]] = {"xgboost": XGBoostForm, "lightgbm": LightGBMForm}
SAME = 1e-6  # of the largest contribution: they are sums of float32

NUMBERS = [-1, 0, 1, 2, 3, 7, 1000, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63, -(2**70), 10**400]
FLOATS = [float("nan"), float("inf"), float("-inf"), -0.0, 0.5, 1e-45, 3.4e38, 1e39, 1.7e308, -1e30]
OTHERS = [None, True, "", "1", "x" * 1000, [], [[]], {}, {"a": 1}, "[0.5]", "[5E-1]", "-1", "nan", str(2**40)]
WORDS = ["nan", "inf", "-inf", "1e400", "-1", "0", "1", "2", "9", "99999", "2147483647", "2147483648", "-2147483649"]
WORDS += ["4294967295", "18446744073709551616", "1_0", "0x10", "1.5", "", "x", "\x00", "٣", "-" * 50, "9" * 500]


def mutant(flavour: str, content: bytes, seed: int) -> bytes:
    """The booster with one to three things changed, the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if draw.random() < 0.15:
            content = _bytes_changed(content, draw)
        else:
            content = (_json_changed if flavour == "xgboost" else _text_changed)(content, draw)
    return content


def _bytes_changed(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) or 1)
    inserted = draw.choice([b"\xff", b"\x00", b"[" * 100_000, b'"', b"}", b"9" * 5_000, b"\n", b'{"a":' * 5_000])
    return draw.choice(
        [
            content[:place],
            content[:place] + inserted + content[place:],
            content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :],
            content[:place] + content[place + draw.randrange(200) :],
        ]
    )


def _json_changed(content: bytes, draw: random.Random) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    place: Any = document
    steps = ["learner", "gradient_booster", "model", "trees", draw.randrange(12)] if draw.random() < 0.8 else []
    for step in steps:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            break
    while isinstance(place, dict | list) and place:
        key = draw.choice(sorted(place)) if isinstance(place, dict) else draw.randrange(len(place))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.75:
            place = inner
            continue
        kind = draw.random()
        if kind < 0.1:
            del place[key]
        elif kind < 0.2 and isinstance(inner, list):
            inner *= draw.choice([2, 3])
        elif kind < 0.3 and isinstance(place, list):
            place.insert(key, inner)
        elif kind < 0.4 and isinstance(place, list):
            place[key] = draw.choice(place)
        elif kind < 0.5 and isinstance(inner, int | float):
            place[key] = inner + draw.choice([-1, 1, 2])
        else:
            place[key] = draw.choice([*NUMBERS, *FLOATS, *OTHERS])
        break
    return json.dumps(document).encode()


def _text_changed(content: bytes, draw: random.Random) -> bytes:
    lines = content.decode(errors="replace").split("\n")
    place = draw.randrange(len(lines))
    key, equals, value = lines[place].partition("=")
    words = value.split(" ")
    word = draw.randrange(len(words))
    kind = draw.random()
    if kind < 0.1:
        del lines[place]
    elif kind < 0.2:
        lines.insert(draw.randrange(len(lines)), lines[place])
    elif kind < 0.3:
        del words[word]
    elif kind < 0.4:
        words.insert(word, draw.choice(words))
    elif kind < 0.5:
        words[word] = draw.choice(words)
    else:
        words[word] = draw.choice(WORDS)
    if kind >= 0.2:
        lines[place] = key + equals + " ".join(words)
    return "\n".join(lines).encode()


def outcome(flavour: str, content: bytes, schema: Schema, rows: np.ndarray, expected: np.ndarray) -> str:
    """`refused`, `same` contributions as expected, or `others` that add up to what the booster's own ONNX gives."""
    try:
        form = read_form(FORMS[flavour], content, schema.features, "the booster")
    except InputError as error:
        return f"refused: {error}"
    scores = OnnxModel.read(form.onnx(), len(schema.features)).many(rows)
    contributions = form.explainer()(rows)
    with np.errstate(over="ignore"):
        explained = 1 / (1 + np.exp(-contributions.sum(axis=1)))
    allowed = SAME * np.maximum(np.abs(contributions).max(axis=1), 1.0)
    assert (np.abs(scores - explained) <= allowed).all(), f"{scores} and {explained}"
    return "same" if np.array_equal(contributions, expected) else "others"


def main() -> None:
    flavour, folder = sys.argv[1], Path(sys.argv[2])
    schema = Schema.read_file(folder / "schema.json")
    rows, expected = np.load(folder / "rows.npy"), np.load(folder / "expected.npy")
    for path in sorted(folder.glob("*.mutant")):
        print(path.stem, end=" ", flush=True)  # noqa: T201  # who ends the process is the last line
        print(outcome(flavour, path.read_bytes(), schema, rows, expected), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
