"""Data from DVC's cache and remotes: what comes, what is missing, refused, late or damaged, and never used unseen."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.cli import main as dvc_main
from remotes import CREDENTIALS, LOGIN_PAGE, Folder, Http, HttpMood, Remote, http_remote, s3_remote

from lockgate.config.errors import InputError
from lockgate.dvc.child_process import SECONDS_VARIABLE
from lockgate.dvc.reproduce import make_repository, reproduce_project, update_imports, write_local_settings

ROOT = Path(__file__).parents[2]
STAGES = """\
stages:
  split:
    cmd: sort source.csv > data.txt && mkdir -p parts && cp source.csv parts/one && echo two > parts/two
    deps: [source.csv]
    outs: [data.txt, parts]
  fit:
    cmd: cat data.txt parts/one > model.txt && echo 0.7 > score.json
    deps: [data.txt, parts]
    params: [train.seed]
    outs: [model.txt]
    metrics: [{score.json: {cache: false}}]
"""
RESTORED = {"source.csv.dvc": "restored", "split": "restored", "fit": "ran"}  # score.json is in no cache
MADE = ("source.csv", "data.txt", "parts", "model.txt", "score.json")


@pytest.fixture(scope="module", autouse=True)
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


def dvc(folder: Path, *arguments: str) -> None:
    """DVC's own command, in this process: its import takes longer than what it does here."""
    with chdir(folder):
        assert dvc_main(list(arguments)) == 0


def reproduce(folder: Path, *targets: str) -> dict[str, str]:
    """What each stage did."""
    lines: list[str] = []
    stages = reproduce_project(folder, lines.append, targets)
    return {stage.name: stage.how for stage in stages}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two stages on imported data, reproduced once."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    (folder / "source.csv").write_text("a,b\n" + "1,2\n" * 50)
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "params.yaml").write_text("train: {seed: 1}\n")
    make_repository(folder)
    dvc(folder, "add", "--quiet", "source.csv")
    assert reproduce(folder) == {"source.csv.dvc": "unchanged", "split": "ran", "fit": "ran"}
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


def full(*values: object) -> pytest.ParameterSet:
    """A case of a full run."""
    return pytest.param(*values, marks=pytest.mark.full)


@pytest.fixture(params=["http", full("folder"), full("s3")])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    match request.param:
        case "http":
            with http_remote() as server:
                yield server
        case "s3":
            with s3_remote() as bucket:
                yield bucket
        case _:
            yield Folder(tmp_path / "store")


@pytest.fixture
def http() -> Iterator[Http]:
    with http_remote() as server:
        yield server


def connect(project: Path, remote: str) -> None:
    """Make a remote the default one."""
    config = project / ".dvc/config"
    config.write_text(f"{config.read_text()}    remote = store\n['remote \"store\"']\n    {remote}\n")


def clone(project: Path) -> None:
    """Leave of the project what git has of it."""
    shutil.rmtree(project / ".dvc/cache")
    for name in MADE:
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def pushed(project: Path, remote: Remote) -> dict[str, bytes]:
    """The bytes of the project, pushed, and then a clone of it."""
    connect(project, remote.config)
    dvc(project, "push")
    before = content(project)
    clone(project)
    return before


def documented_settings() -> list[str]:
    """The settings of an S3 remote in docs/data-remotes.md: the committed ones, and the key."""
    text = (ROOT / "docs/data-remotes.md").read_text()
    return re.findall(r"```ini\n(.*?)```", text.partition("## S3, setting by setting")[2], re.DOTALL)


