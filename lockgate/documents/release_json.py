"""What a release writes about itself: the record of its image, `digests.json`, and the statement that its gate passed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Document, Name, Sha256
from lockgate.documents.gate_json import GateResult

ImageDigest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
Commit = Annotated[str, Meta(pattern="^[0-9a-f]{40}$")]


class ImageRecord(Document, frozen=True, kw_only=True):
    """`image.json`: an image by digest, the model in it, and the commit that it was built from.

    It is written before the image is pushed, so that a release that runs again finds the same digest.
    """

    HOW_TO_FIX: ClassVar[str] = "delete the artifact that it came from and build again"

    schema: Literal[1] = 1
    image: Name
    digest: ImageDigest
    model: Sha256
    commit: Commit

    @property
    def reference(self) -> str:
        """The image by digest, as docker and skopeo name it."""
        return f"{self.image}@{self.digest}"


class ReleaseDigests(Document, frozen=True, kw_only=True):
    """`digests.json` of a release: its image and model, what they were made and judged from, and its other files."""

    HOW_TO_FIX: ClassVar[str] = (
        "Lockgate did not make this release, or somebody changed it: release under a new version"
    )

    schema: Literal[1] = 1
    version: Name
    commit: Commit
    model: Sha256
    image: Name
    image_digest: ImageDigest
    training_data: Sha256
    params: Sha256
    test_data: Sha256
    policy: Sha256
    files: dict[Name, Sha256]

    @property
    def record(self) -> ImageRecord:
        """Its image."""
        return ImageRecord(image=self.image, digest=self.image_digest, model=self.model, commit=self.commit)


class VerdictStatement(Document, frozen=True, kw_only=True):
    """What is attested or signed: the whole verdict on a model, and the sha256 of the gate.json that it stands in.

    `commit` is None where nobody said which. Nothing in it differs when the same release runs again. A new form of gate.json
    is a new one of this.
    """

    schema: Literal[1] = 1
    commit: Commit | None
    gate_json: Sha256
    gate: GateResult
