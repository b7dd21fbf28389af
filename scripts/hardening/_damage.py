"""A thousand ways in which a bundle can be wrong: broken by a disk, cut off by a network, mixed up or edited by a person."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
VERDICT = "gate.json"
DEEP = 100_000
NASTY: list[Any] = [
    *(None, True, -1, 0, 2**70, 10**400, -0.0, 0.1, 1e308, float("inf"), float("nan")),
    *("", "\u0000", "x" * 100_000, "../../etc/passwd", "0" * 64),
    *([], {}, [1], [[]], [{}], {"": {}}, ["a", "a"]),
]

Damage = Callable[[random.Random, Path], None]


def files(folder: Path) -> list[Path]:
    """The files that the manifest names."""
    names = json.loads((folder / MANIFEST).read_bytes())["files"]
    return [folder / name for name in sorted(names)]


def any_file(chance: random.Random, folder: Path) -> Path:
    """One of them, or the manifest."""
    return chance.choice([*files(folder), folder / MANIFEST])


def flip_a_bit(chance: random.Random, folder: Path) -> None:
    path = any_file(chance, folder)
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut_off(chance: random.Random, folder: Path) -> None:
    path = any_file(chance, folder)
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def grow(chance: random.Random, folder: Path) -> None:
    path = any_file(chance, folder)
    path.write_bytes(path.read_bytes() + chance.choice([b" ", b"\n", b"\0", b"{}", chance.randbytes(1000)]))


def zero_a_block(chance: random.Random, folder: Path) -> None:
    path = any_file(chance, folder)
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    path.write_bytes(content)


def exchange_two(chance: random.Random, folder: Path) -> None:
    one, other = chance.sample(files(folder), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def remove(chance: random.Random, folder: Path) -> None:
    any_file(chance, folder).unlink()


def replace_by_something_else(chance: random.Random, folder: Path) -> None:
    """A folder, a pipe that nobody writes to, a link to itself, to nothing, or to a device that never ends."""
    path = any_file(chance, folder)
    path.unlink()
    chance.choice(
        [
            path.mkdir,
            lambda: os.mkfifo(path),
            *(lambda to=to: path.symlink_to(to) for to in (path, "absent", "/dev/zero")),
        ]
    )()


def fill_with_rubbish(chance: random.Random, folder: Path) -> None:
    path = any_file(chance, folder)
    path.write_bytes(
        chance.choice([b"", b"null", b"[]", b"[" * DEEP, b'{"a":' * DEEP, b"9" * DEEP, chance.randbytes(5000)])
    )


def edit_the_manifest(chance: random.Random, folder: Path) -> None:
    edit(chance, folder / MANIFEST)


def name_a_strange_file(chance: random.Random, folder: Path) -> None:
    """Files beside, above, or nowhere; names that no system takes."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    name = chance.choice(
        ["../gate.json", "/etc/passwd", "a" * 5000, "a\0b", ".", "", "model.json/", "\ud800", "more.json"]
    )
    manifest["files"][name] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))


def edit_and_make_the_manifest_fit(chance: random.Random, folder: Path) -> None:
    """The hashes are right, so that only the parsers, and in the end the verdict on another digest, can refuse it."""
    path = chance.choice([one for one in files(folder) if one.suffix == ".json"])
    edit(chance, path)
    fit(folder, path)


def damage_and_make_the_manifest_fit(chance: random.Random, folder: Path) -> None:
    path = chance.choice(files(folder))
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 8])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
    fit(folder, path)


def spoil_the_verdict(chance: random.Random, folder: Path) -> None:
    """As it lies beside the bundle: another model's, another word, a check that did not pass, half of it, none."""
    path = folder / VERDICT
    result = json.loads(path.read_bytes())
    what = chance.randrange(7)
    if what == 0:
        result["model"] = "0" * 64
    elif what == 1:
        result["verdict"] = chance.choice(["block", "inconclusive", "PASS", "", None, True, ["pass"]])
    elif what == 2:
        chance.choice(result["checks"])["status"] = "block"
    elif what == 3:
        result["checks"] = chance.choice([[], None, {}, "pass", [None]])
    elif what == 4:
        path.unlink()
        return
    content = json.dumps(result).encode()
    path.write_bytes(b"[" * DEEP if what == 5 else content[: chance.randrange(len(content))] if what == 6 else content)


def edit(chance: random.Random, path: Path) -> None:
    """Change one place of a JSON document: another value, a key lost, renamed or there twice, an entry too many."""
    document = json.loads(path.read_bytes())
    before = json.dumps(document)
    while (content := json.dumps(document)) == before:
        holder = chance.choice(list(_holders(document)))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = chance.choice(keys)
        what = chance.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)
        elif what == 2 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = chance.choice(NASTY)
    path.write_bytes(content.encode())


def fit(folder: Path, path: Path) -> None:
    """Name the file's new hash in the manifest."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"][path.name] = sha256(path.read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _holders(value: Any) -> list[Any]:
    """Every object and list in a document, itself included; of long lists the first entries."""
    if not isinstance(value, dict | list):
        return []
    inside = list(value.values()) if isinstance(value, dict) else value[:50]
    return [value, *(holder for one in inside for holder in _holders(one))]


DAMAGES: dict[str, Damage] = {
    "a bit flipped": flip_a_bit,
    "cut off": cut_off,
    "grown": grow,
    "a block of zeros": zero_a_block,
    "two files exchanged": exchange_two,
    "a file lost": remove,
    "no file but something else": replace_by_something_else,
    "rubbish": fill_with_rubbish,
    "the manifest edited": edit_the_manifest,
    "a strange name in the manifest": name_a_strange_file,
    "edited, with fitting hashes": edit_and_make_the_manifest_fit,
    "damaged, with fitting hashes": damage_and_make_the_manifest_fit,
    "the verdict spoilt": spoil_the_verdict,
}
