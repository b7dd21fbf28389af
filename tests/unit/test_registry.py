"""What the registry keeps, and what it does for a version: one a digest, and aliases that move forward."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow_stand_in import NAME, Server, three_versions

from lockgate.config.errors import InputError
from lockgate.registry.promote import promote_version
from lockgate.registry.promotions import (
    MAX_ROUNDS,
    Promotion,
    become_champion,
    last_promotion,
    log_name,
    read_promotions,
)
from lockgate.registry.registry import (
    CHALLENGER,
    CHAMPION,
    MAX_TRIES,
    Version,
    aliased_version,
    create_version,
    find_number,
    find_run,
    find_version,
    get_version,
    keep_lowest,
    known_absent,
    logged_model,
    make_registered_model,
    move_forward,
    registry_lock,
    required_champion,
    search_versions,
    tag_verdict,
    version_uri,
)

DIGEST, GATE, VERDICT, MODEL_ID = "lockgate.digest", "lockgate.gate", "lockgate.verdict", "lockgate.model_id"


def passed(server: Server, digest: str, **tags: str) -> Any:
    """A version as `lockgate register` makes it."""
    return server.create_model_version(NAME, "", {DIGEST: digest, VERDICT: "pass", GATE: f"gate of {digest}", **tags})


@pytest.fixture
def server() -> Server:
    """A registry with one registered model and no version."""
    made = Server()
    made.create_registered_model(NAME)
    return made


def test_a_version_is_what_its_tags_say(server: Server) -> None:
    passed(server, "a")
    server.create_model_version(NAME, "", {})
    assert find_number(server, NAME, 1) == Version(1, "a", "run 1", "gate of a")
    assert find_number(server, NAME, 2) == Version(2, "", "run 2", "")
    assert find_number(server, NAME, 3) is None


def test_all_pages_are_read(server: Server) -> None:
    for number in range(5):
        passed(server, str(number))
    assert [one.version for one in search_versions(server, f"name = '{NAME}'")] == [1, 2, 3, 4, 5]
    assert search_versions(server, "name = 'of nobody'") == []


def test_only_what_is_absent_is_passed_over(server: Server) -> None:
    for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE):
        with known_absent():
            raise MlflowException("there is none", code)
    with pytest.raises(MlflowException, match="something else"), known_absent():
        raise MlflowException("something else", INTERNAL_ERROR)
    server.broken = "get_model_version"
    with pytest.raises(InputError, match="it does not work"):
        find_number(server, NAME, 1)


def test_a_registered_model_is_made_once(server: Server) -> None:
    make_registered_model(server, "another")
    make_registered_model(server, NAME)
    assert set(server.versions) == {NAME, "another"}
    server.broken = "create_registered_model"
    with pytest.raises(InputError, match="it does not work"):
        make_registered_model(server, "a third")


def run(status: str, **tags: str) -> Any:
    return SimpleNamespace(info=SimpleNamespace(run_id="", status=status), data=SimpleNamespace(tags=tags))


def test_a_run_is_one_that_ended_well_with_exactly_this_bundle_in_it() -> None:
    server, bundle = Server(), SimpleNamespace(digest="a")
    assert find_run(server, bundle, NAME) is None  # type: ignore[arg-type]
    server.runs = {
        "cut off": run("RUNNING", **{DIGEST: "a", MODEL_ID: "m-0"}),
        "of another": run("FINISHED", **{DIGEST: "b", MODEL_ID: "m-1"}),
        "without a model": run("FINISHED", **{DIGEST: "a"}),
    }
    for name, one in server.runs.items():
        one.info.run_id = name
    assert find_run(server, bundle, NAME) is None  # type: ignore[arg-type]
    server.runs["whole"] = run("FINISHED", **{DIGEST: "a", MODEL_ID: "m-2"})
    server.runs["whole"].info.run_id = "whole"
    assert find_run(server, bundle, NAME) == "whole"  # type: ignore[arg-type]
    assert find_run(server, bundle, "another experiment") is None  # type: ignore[arg-type]
    assert logged_model(server, "whole") == "m-2"
    with pytest.raises(
        InputError, match=r"^run without a model has no logged model with a bundle; register the bundle again$"
    ):
        logged_model(server, "without a model")


def test_of_several_versions_of_a_digest_the_lowest_stays_and_takes_the_aliases_over(server: Server) -> None:
    for digest in ("other", "a", "a", "later", "a"):
        passed(server, digest)
    server.aliases = {CHALLENGER: "5", CHAMPION: "3", "mine": "4", "yours": "2"}
    assert find_version(server, NAME, "a") == Version(2, "a", "run 2", "gate of a")
    assert keep_lowest(server, NAME, "a") == Version(2, "a", "run 2", "gate of a")
    assert [one.version for one in server.versions[NAME]] == [1, 2, 4]
    assert server.aliases == {CHALLENGER: "2", CHAMPION: "2", "mine": "4", "yours": "2"}
    assert keep_lowest(server, NAME, "a") == Version(2, "a", "run 2", "gate of a")
    assert keep_lowest(server, NAME, "of nobody") is None
    assert find_version(server, NAME, "of nobody") is None


def test_a_surplus_version_that_somebody_else_removed_is_no_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digest in ("a", "a", "a"):
        passed(server, digest)
    delete = server.delete_model_version

    def removed_already(name: str, number: str) -> None:
        delete(name, number)
        delete(name, number)

    monkeypatch.setattr(server, "delete_model_version", removed_already)
    assert keep_lowest(server, NAME, "a") == Version(1, "a", "run 1", "gate of a")
    assert [one.version for one in server.versions[NAME]] == [1]


def test_a_verdict_is_named_at_its_version_and_a_version_at_its_place(server: Server) -> None:
    for digest in ("a", "b"):
        passed(server, digest)
    second = Version(2, "b", "", "")
    tag_verdict(server, NAME, second, "5e" * 32)
    assert find_number(server, NAME, 2) == Version(2, "b", "run 2", "5e" * 32)
    assert find_number(server, NAME, 1) == Version(1, "a", "run 1", "gate of a")
    assert version_uri(server, NAME, second) == "file:///model/2"


def test_a_version_is_made_of_what_can_be_had_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[str, ...]] = []
    for name in ("fetch_bundle", "fetch_verdict"):
        monkeypatch.setattr(f"lockgate.registry.registry.{name}", lambda *what: fetched.append(what))
    made = create_version(server, "credit", "a", "r", "m-7", {GATE: "5e" * 32, VERDICT: "pass"}, "what it is")
    assert fetched == [("file:///store/m-7", "a"), ("file:///store/m-7", "a", "5e" * 32)]
    assert made == Version(1, "a", "r", "5e" * 32)
    (stored,) = server.versions["credit"]
    assert (stored.source, stored.model_id, stored.run_id) == ("models:/m-7", "m-7", "r")
    assert stored.description == "what it is"
    assert stored.tags == {GATE: "5e" * 32, VERDICT: "pass", DIGEST: "a"}
    again = create_version(server, "credit", "a", "r", "m-7", {GATE: "5e" * 32, VERDICT: "pass"}, "what it is")
    assert again == made
    assert [one.version for one in server.versions["credit"]] == [1]


def test_a_version_that_is_gone_again_is_still_the_one_that_was_made(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fetch_bundle", "fetch_verdict"):
        monkeypatch.setattr(f"lockgate.registry.registry.{name}", lambda *_: None)
    monkeypatch.setattr("lockgate.registry.registry.keep_lowest", lambda *_: None)
    assert create_version(server, NAME, "a", "r", "m-7", {GATE: "5e"}, "") == Version(1, "a", "r", "5e")


def test_one_registration_of_a_model_at_a_server_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr("lockgate.registry.registry.machine_lock", names.append)
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "sqlite:///here.db")
    registry_lock("credit")
    assert names == ["sqlite:///here.db\ncredit"]


def test_only_a_version_that_passed_a_gate_is_had_by_its_number(server: Server) -> None:
    with pytest.raises(InputError, match=r"^model has no version 1; known at .*: none$"):
        get_version(server, NAME, 1)
    passed(server, "a")
    passed(server, "b", **{VERDICT: "block"})
    server.create_model_version(NAME, "", {VERDICT: "pass"})
    server.create_model_version(NAME, "", {DIGEST: "d"})
    assert get_version(server, NAME, 1) == Version(1, "a", "run 1", "gate of a")
    for number in (2, 3, 4):
        with pytest.raises(InputError, match=rf"^version {number} of model was not registered by `lockgate register`"):
            get_version(server, NAME, number)
    with pytest.raises(InputError, match=r"^model has no version 5; known at .*: 1, 2, 3, 4$"):
        get_version(server, NAME, 5)


def test_a_champion_is_whom_the_alias_names(server: Server) -> None:
    passed(server, "a")
    with pytest.raises(InputError, match=r"^model has no champion at .*; make one with `lockgate register --promote`"):
        required_champion(server, NAME)
    server.aliases = {CHALLENGER: "1"}
    assert aliased_version(server, NAME, CHAMPION) is None
    server.alias = "1"
    assert (
        required_champion(server, NAME)
        == aliased_version(server, NAME, CHAMPION)
        == Version(1, "a", "run 1", "gate of a")
    )


class Contested(Server):
    """Somebody else moves every alias back at once."""

    moves = 0

    def set_registered_model_alias(self, name: str, alias: str, number: str) -> None:
        super().set_registered_model_alias(name, alias, "1")
        self.moves += 1


def test_an_alias_that_never_stays_is_an_error_in_the_end() -> None:
    server = three_versions(Contested())
    with pytest.raises(
        InputError, match=r"^others keep moving the alias champion of model; look at the registry and register"
    ):
        move_forward(server, NAME, CHAMPION, Version(2, "digest 2", "", ""))
    assert server.moves == MAX_TRIES == 10
    server.moves = 0
    with pytest.raises(
        InputError, match=r"^others keep moving the alias champion of model; look at the registry and promote"
    ):
        become_champion(server, NAME, Version(2, "digest 2", "", ""), lambda _champion: "")
    assert server.moves == MAX_ROUNDS == 10


class TestPromotion:
    def promote(self, server: Server, number: int, reason: str = "not worse") -> list[str]:
        return promote_version(
            server, NAME, Version(number, f"digest {number}" + "." * 9, "", ""), lambda _rival: reason
        )

    def with_versions(self) -> Server:
        server = three_versions(Server())
        for one in server.versions[NAME]:
            one.tags[DIGEST] += "." * 9
        return server

    def test_what_happened_is_said(self) -> None:
        server = self.with_versions()
        assert self.promote(server, 1) == ["champion is version 1 of model (digest 1....): there was no champion"]
        assert self.promote(server, 2) == ["champion is version 2 of model (digest 2....): not worse"]
        assert self.promote(server, 2) == ["champion is version 2 of model (digest 2....) already: nothing moved"]

    def test_the_log_says_who_replaced_whom_after_which_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lockgate.registry.promotions.git_commit", lambda: None)
        server = self.with_versions()
        assert last_promotion(server, NAME) is None
        self.promote(server, 1)
        self.promote(server, 3)
        first, second = read_promotions(server, NAME)
        assert first == Promotion(1, 0, 1, "digest 1" + "." * 9, "", first.attempt, "there was no champion")
        assert second == Promotion(2, 1, 3, "digest 3" + "." * 9, "digest 1" + "." * 9, second.attempt, "not worse")
        assert len({first.attempt, second.attempt, ""}) == 3
        assert last_promotion(server, NAME) == second
        entry = server.versions[log_name(NAME)][1]
        assert (entry.source, entry.tags["lockgate.commit"]) == ("models:/model/3", "unknown")
        assert log_name(NAME) == "model promotions"

    def test_the_commit_is_that_of_the_checkout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lockgate.registry.promotions.git_commit", lambda: "c0ffee")
        server = self.with_versions()
        self.promote(server, 1)
        assert server.versions[log_name(NAME)][0].tags["lockgate.commit"] == "c0ffee"

    def test_alias_and_log_that_differ_are_both_compared_with(self) -> None:
        server = self.with_versions()
        self.promote(server, 1)
        server.alias = "3"
        rivals: list[int] = []

        def compare(rival: Version) -> str:
            rivals.append(rival.number)
            return f"not worse than {rival.number}"

        second = become_champion(server, NAME, Version(2, "digest 2" + "." * 9, "", ""), compare)
        assert rivals == [3, 1]
        assert second is not None
        assert (second.reason, second.replaced) == ("not worse than 3; not worse than 1", "digest 3" + "." * 9)

    def test_the_champion_of_the_log_alone_is_no_reason_to_stay(self) -> None:
        """The log names version 1 and the alias nobody: a promotion of version 1 has nobody to compare with."""
        server = self.with_versions()
        self.promote(server, 1)
        server.alias = None
        assert self.promote(server, 1) == ["champion is version 1 of model (digest 1....): there was no champion"]
        assert server.alias == "1"

    def test_who_was_overtaken_waits_a_random_moment_and_compares_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = self.with_versions()
        self.promote(server, 1)
        drawn: list[tuple[float, float]] = []
        waited: list[float] = []
        monkeypatch.setattr("random.uniform", lambda low, high: drawn.append((low, high)) or 0.25)
        monkeypatch.setattr("time.sleep", waited.append)
        rivals: list[int] = []

        def compare(rival: Version) -> str:
            rivals.append(rival.number)
            if rival.number == 1:
                self.promote(server, 3)  # somebody else is quicker
            return f"not worse than {rival.number}"

        last = become_champion(server, NAME, Version(2, "digest 2" + "." * 9, "", ""), compare)
        assert rivals == [1, 3]
        assert (drawn, waited.count(0.25)) == ([(0, 1.0)], 1)  # other threads may sleep too, never so long
        assert last is not None
        assert (last.number, last.after, last.reason, server.alias) == (4, 2, "not worse than 3", "2")
