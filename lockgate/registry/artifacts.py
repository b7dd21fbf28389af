"""What MLflow stores with a version, brought here within limits of size, from the stores that belong to its server only."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.limits import BUNDLE_BYTES
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.model.bundle import GOLDEN, MAX_FILES, Bundle, bundle_from
from lockgate.model.golden_rows import golden_frame
from lockgate.model.onnx_runtime import TOLERANCE
from lockgate.model.scoring import score_bundle
from lockgate.registry.mlflow_client import DATABASES, mlflow_errors, note_object_store

BUNDLE_FOLDER = "bundle"
OBJECT_STORES = ("s3", "gs", "wasbs", "abfss", "dbfs", "hdfs")
REGISTER_AGAIN = "register it again"

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def fetch_bundle(uri: str, digest: str) -> Bundle:
    """The bundle stored among the artifacts at `uri`, verified to be `digest`, with a model.onnx that gives the golden answers.

    Raises InputError where it is absent, damaged or another one.
    """
    shown = safe_url(uri)
    files = download_files(uri, BUNDLE_FOLDER)
    if not files:
        raise InputError(f"{shown} holds no bundle; {REGISTER_AGAIN}")
    bundle = bundle_from(files, Path(shown) / BUNDLE_FOLDER)
    if bundle.digest != digest:
        raise InputError(f"{shown} holds the bundle {bundle.digest[:12]}, not {digest[:12]}; {REGISTER_AGAIN}")
    _require_golden_answers(bundle)
    return bundle


def download_files(uri: str, folder: str) -> dict[str, bytes]:
    """Content by name of the files in one folder of the artifacts at `uri`; empty where there is no such folder.

    Raises InputError where `uri` is not in a store that belongs to the tracking server, or the folder is beyond the limits.
    """
    require_store(uri)
    # Importing it takes seconds; whoever asks for artifacts has connected, and so imported mlflow, before.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with mlflow_errors():
        try:
            repository = get_artifact_repository(uri)
            listed = [
                (str(one.path), bool(one.is_dir), int(one.file_size or 0)) for one in repository.list_artifacts(folder)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise OSError(f"the list of what is stored at {safe_url(uri)} is not MLflow's") from error
    for path, is_folder, _ in listed:
        if is_folder or not _FILE_NAME.fullmatch(path.removeprefix(f"{folder}/")):
            raise InputError(f"{safe_url(uri)} holds {path[:100]!r}, which is no file of ours; {REGISTER_AGAIN}")
    if len(listed) > MAX_FILES:
        raise InputError(f"{safe_url(uri)}/{folder} has more than {MAX_FILES} files; {REGISTER_AGAIN}")
    BUNDLE_BYTES.require(sum(size for *_, size in listed), f"{safe_url(uri)}/{folder}")
    if not listed:
        return {}
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        with mlflow_errors():
            repository.download_artifacts(folder, dst_path=name)
        return {path.name: path.read_bytes() for path in sorted((Path(name) / folder).iterdir())}


def require_store(uri: str) -> None:
    """Raises InputError unless artifacts at `uri` are in a store that belongs to the tracking server.

    A server's answer must not make this machine read or write its own files, or ask any other host.
    """
    import mlflow

    tracking, store = urlsplit(mlflow.get_tracking_uri()), urlsplit(uri)
    if tracking.scheme in ("http", "https"):
        is_own = store.scheme == "mlflow-artifacts" and store.netloc in ("", tracking.netloc)
        is_own |= store.scheme == tracking.scheme and store.netloc == tracking.netloc
    else:
        is_own = store.scheme in ("", "file") and tracking.scheme.partition("+")[0] in ("", "file", *DATABASES)
    if not is_own and store.scheme not in OBJECT_STORES:
        raise InputError(
            f"MLflow names {safe_url(uri)} as the place of its artifacts, which is neither its own nor an object store "
            f"({', '.join(OBJECT_STORES)}); start the server with --serve-artifacts, or check who changed it"
        )
    if not is_own:
        note_object_store(uri)


def _require_golden_answers(bundle: Bundle) -> None:
    golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
    try:
        scores = score_bundle(bundle, golden_frame(golden.rows, bundle.schema))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{bundle.path(GOLDEN)} has rows of other columns than schema.json; {REGISTER_AGAIN}"
        ) from None
    gaps = np.nan_to_num(np.abs(scores - np.array(golden.probabilities)), nan=np.inf)
    if gaps.max() > TOLERANCE:
        raise InputError(
            f"{bundle.folder}: model.onnx gives {int((gaps > TOLERANCE).sum()):,} of {len(gaps):,} golden rows another "
            f"probability than golden.json; {REGISTER_AGAIN}"
        )
