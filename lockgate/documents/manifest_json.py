"""`manifest.json`: the files of a bundle by their sha256, and what it was made from. Its own sha256 is the model's digest."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from lockgate.config.files import canonical_json, sha256_bytes
from lockgate.documents.document import MAX_COUNT, Document, Name, Part, Sha256

# Settings with their defaults filled in, as params.yaml would hold them.
Settings = dict[str, Any]
FileName = Annotated[str, Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]

# How the source that params.yaml names was held against a bundle's: by its bytes; not at all, as it cannot be read here
# and the hashes of the prepared data decide; or it is made up, from settings that are compared.
SourceCheck = Literal["compared", "unreadable", "synthetic"]


class Source(Part, frozen=True):
    """The table that data were prepared from.

    `name` is the path or URL without user, password and query; `sha256` is of its bytes, None for synthetic data.
    """

    name: Name
    sha256: Sha256 | None


class Origin(Part, frozen=True):
    """What training and test rows were prepared from: the source, and the settings of `prepare` that shape them."""

    source: Source
    prepare: Settings


class Partitioning(Part, frozen=True):
    """How the training rows were spread, where that shaped the model: `workers` have a range of them each, one after the other."""

    engine: Literal["dask"]
    workers: Annotated[int, Meta(ge=1, le=MAX_COUNT)]


class Manifest(Document, frozen=True, kw_only=True):
    """A bundle's manifest: nothing in it differs between two equal runs.

    `training_data` is the sha256 of the training rows' file. `origin` is None for rows that were prepared from no file,
    as in a notebook. `params` are the settings that shape a bundle given its rows, by section. `partitioning` is there only
    of a model that several machines trained together: the same settings and rows give its bytes only when they are spread so.
    """

    HOW_TO_FIX: ClassVar[str] = (
        "make it with `lockgate train` or `lockgate reproduce`, or bring it with `lockgate pull` or `dvc checkout`"
    )

    schema: Literal[2] = 2
    files: dict[FileName, Sha256]
    training_data: Sha256
    origin: Origin | None
    params: Settings
    partitioning: Partitioning | UnsetType = UNSET

    @property
    def params_sha256(self) -> str:
        """The identity of the settings: sha256 of their canonical JSON."""
        return sha256_bytes(canonical_json(self.params))
