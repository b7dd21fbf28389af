"""Images in a registry, by digest, with skopeo: it pushes without a tag, and tags without changing a byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lockgate.ci.release.tools import SECONDS, ToolError, ask_server, run_tool
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes

REVISION_LABEL = "org.opencontainers.image.revision"
MODEL_LABEL = "lockgate.model.digest"
LAYOUT_NAME = "release"
_ABSENT = re.compile(r"manifest[ _]unknown|name[ _]unknown|repository name not known", re.IGNORECASE)
_LOOPBACK = re.compile(r"(127\.\d+\.\d+\.\d+|localhost)(:\d+)?/")


def log_in(repository: str, username: str, password: str, credentials: Path) -> None:
    """Log in to the registry of `repository`; what is known of it then is in the file `credentials` alone."""
    host = repository.split("/", 1)[0]
    ask_server(
        "skopeo", "login", *_tls(repository), host, "--authfile", str(credentials), "--username", username, "--password-stdin",
        what=f"log in to {host} as {username}", text=password,
    )  # fmt: skip


def find_digest(reference: str) -> str | None:
    """The digest of `repository:tag` or `repository@digest` in its registry, or None where it is not there.

    Raises ToolError where the registry does not say which of the two it is: no answer is not an absence.
    """
    try:
        manifest = ask_server(
            "skopeo", "inspect", "--raw", *_tls(reference), f"docker://{reference}", what=f"look for {reference}"
        )
    except ToolError as error:
        if _ABSENT.search(error.said):
            return None
        raise
    return f"sha256:{sha256_bytes(manifest)}"


def image_labels(reference: str) -> dict[str, str]:
    """The labels of an image in a registry."""
    content = ask_server(
        "skopeo", "inspect", "--config", "--raw", *_tls(reference), f"docker://{reference}",
        what=f"read the labels of {reference}",
    )  # fmt: skip
    labels = (json.loads(content).get("config") or {}).get("Labels") or {}
    return {str(name): str(value) for name, value in labels.items()}


def require_labels(reference: str, model: str, commit: str) -> None:
    """Raises InputError unless the image says that it holds `model` and was built from `commit`."""
    labels = image_labels(reference)
    for label, expected in ((MODEL_LABEL, model), (REVISION_LABEL, commit)):
        if labels.get(label) != expected:
            raise InputError(
                f"{reference} is labelled {label}={labels.get(label)!r}, not {expected!r}; it is another release's image"
            )


def pack_image(image: str, folder: Path) -> str:
    """Write docker's local `image` as an OCI layout into `folder` and return its digest.

    The digest is known before anything is pushed. Raises InputError unless its layers are exactly the local ones,
    which were started and asked.
    """
    archive = folder / "docker.tar"
    layout = folder / "layout"
    what = f"pack the image {image}"
    run_tool("docker", "save", "--output", str(archive), image, what=what)
    run_tool("skopeo", "copy", f"docker-archive:{archive}", f"oci:{layout}:{LAYOUT_NAME}", what=what)
    archive.unlink()
    local = run_tool("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image, what=what)
    manifest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    config = _blob(layout, json.loads(_blob(layout, manifest))["config"]["digest"])
    if json.loads(config)["rootfs"]["diff_ids"] != json.loads(local):
        raise InputError(f"the packed image has other layers than {image} has in docker; build it again")
    return str(manifest)


def push_image(folder: Path, repository: str, digest: str) -> None:
    """Push the packed image in `folder` under its digest and no tag; pushing it again changes nothing."""
    ask_server(
        "skopeo", "copy", "--preserve-digests", *_tls(repository, "dest-"), f"oci:{folder / 'layout'}:{LAYOUT_NAME}",
        f"docker://{repository}@{digest}", what=f"push {repository}@{digest}", seconds=SECONDS,
    )  # fmt: skip


def tag_image(repository: str, digest: str, tag: str, moving: bool = False) -> bool:
    """Give the pushed image a tag; False where it has it already.

    Raises InputError where the tag exists with another digest, unless it is a moving one.
    """
    now = find_digest(f"{repository}:{tag}")
    if now == digest:
        return False
    if now is not None and not moving:
        raise InputError(
            f"{repository}:{tag} exists and is {now}, not {digest}; a release's tag never moves: "
            "release under a new version"
        )
    ask_server(
        "skopeo", "copy", "--preserve-digests", *_tls(repository, "src-"), *_tls(repository, "dest-"),
        f"docker://{repository}@{digest}", f"docker://{repository}:{tag}", what=f"tag {repository}:{tag}", seconds=SECONDS,
    )  # fmt: skip
    after = find_digest(f"{repository}:{tag}")
    if after != digest:
        raise InputError(f"{repository}:{tag} is {after} right after it was set to {digest}; look who else tags there")
    return True


def _blob(layout: Path, digest: str) -> Any:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def _tls(reference: str, side: str = "") -> list[str]:
    """A registry on this machine speaks plain HTTP, as docker itself assumes."""
    return [f"--{side}tls-verify=false"] if _LOOPBACK.match(reference) else []
