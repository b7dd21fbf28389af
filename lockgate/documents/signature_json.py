"""`gate.json.dsse`: who signed a verdict, as a DSSE envelope around an in-toto statement; both formats are others'.

The statement is about `manifest.json`, whose sha256 is the model's digest, so that tools that know DSSE and in-toto can hold
the envelope against that file. It is the statement that a release attests to in GitHub Actions, too.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from lockgate.documents.document import JsonValue, Name, Part, Sha256

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
GATE_VERDICT = "urn:lockgate:gate-verdict:2"  # the predicate's type: a `VerdictStatement`

Base64 = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]*={0,2}$")]


class Signature(Part, frozen=True):
    """A signature in base64, and a hint whose it is that nobody has to believe."""

    keyid: Name
    sig: Base64


class Envelope(Part, frozen=True, rename="camel"):
    """Bytes of a type, in base64, and the signatures over both."""

    payload: Base64
    payload_type: Name
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=100)]


class Digests(Part, frozen=True):
    """How a file is known."""

    sha256: Sha256


class Subject(Part, frozen=True):
    """A file that a statement is about."""

    name: Name
    digest: Digests


class Statement(Part, frozen=True, rename="camel"):
    """An in-toto statement: what is said, `predicate`, by its type, and about which files."""

    type: Literal["https://in-toto.io/Statement/v1"] = field(name="_type")
    subject: Annotated[tuple[Subject, ...], Meta(min_length=1, max_length=100)]
    predicate_type: Name
    predicate: JsonValue
