"""Fetching files over the network: bounded waiting, and no half file taken for a whole one."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.limits import DOWNLOAD_BYTES, DOWNLOAD_SECONDS
from lockgate.data.file_names import TableFiles, chosen_names, fixed_folder, has_wildcard

TIMEOUT_SECONDS = 15.0
TRIES = 2
BLOCK_BYTES = 1 << 20
# The packages that open the storage of a scheme by fsspec, as lockgate/config/extras.py knows them.
STORAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}


def is_url(location: str) -> bool:
    """Whether `location` is a URL rather than a path."""
    return "://" in location


def is_over_http(location: str) -> bool:
    """Whether a URL names one file that a web server gives."""
    return location.lower().startswith(("http://", "https://"))


def download(url: str, folder: Path, key: str) -> TableFiles:
    """Write what `url` names into `folder`: a file over http(s); a file, a folder or a pattern of files in a storage that
    fsspec opens.

    Gives up over http(s) after two tries of at most 15 s without a byte each, and always beyond the limits of time and size.
    Raises InputError naming `key` and how to fix it.
    """
    if is_over_http(url):
        path = folder / "download"
        _download_http(url, path, key)
        return TableFiles([path])
    where = f"{key}: {safe_url(url)}"
    with _storage_errors(url, where):
        return _download_storage(url, folder, where)


@dataclass(frozen=True)
class StoredFiles:
    """The files of a folder or a pattern in a storage that fsspec opens: their paths there by their names from the folder.

    `left_out` names the complete files of the folder that are no tables by their names.
    """

    paths: dict[str, str]
    left_out: list[str]


def stored_files(url: str, where: str) -> StoredFiles | None:
    """The files of the folder or the pattern at `url`, in the order of their names; None where it is one file.

    Raises InputError where the storage does not answer, or its package is not installed.
    """
    if is_over_http(url):
        return None
    with _storage_errors(url, where):
        storage, path = open_storage(url, where)
        names, base, left_out = _stored_files(storage, path)
        if base is None:
            return None
        return StoredFiles({PurePosixPath(name).relative_to(base).as_posix(): name for name in names}, left_out)


def download_stored(url: str, path: str, target: Path, where: str) -> None:
    """Write the file `path` in the storage behind `url` to `target`; the limits are of this file. Raises InputError."""
    with _storage_errors(url, where):
        storage, _ = open_storage(url, where)
        with storage.open(path, "rb") as source, target.open("wb") as stream:
            Transfer(where).copy(source.read, stream)


@contextmanager
def _storage_errors(url: str, where: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each storage has errors of its own
        problem = without_credentials((str(error) or type(error).__name__).splitlines()[0], url)
        missing = isinstance(error, FileNotFoundError)
        raise InputError(
            f"{where} {'does not exist' if missing else f'cannot be fetched: {problem}'}; check the address and who may read it"
        ) from None


def open_storage(url: str, where: str) -> tuple[Any, str]:
    """The storage behind a URL and the path in it; raises InputError where the package that opens it is not installed."""
    scheme = url.partition("://")[0].lower()
    package = STORAGES.get(scheme)
    if package and not is_installed(package):
        raise InputError(f"{where} needs the package {package}, which is not installed; {how_to_install(package)}")
    if not is_installed("fsspec"):
        raise InputError(
            f"{where} is not http(s); install fsspec and the package that opens {scheme}://, or fetch it with "
            "`dvc import-url` and name the file here"
        )
    import fsspec

    storage, path = fsspec.core.url_to_fs(url)
    return storage, str(path)


def _download_http(url: str, path: Path, key: str) -> None:
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(1)
        try:
            _fetch(url, path, f"{key}: {safe_url(url)}")
            return
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = str(getattr(error, "reason", None) or error) or type(error).__name__
    raise InputError(
        f"{key}: {safe_url(url)} cannot be fetched: {without_credentials(problem, url)}; check the address and the network"
    )


def _fetch(url: str, path: Path, where: str) -> None:
    user, at, host = urlsplit(url).netloc.rpartition("@")
    address = urlsplit(url)._replace(netloc=host).geturl() if at else url
    request = urllib.request.Request(address, headers={"User-Agent": "lockgate"})  # noqa: S310 the scheme is checked
    if at:  # not for the host of a redirect
        request.add_unredirected_header("Authorization", f"Basic {b64encode(unquote_to_bytes(user)).decode()}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as stream:  # noqa: S310
        expected = answer.headers.get("Content-Length")
        DOWNLOAD_BYTES.require(int(expected or 0), where)
        # Whatever has come by now, not a whole block: a server that sends a byte at a time would never fill one.
        received = Transfer(where).copy(answer.read1, stream)
    if expected is not None and received != int(expected):
        raise ValueError(f"{received} of {expected} bytes came")


class Transfer:
    """Copying one file or several, within the limits of size and time for all of them."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._started = time.monotonic()
        self._received = 0

    def copy(self, read: Callable[[int], bytes], stream: BinaryIO) -> int:
        """Write all that `read` gives to `stream`, and how many bytes that are; raises InputError beyond a limit."""
        before = self._received
        while block := read(BLOCK_BYTES):
            stream.write(block)
            self._received += len(block)
            DOWNLOAD_BYTES.require(self._received, self._where)
            DOWNLOAD_SECONDS.require(int(time.monotonic() - self._started), f"{self._where}: the download")
        return self._received - before


def _download_storage(url: str, folder: Path, where: str) -> TableFiles:
    storage, path = open_storage(url, where)
    names, base, left_out = _stored_files(storage, path)
    DOWNLOAD_BYTES.require(sum(int(storage.info(name).get("size") or 0) for name in names), where)
    transfer, files = Transfer(where), []
    for name in names:
        target = folder / (PurePosixPath(name).relative_to(base) if base else "download")
        files.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(name, "rb") as source, target.open("wb") as stream:
            transfer.copy(source.read, stream)
    return TableFiles(files, folder if base else None, left_out)


def _stored_files(storage: Any, path: str) -> tuple[list[str], str | None, list[str]]:
    """The files that a path of a storage names, the folder that they are in (None for one file), and what is left out there."""
    is_pattern = has_wildcard(path.partition("?")[0])  # what follows is a version or a signature
    if is_pattern:
        found, base = storage.glob(path), fixed_folder(path)
    elif storage.isdir(path):
        found, base = storage.find(path), path
    else:
        return [path], None, []
    names = {PurePosixPath(name).relative_to(base): name for name in sorted(found) if storage.isfile(name)}
    taken, left_out = chosen_names(names, is_folder=not is_pattern)
    return [names[name] for name in taken], base, left_out