@pytest.mark.full
def test_the_documented_settings_reach_s3(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with s3_remote() as bucket:
        committed, key = documented_settings()
        here = {
            "https://s3.example.com": bucket.endpoint,
            "eu-central-1": "us-east-1",
            "[core]\n": "[core]\n    no_scm = true\n",
        }
        for stated, used in here.items():
            assert stated in committed
            committed = committed.replace(stated, used)
        (project / ".dvc/config").write_text(committed)
        known, secret = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        write_local_settings(project, key.replace("...", known, 1).replace("...", secret, 1))
        dvc(project, "push")
        assert bucket.read()
        before = content(project)
        clone(project)
        assert reproduce(project) == RESTORED
        assert content(project) == before


def content(project: Path) -> dict[str, bytes]:
    files = [project / name for name in MADE if (project / name).is_file()] + sorted((project / "parts").glob("*"))
    return {str(file.relative_to(project)): file.read_bytes() for file in files}


def flip(path: Path) -> None:
    """One bit of a file, which keeps the time, the size and the inode by which DVC knows it."""
    times = path.stat()
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.chmod(0o644)
    with path.open("rb+") as stream:
        stream.write(damaged)
    path.chmod(times.st_mode)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cached(project: Path, name: str) -> Path:
    """A file of the project, as DVC's cache has it."""
    wanted = (project / name).read_bytes()
    return next(
        file for file in (project / ".dvc/cache/files").rglob("*") if file.is_file() and file.read_bytes() == wanted
    )


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def replace_object(remote: Remote, whole: bytes, damaged: bytes) -> bytes:
    """Put other bytes in the place of an object in the remote."""
    (path,) = [path for path, content in remote.read().items() if content == whole]
    remote.write(path, damaged)
    return damaged


def refuses(project: Path, *words: str) -> None:
    """Reproducing ends with one line that has all `words`."""
    with pytest.raises(InputError) as refused:
        reproduce(project)
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


class TestRemotes:
    def test_what_was_pushed_comes_back_and_no_stage_runs_for_it(self, project: Path, remote: Remote) -> None:
        before = pushed(project, remote)
        lock = (project / "dvc.lock").read_bytes()
        assert reproduce(project) == RESTORED
        assert content(project) == before
        assert (project / "dvc.lock").read_bytes() == lock
        assert set(reproduce(project).values()) == {"unchanged"}

    def test_stages_run_for_what_is_missing(self, project: Path, remote: Remote) -> None:
        connect(project, remote.config)
        source = (project / "source.csv").read_bytes()
        clone(project)
        (project / "source.csv").write_bytes(source)
        dvc(project, "add", "--quiet", "source.csv")
        assert reproduce(project) == {"source.csv.dvc": "unchanged", "split": "ran", "fit": "ran"}

    def test_data_that_are_nowhere_are_named(self, project: Path, remote: Remote) -> None:
        connect(project, remote.config)
        clone(project)
        refuses(project, "source.csv of source.csv.dvc is neither here nor in DVC's cache or DVC's remote `store` (")

    def test_a_damaged_object_is_refused_by_name_before_a_stage_uses_it(self, project: Path, remote: Remote) -> None:
        whole = pushed(project, remote)["data.txt"]
        damaged = replace_object(remote, whole, whole.replace(b"2", b"3", 1))
        refuses(project, f"data.txt has other bytes than dvc.lock says: md5 {md5(damaged)}, not {md5(whole)}")
        assert not (project / "model.txt").exists()

    @pytest.mark.parametrize("remote", ["folder", full("http"), full("s3")], indirect=True)
    def test_a_run_that_was_pushed_is_restored_where_there_is_no_lock(self, project: Path, remote: Remote) -> None:
        connect(project, remote.config)
        dvc(project, "push", "--run-cache")
        clone(project)
        (project / "dvc.lock").unlink()
        how = "ran" if isinstance(remote, Http) else "restored"  # over http DVC has no run cache
        assert reproduce(project) == {"source.csv.dvc": "restored", "split": how, "fit": "ran"}

    def test_a_remote_is_not_asked_for_what_is_here(self, project: Path) -> None:
        connect(project, "url = http://127.0.0.1:1/store")
        assert set(reproduce(project).values()) == {"unchanged"}
        (project / "data.txt").unlink()
        assert reproduce(project)["split"] == "restored"

    @pytest.mark.parametrize(
        ("mood", "words"),
        [
            (
                "forbidden",
                ("does not give the data of `source.csv.dvc`", "403", "check its address and its credentials"),
            ),
            full("broken", ("does not give the data of `source.csv.dvc`", "500")),
            ("partial", ("does not give the data of `source.csv.dvc`",)),
            ("html", ("source.csv has other bytes than source.csv.dvc says", md5(LOGIN_PAGE))),
            ("silent", ("did not give the data of `source.csv.dvc` within 2 s", SECONDS_VARIABLE)),
        ],
    )
    def test_a_server_on_its_bad_days(
        self, project: Path, http: Http, mood: HttpMood, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pushed(project, http)
        http.mood = mood
        if mood == "silent":
            monkeypatch.setenv(SECONDS_VARIABLE, "2")
        begin = time.monotonic()
        refuses(project, *words)
        assert time.monotonic() - begin < 60
        assert not (project / "data.txt").exists()

    @pytest.mark.parametrize(
        "config",
        [
            "url = http://someone:hunter2@127.0.0.1:1/x",
            full("url = s3://bucket/x\n    endpointurl = http://127.0.0.1:1"),  # which botocore tries five times
        ],
    )
    def test_nobody_listens(self, project: Path, config: str) -> None:
        connect(project, config)
        clone(project)
        refuses(project, "DVC's remote `store` (", "does not give the data of `source.csv.dvc`", "127.0.0.1:1")


class TestDamage:
    """One flipped bit in DVC's own cache, which nothing that DVC looks at shows."""

    @pytest.mark.parametrize(("name", "is_folder"), [("data.txt", False), ("parts/two", True)])
    def test_in_what_a_lock_names(self, project: Path, name: str, *, is_folder: bool) -> None:
        whole = (project / name).read_bytes()
        file = cached(project, name)
        for made in ("data.txt", "parts/one", "parts/two", "model.txt"):
            (project / made).unlink()
        flip(file)
        refuses(project, f"{name} has other bytes than dvc.lock says: md5 {md5(file.read_bytes())}, not {md5(whole)}")
        assert not (project / "model.txt").exists()
        if not is_folder:
            # As the message has it.
            (project / name).unlink()
            file.unlink()
            assert reproduce(project)["split"] == "ran"
            assert (project / name).read_bytes() == whole

    def test_in_an_earlier_run_that_no_lock_names(self, project: Path) -> None:
        file = cached(project, "model.txt")
        flip(file)
        for name in ("dvc.lock", "model.txt", "score.json"):
            (project / name).unlink()
        refuses(project, "model.txt has other bytes than dvc.lock says", md5(file.read_bytes()))
        assert not (project / "dvc.lock").exists() or md5(file.read_bytes()) not in (project / "dvc.lock").read_text()

    def test_in_files_that_are_here(self, project: Path) -> None:
        reproduce(project)  # DVC writes down their time and inode
        flip(project / "source.csv")
        refuses(project, "source.csv has other bytes than source.csv.dvc says")

    def test_in_a_dependency_that_no_stage_makes(self, project: Path) -> None:
        stages = project / "dvc.yaml"
        (project / "extra.txt").write_text("extra file\n")
        stages.write_text(stages.read_text().replace("deps: [data.txt, parts]", "deps: [data.txt, parts, extra.txt]"))
        assert reproduce(project)["fit"] == "ran"
        flip(project / "extra.txt")
        refuses(project, "extra.txt has other bytes than dvc.lock says", "run `touch extra.txt`")


class TestSettings:
    @pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
    def test_a_limit_that_is_none_is_refused(self, project: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(SECONDS_VARIABLE, text)
        refuses(project, f"{SECONDS_VARIABLE} is '{text}'; set it to a number of seconds above 0, such as 600")

    def test_what_dvc_cannot_read_is_one_line(self, project: Path) -> None:
        (project / "dvc.yaml").write_text("stages: {fit: {cmd: [], outs: 1}}\n")
        refuses(project, "dvc.yaml")

    def test_a_remote_that_nobody_configured_is_named(self, project: Path) -> None:
        (project / ".dvc/config").write_text(
            "[core]\n    analytics = false\n    remote = elsewhere\n    no_scm = true\n"
        )
        clone(project)
        refuses(project, "elsewhere")

    def test_an_update_ends_where_its_source_does_not(
        self, tmp_path: Path, http: Http, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_repository(tmp_path)
        http.objects["store/loans.csv"] = b"a\n"
        dvc(tmp_path, "import-url", "--quiet", f"http://127.0.0.1:{http.port}/store/loans.csv")
        http.mood = "silent"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(SECONDS_VARIABLE, "3")
        with pytest.raises(InputError, match=r"`dvc update` of `loans.csv.dvc` took longer than 3 s"):
            update_imports(["loans.csv.dvc"], print)

    def test_a_checkout_beside_the_project_shares_its_cache_and_logs_in_as_it_does(self, tmp_path: Path) -> None:
        project, base = tmp_path / "project", tmp_path / "base"
        for folder in (project, base):
            folder.mkdir()
        make_repository(project)
        (project / ".dvc/config.local").write_text(
            "[cache]\n    type = copy\n['remote \"store\"']\n    password = 100%\n"
        )
        make_repository(base, project / ".dvc/cache")
        settings = json.loads(dvc_settings(base))
        assert settings == {"cache": {"dir": str(project / ".dvc/cache"), "type": "copy"}, "password": "100%"}


def dvc_settings(folder: Path) -> str:
    """What DVC reads in config.local."""
    code = (
        "import json; from dvc.config import Config; local = Config('.dvc', validate=False).load_one('local')\n"
        "print(json.dumps({'cache': local['cache'], 'password': local['remote']['store']['password']}))"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
