"""From the job that scored and decided to the job that ships: nothing but a pass for exactly the bundle in hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import read_bytes, sha256_bytes
from lockgate.documents.gate_json import GateResult
from lockgate.model.bundle import Bundle

HOW_TO_FIX = "nothing is shipped; run the gate job again"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class GateJob:
    """What the gate job said by itself, apart from the files it left: its result, and its outputs.

    result: `success`, `failure`, `cancelled` or `skipped`, as GitHub says of the job.
    verdict, digest: its verdict and the digest of the model it is about; verdict_sha256: of its gate.json.
    """

    result: str
    verdict: str
    digest: str
    verdict_sha256: str


def require_passed(bundle: Bundle, gate: Path, job: GateJob) -> GateResult:
    """The verdict in `gate`, where it is the gate job's own and a pass that holds together, for `bundle`.

    Raises GateBlockedError where the job did not succeed or its verdict is no pass, and InputError where the file is
    missing, is another than the job wrote, is about another model, or says pass beside a check that does not.
    """
    if job.result != "success":
        raise GateBlockedError(f"the gate job ended with {job.result or 'no result'!r}, not success; {HOW_TO_FIX}")
    if job.verdict != "pass":
        raise GateBlockedError(f"the gate job's verdict is {job.verdict or 'missing'!r}, not pass; nothing is shipped")
    for name, value in (("digest", job.digest), ("verdict-digest", job.verdict_sha256)):
        if not _SHA256.fullmatch(value):
            raise InputError(f"the gate job's {name} is {value[:80]!r}, not a sha256; {HOW_TO_FIX}")
    if bundle.digest != job.digest:
        raise InputError(
            f"{bundle.folder}/ is the model {bundle.digest[:12]}, but the gate judged {job.digest[:12]}; {HOW_TO_FIX}"
        )
    content = read_bytes(gate, HOW_TO_FIX)
    if sha256_bytes(content) != job.verdict_sha256:
        raise InputError(f"{gate} is not the file that the gate job wrote (its sha256 differs); {HOW_TO_FIX}")
    result = GateResult.read(content, gate, HOW_TO_FIX)
    result.require_pass(bundle.digest, gate, HOW_TO_FIX, params=bundle.params)
    return result
