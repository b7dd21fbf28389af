"""Documents and examples call the kit at one commit that never moves; only the root action has a tag that does."""

from __future__ import annotations

import re

import pytest
from documents.kit_release import COMMIT, VERSION, callers, reference, with_reference
from documents.tables import ROOT

from lockgate.config.version import __version__

REFERENCE = re.compile(r"OWNER/lockgate(?P<path>/[\w./-]+)?@(?P<ref>[^\s`]+(?: # v\S+)?)")
IN_PROSE = ("SHA", "<sha>")
SHA = "0123456789abcdef" * 2 + "01234567"


def test_every_call_is_of_the_one_release() -> None:
    """Stale: run scripts/docs."""
    found = [(path, one["path"], one["ref"]) for path in callers() for one in REFERENCE.finditer(path.read_text())]
    assert len({path for path, *_ in found}) > 5
    for path, called, ref in found:
        allowed = (reference(), *IN_PROSE) if called else ("v1",)
        assert ref in allowed, f"{path.relative_to(ROOT)}: OWNER/lockgate{called or ''}@{ref}"


def test_a_release_is_named_by_its_commit_and_before_the_first_by_the_tag_to_come() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}|", COMMIT)
    assert COMMIT or __version__ == VERSION
    assert reference("1.2.3", SHA) == f"{SHA} # v1.2.3"
    assert reference("1.2.3", "") == "v1.2.3"


@pytest.mark.parametrize("before", ["v0.0.1", f"{'f' * 40} # v0.0.1", "SHA"])
def test_a_new_release_takes_the_place_of_the_one_before(before: str) -> None:
    text = f"jobs:\n  a:\n    uses: OWNER/lockgate/.github/workflows/model.yml@{before}\n    # - uses: x@y\n"
    text += f"  - uses: OWNER/lockgate/.github/actions/train@{before}\n  - uses: OWNER/lockgate@v1\n"
    once = with_reference(text, reference("1.2.3", SHA))
    assert once.count(f"@{SHA} # v1.2.3\n") == 2
    assert "OWNER/lockgate@v1\n" in once
    assert with_reference(once, "v9.9.9") == with_reference(text, "v9.9.9")
