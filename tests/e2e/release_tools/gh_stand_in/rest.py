"""`gh release` and `gh api`, as release-kit.yml calls them, over the REST API that GITHUB_API_URL names; `--jq` is jq's.

Like gh, a release with files is a draft until the last of them is there.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote


def ask(method: str, address: str, body: object = None, content: bytes | None = None) -> bytes:
    """What the API answers; gh ends with 1 where it refuses."""
    if "://" not in address:
        address = f"{os.environ['GITHUB_API_URL']}/{address}"
    data = content if content is not None else None if body is None else json.dumps(body).encode()
    headers = {
        "Authorization": f"token {os.environ['GH_TOKEN']}",
        "Accept": "application/octet-stream" if "/releases/assets/" in address else "application/vnd.github+json",
        "Content-Type": "application/json" if content is None else "application/octet-stream",
    }
    request = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        sys.exit(f"gh: {error.reason} (HTTP {error.code})")


def api(words: list[str]) -> None:
    """`gh api PATH [--method M] [-f NAME=TEXT] [-F NAME=JSON] [--jq EXPRESSION]`."""
    parser = argparse.ArgumentParser("gh api", allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("-f", dest="texts", action="append", default=[])
    parser.add_argument("-F", dest="values", action="append", default=[])
    parser.add_argument("--jq")
    given = parser.parse_args(words)
    body: dict[str, Any] = dict(item.split("=", 1) for item in given.texts)
    for item in given.values:
        name, _, value = item.partition("=")
        body[name] = json.loads(value)
    answer = ask(given.method, given.path, body or None)
    if given.jq:
        subprocess.run(["jq", "--raw-output", given.jq], input=answer, check=True)
    else:
        sys.stdout.write(answer.decode())


def release(words: list[str]) -> None:
    """`gh release view | download | create`."""
    parser = argparse.ArgumentParser("gh release", allow_abbrev=False)
    parser.add_argument("verb", choices=["view", "download", "create"])
    parser.add_argument("tag")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--repo", required=True)
    for name in ("--pattern", "--dir", "--title", "--notes"):
        parser.add_argument(name)
    for name in ("--verify-tag", "--latest", "--prerelease"):
        parser.add_argument(name, action="store_true")
    given = parser.parse_intermixed_args(words)
    if given.verb == "create":
        create(given)
        return
    found = json.loads(ask("GET", f"repos/{given.repo}/releases/tags/{quote(given.tag)}"))
    if given.verb == "view":
        sys.stdout.write(f"{found['name']}\n")
        return
    Path(given.dir).mkdir(parents=True, exist_ok=True)
    for asset in found["assets"]:
        if fnmatch.fnmatch(asset["name"], given.pattern):
            Path(given.dir, asset["name"]).write_bytes(ask("GET", asset["url"]))


def create(given: argparse.Namespace) -> None:
    """A draft, its files, and then the release."""
    if given.verify_tag:
        ask("GET", f"repos/{given.repo}/git/ref/tags/{quote(given.tag)}")
    about = {"tag_name": given.tag, "name": given.title, "body": given.notes, "prerelease": given.prerelease}
    made = json.loads(ask("POST", f"repos/{given.repo}/releases", {**about, "draft": True}))
    upload = made["upload_url"].partition("{")[0]
    for file in map(Path, given.files):
        ask("POST", f"{upload}?name={quote(file.name)}", content=file.read_bytes())
    latest = {"make_latest": "true"} if given.latest else {}
    ask("PATCH", made["url"], {"draft": False, **latest})
