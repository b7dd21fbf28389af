"""What `dvc update` changed, taken from a job that ran a project's code: another version of the same data, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.ci.retrain.imports import imported_files, pack_imports, take_imports
from lockgate.config.errors import InputError

NAME = Path("data/loans.csv.dvc")
COMMITTED = """md5: 5f0ef3ae29fa2d0c7a4a1ea7ee4ea34a
frozen: true
deps:
- path: https://data.example/loans.csv
  etag: '"1"'
  size: 100
outs:
- md5: d41d8cd98f00b204e9800998ecf8427e
  size: 100
  hash: md5
  path: loans.csv
"""
UPDATED = COMMITTED.replace("'\"1\"'", "'\"2\"'").replace("size: 100", "size: 130").replace("d41d", "a41d")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout with an imported file."""
    return written(tmp_path / "checkout", COMMITTED)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """What the job that updated it left."""
    pack_imports([NAME], written(tmp_path / "other", UPDATED), tmp_path / "packed")
    return tmp_path / "packed"


def written(folder: Path, content: str) -> Path:
    (folder / NAME).parent.mkdir(parents=True)
    (folder / NAME).write_text(content)
    return folder


def test_another_version_of_the_same_data_is_taken(checkout: Path, packed: Path) -> None:
    take_imports([NAME], packed, checkout)
    assert (checkout / NAME).read_text() == UPDATED


def to_link(file: Path) -> None:
    other = file.rename(file.with_name("other"))
    file.symlink_to(other)


def replaced(before: str, after: str) -> Callable[[Path], object]:
    def spoil(file: Path) -> None:
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (replaced("https://data.example/loans.csv", "https://else.example/loans.csv"), "names other data"),
        (replaced("path: loans.csv", "path: ../params.yaml"), "names other data"),
        (replaced("frozen: true\n", "frozen: true\ncmd: id\n"), "names other data"),
        (replaced("frozen: true\n", ""), "names other data"),
        (replaced("outs:", "outs: ["), "is not valid YAML"),
        (lambda file: file.write_bytes(b"\xff"), "is not valid YAML"),
        (lambda file: file.unlink(), "is no plain file"),
        (to_link, "is no plain file"),
        (lambda file: file.write_text("#" * 1_000_001), "the limit is"),
    ],
)
def test_anything_else_is_refused_and_nothing_written(
    checkout: Path, packed: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(packed / NAME)
    with pytest.raises(InputError, match=words) as refused:
        take_imports([NAME], packed, checkout)
    assert len(str(refused.value).splitlines()) == 1
    assert (checkout / NAME).read_text() == COMMITTED


def test_names_are_a_line_each() -> None:
    assert imported_files("\n data/loans.csv.dvc\nmarch.dvc\n\n") == [NAME, Path("march.dvc")]


@pytest.mark.parametrize("name", ["params.yaml", "/etc/x.dvc", "../x.dvc", "a/../../x.dvc", "--force"])
def test_what_is_no_such_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="dvc-update"):
        imported_files(name)
