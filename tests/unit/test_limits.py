"""What comes in is bounded: a small file that stands for a huge one is refused, with the limit and how to raise it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config import limits
from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.config.limits import JSON_BYTES, YAML_BYTES, YAML_DEPTH, YAML_VALUES, Limit
from lockgate.config.machine_lock import machine_lock
from lockgate.config.yaml_file import parse_yaml, read_yaml

FRUIT = Limit("LOCKGATE_MAX_FRUIT", 3, "apples")


class TestLimit:
    def test_what_is_within_passes_and_what_is_beyond_names_limit_and_variable(self) -> None:
        FRUIT.require(3, "the basket")
        with pytest.raises(InputError) as refused:
            FRUIT.require(4_000, "the basket")
        assert str(refused.value) == (
            "the basket has 4,000 apples, and the limit is 3; make it smaller, or raise the limit: "
            "LOCKGATE_MAX_FRUIT=4000 in the environment"
        )

    def test_the_environment_raises_and_lowers_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCKGATE_MAX_FRUIT", "5")
        FRUIT.require(5, "the basket")
        monkeypatch.setenv("LOCKGATE_MAX_FRUIT", "2")
        with pytest.raises(InputError, match="the limit is 2"):
            FRUIT.require(3, "the basket")

    @pytest.mark.parametrize("text", ["0", "-1", "many", "1e6", "\u0663", "9" * 30])
    def test_what_is_no_number_is_refused(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("LOCKGATE_MAX_FRUIT", text)
        with pytest.raises(InputError, match="LOCKGATE_MAX_FRUIT must be a whole number above 0"):
            FRUIT.require(1, "the basket")


def billion_laughs(levels: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


class TestYaml:
    def write(self, folder: Path, text: str) -> Path:
        (folder / "params.yaml").write_text(text)
        return folder / "params.yaml"

    def test_aliases_that_expand_are_counted_before_they_are_built(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=rf"params\.yaml has .* values once its aliases.*{YAML_VALUES.variable}="):
            read_yaml(self.write(tmp_path, billion_laughs()))

    def test_merged_maps_that_expand_are_too(self, tmp_path: Path) -> None:
        lines = ["m0: &m0 {" + ", ".join(f"k{number}: 1" for number in range(100)) + "}"]
        lines += [f"m{level}: &m{level} {{a: *m{level - 1}, b: *m{level - 1}}}" for level in range(1, 30)]
        with pytest.raises(InputError, match=YAML_VALUES.variable):
            read_yaml(self.write(tmp_path, "\n".join(lines)))

    def test_an_alias_or_two_are_welcome(self, tmp_path: Path) -> None:
        text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\nd: &d 3\ne: *d\n"
        found = read_yaml(self.write(tmp_path, text))
        assert found == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}, "d": 3, "e": 3}

    def test_an_alias_of_itself_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"params\.yaml: the alias `\*a` stands for something that holds it"):
            read_yaml(self.write(tmp_path, "a: &a [*a]"))

    def test_deep_and_large_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=rf"levels of nesting.*{YAML_DEPTH.variable}="):
            read_yaml(self.write(tmp_path, "a: " + "[" * 1000 + "]" * 1000))
        with pytest.raises(InputError, match=rf"has 1,000,001 bytes.*{YAML_BYTES.variable}="):
            read_yaml(self.write(tmp_path, "#" * 1_000_001))

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: 1\na: 2", "line 2: a key stands there twice"),
            ("a: {b: 1, b: 2}", "line 1: a key stands there twice"),
            ("a: !!python/object/apply:os.system [id]", "line 1 is not valid YAML"),
            ("a: !secret x", "line 1 is not valid YAML"),
        ],
    )
    def test_keys_twice_and_tags_are_refused(self, tmp_path: Path, text: str, problem: str) -> None:
        with pytest.raises(InputError, match=problem):
            read_yaml(self.write(tmp_path, text))

    def test_no_pipe_is_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "params.yaml")
        with pytest.raises(InputError, match=r"params\.yaml cannot be read.*a folder, a pipe or a device"):
            read_yaml(tmp_path / "params.yaml")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "y"]),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=30,
        )
    )
    def test_the_count_is_of_what_is_built(self, value: object) -> None:
        def count(one: object) -> int:
            if isinstance(one, dict):
                return 1 + sum(1 + count(inner) for inner in one.values())
            return 1 + sum(map(count, one)) if isinstance(one, list) else 1

        text, values = json.dumps({"twice": value}), count({"twice": value})
        aliased = f"twice: &v {json.dumps(value)}\nagain: *v"
        for written, expected in ((text, values), (aliased, count({"twice": value, "again": value}))):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(YAML_VALUES.variable, str(expected))
                parse_yaml(written, "it")
                if expected > 1:
                    patch.setenv(YAML_VALUES.variable, str(expected - 1))
                    with pytest.raises(InputError, match=f"{expected} values"):
                        parse_yaml(written, "it")


class TestMachineLock:
    @pytest.fixture
    def shared(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The temporary folder that all users of a machine share."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return tmp_path

    def test_locks_lie_in_a_folder_of_ones_own(self, shared: Path) -> None:
        for _ in range(2):
            with machine_lock("a registry"):
                (folder,) = shared.iterdir()
                assert (folder.stat().st_mode & 0o777, len(list(folder.iterdir()))) == (0o700, 1)

    @pytest.mark.parametrize("kind", ["a link", "open to others", "a file"])
    def test_a_folder_that_somebody_else_may_have_made_is_refused(self, shared: Path, kind: str) -> None:
        folder, elsewhere = shared / f"lockgate-{os.getuid()}", shared / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        if kind == "a link":
            folder.symlink_to(elsewhere)
        elif kind == "a file":
            folder.write_text("")
        else:
            folder.mkdir()
            folder.chmod(0o777)
        with pytest.raises(InputError, match=r"the folder of locks.*TMPDIR"), machine_lock("a registry"):
            pass
        assert list(elsewhere.iterdir()) == []

    def test_another_users_folder_is_refused(self, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = os.getuid()
        (shared / f"lockgate-{own + 1}").mkdir(mode=0o700)
        monkeypatch.setattr(os, "getuid", lambda: own + 1)
        with pytest.raises(InputError, match="somebody else's"), machine_lock("a registry"):
            pass


def test_a_limit_of_json_holds_for_files_without_a_type_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('{"a": "' + "x" * 100 + '"}')
    monkeypatch.setenv(JSON_BYTES.variable, "50")
    with pytest.raises(InputError, match=rf"a\.json has 109 bytes.*{JSON_BYTES.variable}=109"):
        read_json(tmp_path / "a.json", "fix it")


def test_every_limit_is_documented_with_its_default() -> None:
    documents = [path.read_text() for path in (Path(__file__).parents[2] / "docs").glob("*.md")]
    known = [one for one in vars(limits).values() if isinstance(one, Limit)]
    assert len(known) > 5
    for one in known:
        rows = [line for text in documents for line in text.splitlines() if f"`{one.variable}`" in line]
        default = (f"{one.default:,}", f"{one.default // 1_000_000} MB")
        assert any(shown in line for line in rows for shown in default), one.variable
