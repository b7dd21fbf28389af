"""A table on S3 is read as one on the disk, with the credentials of the environment."""

from __future__ import annotations

import hashlib

import pytest
from remotes import BUCKET, CREDENTIALS, s3_remote

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.sources import read_source_table


def test_a_file_a_folder_and_a_pattern_are_read_and_what_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_remote() as remote:
        monkeypatch.setenv("AWS_ENDPOINT_URL", remote.endpoint)
        remote.write("loans/a.csv", b"x\n1\n")
        remote.write("loans/b.csv", b"x\n2\n")
        remote.write("loans/.c.csv", b"x\n3\n")
        one = read_source_table(f"s3://{BUCKET}/loans/a.csv", "prepare.source", Read())
        assert one.columns.to_pydict() == {"x": ["1"]}
        assert one.sha256 == hashlib.sha256(b"x\n1\n").hexdigest()
        for location in ("loans", "loans/*.csv"):
            table = read_source_table(f"s3://{BUCKET}/{location}", "prepare.source", Read())
            assert table.columns.to_pydict() == {"x": ["1", "2"]}
        with pytest.raises(InputError, match=rf"^prepare\.source: s3://{BUCKET}/no\.csv does not exist"):
            read_source_table(f"s3://{BUCKET}/no.csv", "prepare.source", Read())
