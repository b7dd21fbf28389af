"""Git through the API, over a real bare repository whose folder is `git_dir` in the state.

What a test finds there with git itself is what GitHub would have made of the requests.
"""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from fake_github.call import NOT_FOUND, Answer, Call, operation, refusal

_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "github-actions[bot]"), ("EMAIL", "actions@example.invalid"))
}


def git(call: Call, *arguments: str, given: bytes = b"", **environment: str) -> bytes | None:
    """What git prints, or None where it says no."""
    done = subprocess.run(
        ["git", f"--git-dir={call.state['git_dir']}", *arguments],
        input=given,
        capture_output=True,
        check=False,
        env={**os.environ, **_WHO, **environment},
    )
    return done.stdout if done.returncode == 0 else None


def _line(call: Call, *arguments: str, given: bytes = b"", **environment: str) -> str | None:
    found = git(call, *arguments, given=given, **environment)
    return None if found is None else found.decode().strip()


def _ref(call: Call, name: str, sha: str) -> dict[str, Any]:
    kind = "tag" if _line(call, "cat-file", "-t", sha) == "tag" else "commit"
    object_ = {"type": kind, "sha": sha, "url": call.repository_url(f"/git/{kind}s/{sha}")}
    return {
        **call.description.example("git-ref"),
        "ref": name,
        "url": call.repository_url(f"/git/{name}"),
        "object": object_,
    }


def _commit(call: Call, sha: str) -> dict[str, Any] | None:
    found = _line(call, "log", "-1", "--format=%T%n%P%n%B", sha)
    if found is None:
        return None
    tree, parents, message = [*found.split("\n", 2), "", ""][:3]
    return {
        **call.description.example("git-commit"),
        "sha": sha,
        "message": message,
        "url": call.repository_url(f"/git/commits/{sha}"),
        "tree": {"sha": tree, "url": call.repository_url(f"/git/trees/{tree}")},
        "parents": [
            {
                "sha": parent,
                "url": call.repository_url(f"/git/commits/{parent}"),
                "html_url": f"https://github.com/{parent}",
            }
            for parent in parents.split()
        ],
    }


def _tree(call: Call, sha: str, *options: str) -> dict[str, Any] | None:
    listed = _line(call, "ls-tree", *options, sha)
    if listed is None:
        return None
    entries = []
    for line in listed.splitlines():
        about, _, path = line.partition("\t")
        mode, kind, blob = about.split()
        entries.append(
            {"path": path, "mode": mode, "type": kind, "sha": blob, "url": call.repository_url(f"/git/blobs/{blob}")}
        )
    return {"sha": sha, "url": call.repository_url(f"/git/trees/{sha}"), "tree": entries, "truncated": False}


@operation("git/get-ref")
def get_ref(call: Call) -> Answer:
    """A branch or a tag, by `heads/NAME` or `tags/NAME`."""
    name = f"refs/{call.path['ref']}"
    sha = _line(call, "rev-parse", "--verify", "--quiet", name)
    return Answer(200, _ref(call, name, sha)) if sha else NOT_FOUND


@operation("git/list-matching-refs")
def matching_refs(call: Call) -> Answer:
    """All that begin with this, which may be none."""
    start = f"refs/{call.path['ref']}"
    lines = (_line(call, "for-each-ref", "--format=%(refname) %(objectname)") or "").splitlines()
    found = [line.split() for line in lines if line.startswith(start)]
    return call.page([_ref(call, name, sha) for name, sha in found])


@operation("git/create-ref")
def create_ref(call: Call) -> Answer:
    """A new branch or tag; one that is there already is refused."""
    name, sha = call.body["ref"], call.body["sha"]
    if git(call, "cat-file", "-e", sha) is None:
        return refusal(422, "Object does not exist")
    if git(call, "update-ref", name, sha, "0" * 40) is None:
        return refusal(422, "Reference already exists")
    return Answer(201, _ref(call, name, sha))


@operation("git/update-ref")
def update_ref(call: Call) -> Answer:
    """Moves a branch, forward only unless it is forced."""
    name, sha = f"refs/{call.path['ref']}", call.body["sha"]
    before = _line(call, "rev-parse", "--verify", "--quiet", name)
    if before is None:
        return refusal(422, "Reference does not exist")
    if not call.body.get("force") and git(call, "merge-base", "--is-ancestor", before, sha) is None:
        return refusal(422, "Update is not a fast forward")
    git(call, "update-ref", name, sha)
    return Answer(200, _ref(call, name, sha))


@operation("git/get-commit")
def get_commit(call: Call) -> Answer:
    """One commit."""
    found = _commit(call, call.path["commit_sha"])
    return Answer(200, found) if found else NOT_FOUND


@operation("git/create-commit")
def create_commit(call: Call) -> Answer:
    """A commit of a tree, with any number of parents."""
    parents = [word for parent in call.body.get("parents", []) for word in ("-p", parent)]
    sha = _line(call, "commit-tree", call.body["tree"], *parents, given=call.body["message"].encode())
    found = _commit(call, sha) if sha else None
    return Answer(201, found) if found else refusal(422, "Tree or parent does not exist")


@operation("git/get-tree")
def get_tree(call: Call) -> Answer:
    """The entries of one folder; `recursive`, whatever its value, those of the folders in it too."""
    found = _tree(call, call.path["tree_sha"], *(("-r", "-t") if "recursive" in call.query else ()))
    return Answer(200, found) if found else NOT_FOUND


@operation("git/create-tree")
def create_tree(call: Call) -> Answer:
    """A tree from contents, over another tree or none."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        base = call.body.get("base_tree")
        if base and git(call, "read-tree", base, **index) is None:
            return refusal(422, "base_tree does not exist")
        for entry in call.body["tree"]:
            sha = entry.get("sha") or _line(call, "hash-object", "-w", "--stdin", given=entry["content"].encode())
            git(call, "update-index", "--add", "--cacheinfo", f"{entry['mode']},{sha},{entry['path']}", **index)
        written = _line(call, "write-tree", **index)
    return Answer(201, _tree(call, str(written)))


@operation("git/get-blob")
def get_blob(call: Call) -> Answer:
    """The content of a file of any commit."""
    sha = call.path["file_sha"]
    content = git(call, "cat-file", "blob", sha)
    if content is None:
        return NOT_FOUND
    about = {"sha": sha, "node_id": sha, "size": len(content), "url": call.repository_url(f"/git/blobs/{sha}")}
    return Answer(200, {**about, "encoding": "base64", "content": base64.encodebytes(content).decode()})


@operation("repos/get-content")
def get_content(call: Call) -> Answer:
    """A file on a branch; beyond the size that GitHub gives as base64 without its content."""
    path, ref = call.path["path"], call.query.get("ref", call.state["default_branch"])
    content = git(call, "cat-file", "blob", f"{ref}:{path}")
    if content is None:
        return NOT_FOUND
    is_large = len(content) > 1_000_000
    url = call.repository_url(f"/contents/{path}")
    return Answer(
        200,
        {
            "type": "file",
            "encoding": "none" if is_large else "base64",
            "size": len(content),
            "name": path.rpartition("/")[2],
            "path": path,
            "content": "" if is_large else base64.encodebytes(content).decode(),
            "sha": _line(call, "rev-parse", f"{ref}:{path}"),
            "url": url,
            "git_url": url,
            "html_url": url,
            "download_url": url,
            "_links": {"self": url, "git": url, "html": url},
        },
    )
