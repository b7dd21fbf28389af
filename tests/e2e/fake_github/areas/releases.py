"""Releases and their assets. State: releases = [{id, tag_name, name, body, draft, prerelease, target}],
assets = [{id, release, name, content (base64), state}], latest = id of the release that GitHub shows as latest."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from fake_github.call import NOT_FOUND, Answer, Call, operation, refusal


def _asset(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    content = base64.b64decode(entry["content"])
    tag = (call.find("releases", id=entry["release"]) or {}).get("tag_name")
    return {
        **call.description.example("release-asset"),
        "id": entry["id"],
        "name": entry["name"],
        "size": len(content),
        "state": entry.get("state", "uploaded"),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "url": call.repository_url(f"/releases/assets/{entry['id']}"),
        "browser_download_url": f"https://github.com/{call.state['repository']}/releases/download/{tag}/{entry['name']}",
    }


def _assets(call: Call, release: int) -> list[dict[str, Any]]:
    return [_asset(call, entry) for entry in call.entries("assets") if entry["release"] == release]


def _release(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        **call.description.example("release"),
        "id": entry["id"],
        "tag_name": entry["tag_name"],
        "target_commitish": entry.get("target", "main"),
        "name": entry.get("name"),
        "body": entry.get("body", ""),
        "draft": entry["draft"],
        "prerelease": entry.get("prerelease", False),
        "published_at": None if entry["draft"] else "2026-01-01T00:00:00Z",
        "assets": _assets(call, entry["id"]),
        "url": call.repository_url(f"/releases/{entry['id']}"),
        "assets_url": call.repository_url(f"/releases/{entry['id']}/assets"),
        "upload_url": f"{call.url}/uploads/repos/{call.state['repository']}/releases/{entry['id']}/assets{{?name,label}}",
        "html_url": f"https://github.com/{call.state['repository']}/releases/tag/{entry['tag_name']}",
    }


def _change(call: Call, entry: dict[str, Any]) -> None:
    for key in ("tag_name", "name", "body", "draft", "prerelease"):
        if key in call.body:
            entry[key] = call.body[key]
    entry["target"] = call.body.get("target_commitish", entry.get("target", "main"))
    wanted = str(call.body.get("make_latest", "true"))
    if wanted == "true" and not entry.get("draft") and not entry.get("prerelease"):
        call.state["latest"] = entry["id"]


@operation("repos/list-releases")
def list_releases(call: Call) -> Answer:
    """Newest first, drafts included: the token may write."""
    return call.page([_release(call, entry) for entry in reversed(call.entries("releases"))])


@operation("repos/create-release")
def create(call: Call) -> Answer:
    """A release; a second published one of a tag is refused, a second draft is not."""
    tag = call.body["tag_name"]
    if any(one["tag_name"] == tag and not one["draft"] for one in call.entries("releases")):
        return refusal(422, "Validation Failed", errors=[{"resource": "Release", "code": "already_exists"}])
    entry = call.add("releases", {"tag_name": tag, "draft": False, "prerelease": False})
    _change(call, entry)
    return Answer(201, _release(call, entry))


@operation("repos/get-latest-release")
def latest(call: Call) -> Answer:
    """The one marked as latest."""
    entry = call.find("releases", id=call.state.get("latest", 0))
    return Answer(200, _release(call, entry)) if entry else NOT_FOUND


@operation("repos/get-release-by-tag")
def by_tag(call: Call) -> Answer:
    """The published one of a tag."""
    entry = call.find("releases", tag_name=call.path["tag"], draft=False)
    return Answer(200, _release(call, entry)) if entry else NOT_FOUND


@operation("repos/update-release")
def update(call: Call) -> Answer:
    """Its text, and whether it is a draft or the latest."""
    entry = call.find("releases", id=int(call.path["release_id"]))
    if entry is None:
        return NOT_FOUND
    _change(call, entry)
    return Answer(200, _release(call, entry))


@operation("repos/delete-release")
def delete(call: Call) -> Answer:
    """With its assets."""
    entry = call.find("releases", id=int(call.path["release_id"]))
    if entry is None:
        return NOT_FOUND
    call.entries("releases").remove(entry)
    call.state["assets"] = [one for one in call.entries("assets") if one["release"] != entry["id"]]
    return Answer(204)


@operation("repos/list-release-assets")
def list_assets(call: Call) -> Answer:
    """In the order of upload."""
    return call.page(_assets(call, int(call.path["release_id"])))


@operation("repos/upload-release-asset")
def upload(call: Call) -> Answer:
    """A file; a name that is taken is refused."""
    release, name = int(call.path["release_id"]), call.query["name"]
    if call.find("releases", id=release) is None:
        return NOT_FOUND
    if call.find("assets", release=release, name=name):
        return refusal(422, "Validation Failed", errors=[{"resource": "ReleaseAsset", "code": "already_exists"}])
    content = base64.b64encode(call.raw).decode()
    return Answer(201, _asset(call, call.add("assets", {"release": release, "name": name, "content": content})))


@operation("repos/get-release-asset")
def get_asset(call: Call) -> Answer:
    """Its content, as `Accept: application/octet-stream` asks for; we ask for nothing else."""
    entry = call.find("assets", id=int(call.path["asset_id"]))
    return Answer(200, base64.b64decode(entry["content"])) if entry else NOT_FOUND


@operation("repos/delete-release-asset")
def delete_asset(call: Call) -> Answer:
    """Gone."""
    entry = call.find("assets", id=int(call.path["asset_id"]))
    if entry is None:
        return NOT_FOUND
    call.entries("assets").remove(entry)
    return Answer(204)
