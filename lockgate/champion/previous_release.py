"""The champion of a release: the previous release's model, scored on the same test rows as the new one."""

from __future__ import annotations

from pathlib import Path

from github.Repository import Repository

from lockgate.ci.release.archive import unpack_bundle
from lockgate.ci.release.image import read_identity
from lockgate.ci.release.releases import download, read_digests, read_releases
from lockgate.ci.release.version import ReleaseVersion, previous_version
from lockgate.config import layout
from lockgate.config.files import sha256_file, staged_files
from lockgate.config.params import Params
from lockgate.data.tables import write_table
from lockgate.gate.evidence import features_of
from lockgate.model.booster import load, score
from lockgate.model.bundle import MODEL, Bundle
from lockgate.model.encode import model_frame
from lockgate.model.predictions import DATA_KEY, MODEL_KEY, make_predictions

ARCHIVE = "bundle.tar.gz"


def fetch_champion(repository: Repository, version: ReleaseVersion, folder: Path) -> Bundle | None:
    """The bundle of the release before `version`, in `folder`, verified to be what that release names; None if none."""
    releases = read_releases(repository)
    previous = previous_version(version, releases.published, releases.stable)
    if previous is None:
        return None
    release = releases.published[previous]
    digest = read_identity(read_digests(release)).model
    archive = folder / ARCHIVE
    folder.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(download(release, ARCHIVE))
    return unpack_bundle(archive, folder / "bundle", digest)


def write_champion_predictions(champion: Bundle, params: Params, path: Path) -> None:
    """Score the test rows with the champion and write its predictions.

    Raises InputError where the test rows do not have the columns that it was trained on.
    """
    features = features_of(champion, params)
    scores = score(load(champion.path(MODEL).read_bytes()), model_frame(features.test, features.schema))
    table = make_predictions(features.test, scores, features.schema, params.evaluate)
    with staged_files(path.parent) as stage:
        metadata = {MODEL_KEY: champion.digest, DATA_KEY: sha256_file(layout.TEST_DATA)}
        write_table(table, stage / path.name, metadata)
