"""No URL, and no sentence with one, shows what may be secret in it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.credentials import safe_url, without_credentials

SECRET = st.text(alphabet="@/#?:&=%;,'\")].~+-_aZ9", max_size=12).map(lambda middle: f"s3cr{middle}et5")
PLACES = (
    "https://{}@host.example/data.csv",
    "https://user:{}@host.example:8443/data.csv",
    "postgresql+psycopg2://user:{}@host.example/db",
    "http://user:{}@[::1]:5000",
    "https://host.example/data.csv?token={}",
    "https://host.example/data.csv?a=b&sig={}#part",
    "https://host.example/#access_token={}",
    "https://user:{}@host.example/data.csv?sig=5&a=b",
)


@given(secret=SECRET, place=st.sampled_from(PLACES))
def test_no_part_of_a_secret_is_shown_whatever_it_holds(secret: str, place: str) -> None:
    url = place.format(secret)

    for shown in (safe_url(url), without_credentials(f"MLflow at {url} failed"), without_credentials(f"('{url}',)")):
        assert "s3cr" not in shown
        assert "et5" not in shown
        assert shown.startswith(("http", "postgresql", "MLflow at ", "('"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("raw/loans.csv", "raw/loans.csv"),
        ("https://user:secret@data.example:8443/loans.csv?v=secret#secret", "https://data.example:8443/loans.csv"),
        ("postgresql://u:p@ss/w@db.example/mlflow", "postgresql://db.example/mlflow"),
        ("postgresql://u:p#w@db.example/mlflow", "postgresql://***"),
        ("https://token@mlflow.example", "https://mlflow.example"),
        ("https://user:unfinished", "https://***"),
        ("https://b.s3.example/k.csv?X-Amz-Credential=A&X-Amz-Signature=c", "https://b.s3.example/***"),
        ("https://a.blob.example/c/k.csv?sv=2024&sig=x%3D", "https://a.blob.example/***"),
        ("https://hooks.example/services/T0001/B0001/Zq7fYx2LmN8pRs4TuV6wKd3e", "https://hooks.example/services/T0001/B0001/***"),
        ("https://github.example/o/r/pull/3#issuecomment-12", "https://github.example/o/r/pull/3#issuecomment-12"),
        ("https://github.example/o/r/commit/0123456789abcdef0123456789abcdef01234567",) * 2,
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("mongodb://u:p@one:27017,two:27017/db", "mongodb://one:27017,two:27017/db"),
        ("s3://bucket/path/train.parquet", "s3://bucket/path/train.parquet"),
    ],
)  # fmt: skip
def test_what_is_public_in_every_reading_is_shown(url: str, shown: str) -> None:
    assert safe_url(url) == shown
    assert without_credentials(f"cannot read {url}; check it") == f"cannot read {shown}; check it"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Max retries exceeded with url: /a/b?sig=x&b=c (Caused by", "Max retries exceeded with url: /a/b?*** (Caused by"),
        ("could not connect: host=h password='hunter2' dbname=d", "could not connect: host=h password='***' dbname=d"),
        ("AccountName=a;AccountKey=abc==;Suffix=x", "AccountName=a;AccountKey=***;Suffix=x"),
        ("headers {'Authorization': 'Bearer abc.def'}", "headers {'Authorization': 'Bearer ***'}"),
        ("bad token ghp_0123456789abcdef0123", "bad token ***"),
        ("is it there? a = b", "is it there? a = b"),
        ("(see https://host.example/page).", "(see https://host.example/page)."),
    ],
)  # fmt: skip
def test_a_sentence_keeps_its_words_and_loses_its_secrets(said: str, shown: str) -> None:
    assert without_credentials(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("nonnumeric port: 'p@ss/w@db.example'", "nonnumeric port: '***'"),
        (
            'could not translate host name "ss/w@db.example" to address',
            'could not translate host name "***" to address',
        ),
        ("db.example:5432 refuses; is the server up?", "db.example:5432 refuses; is the server up?"),
    ],
)
def test_a_part_of_a_url_that_a_library_repeats_is_hidden_too(said: str, shown: str) -> None:
    assert without_credentials(said, "postgresql://user:p@ss/w@db.example:5432/mlflow") == shown


@pytest.mark.parametrize("piece", ["a", "a?", "a,", "://", "@", "token", "aA1", ")", "https://a:", "authorization: "])
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    start = time.perf_counter()
    without_credentials(piece * (400_000 // len(piece)))
    assert time.perf_counter() - start < 5
