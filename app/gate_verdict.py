"""The verdict without which a bundle is not served."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import read_json
from pipeline.core.common.layout import GATE
from pipeline.core.model.bundle import VERDICT
from pipeline.core.report.verdict import read_verdict

GateVerdict = Literal["pass", "ungated"]

OVERRIDE = "or serve it all the same with --allow-ungated"
AGAIN = f"run `lockgate gate` (or `lockgate pull`), {OVERRIDE}"


def require_verdict(digest: str, folder: Path, given: Path | None, allow_ungated: bool) -> GateVerdict:
    """`pass` where a consistent one for exactly this digest is found, `ungated` where there is none and that is allowed.

    Looked for in `given`, else `gate.json` in the bundle's folder, else `reports/gate.json`: the first that is about this
    digest. Raises InputError otherwise, also for a `given` file that is missing.
    """
    try:
        _require_pass(given or _found(digest, folder), digest)
    except InputError:
        if allow_ungated:
            return "ungated"
        raise
    return "pass"


def _found(digest: str, folder: Path) -> Path:
    """A bundle that a cache restored may lie beside the verdict on the one before it, which says nothing about it."""
    there = [path for path in (folder / VERDICT, GATE) if path.is_file()]
    about = (path for path in there if read_json(path, AGAIN).get("model") == digest)
    return next(about, there[0] if there else folder / VERDICT)


def _require_pass(path: Path, digest: str) -> None:
    result = read_json(path, AGAIN)
    if result.get("model") != digest:
        raise InputError(f"{path} is a verdict on another model than {digest[:12]}; run `lockgate gate`, {OVERRIDE}")
    verdict = read_verdict(result)
    if verdict.outcome != "pass":
        problem = f" ({verdict.problem})" if verdict.problem else ""
        raise InputError(f"{path} says {verdict.outcome}{problem}, not pass; mend the model, {OVERRIDE}")
