"""From the job that scored and decided to the job that ships: nothing but a pass for exactly the bundle in hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import read_json, sha256_file
from lockgate.documents.gate_json import read_verdict
from lockgate.model.bundle import Bundle

MEND = "nothing is shipped; run the gate job again"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HandOver:
    """What the gate job said by itself, apart from the files it left: its result, and its outputs.

    result: `success`, `failure`, `cancelled` or `skipped`, as GitHub says of the job.
    verdict, digest: its verdict and the digest of the model it is about; verdict_sha256: of its gate.json.
    """

    result: str
    verdict: str
    digest: str
    verdict_sha256: str


def require_hand_over(bundle: Bundle, gate: Path, said: HandOver) -> dict[str, Any]:
    """The content of gate.json, where it is the gate job's own and a pass that holds together, for `bundle`.

    Raises GateBlockedError where the job did not succeed or its verdict is no pass, and InputError where the file is
    missing, is another than the job wrote, is about another model, or says pass beside a check that does not.
    """
    if said.result != "success":
        raise GateBlockedError(f"the gate job ended with {said.result or 'no result'!r}, not success; {MEND}")
    if said.verdict != "pass":
        raise GateBlockedError(f"the gate job's verdict is {said.verdict or 'missing'!r}, not pass; nothing is shipped")
    for name, value in (("digest", said.digest), ("verdict-digest", said.verdict_sha256)):
        if not _SHA256.fullmatch(value):
            raise InputError(f"the gate job's {name} is {value[:80]!r}, not a sha256; {MEND}")
    if bundle.digest != said.digest:
        raise InputError(
            f"{bundle.folder}/ is the model {bundle.digest[:12]}, but the gate judged {said.digest[:12]}; {MEND}"
        )
    result = read_json(gate, MEND)
    if sha256_file(gate) != said.verdict_sha256:
        raise InputError(f"{gate} is not the file that the gate job wrote (its sha256 differs); {MEND}")
    require_consistent_pass(gate, result, bundle.digest)
    return result


def require_consistent_pass(gate: Path, result: dict[str, Any], digest: str) -> None:
    """Raises InputError unless `result`, read from `gate`, is a pass for `digest` that its own checks bear out."""
    if result.get("model") != digest:
        raise InputError(f"{gate} is a verdict on another model than {digest[:12]}; {MEND}")
    verdict = read_verdict(result)
    if verdict.outcome != "pass":
        problem = f" ({verdict.problem})" if verdict.problem else ""
        raise GateBlockedError(f"{gate} says {verdict.outcome}{problem}, not pass; nothing is shipped")
