"""Archives that are damaged in the middle, where zipfile's own check of the structure sees nothing."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from lockgate.ci.pr_comment.artifact import ArtifactError, read_zip


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("gate.json", bytes(range(256)) * 64)
    return stream.getvalue()


def test_bad_deflate_data_is_a_refusal() -> None:
    content = bytearray(archive())
    start = 30 + len("gate.json")  # of the data, behind the local header
    content[start : start + 8] = b"\xff" * 8
    with pytest.raises(zlib.error):  # what would end the job with a traceback
        zipfile.ZipFile(io.BytesIO(bytes(content))).read("gate.json")
    with pytest.raises(ArtifactError, match="not a readable ZIP"):
        read_zip(bytes(content))


def test_no_flipped_byte_is_anything_but_a_refusal_or_a_report() -> None:
    whole = archive()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 0x55
        try:
            read_zip(bytes(content))
        except ArtifactError:
            continue
