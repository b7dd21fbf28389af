"""Promotions at once from several machines: thousands of interleavings, and none that loses a champion in silence.

Each promoter is a thread that stops before every call of its MLflow client; a seeded scheduler lets one of them go on at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
from mlflow_stand_in import NAME, Server, three_versions
from support import FULL

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.request_budget import RequestBudget
from lockgate.registry.promotions import Promotion, become_champion, counting, log_name, read_promotions, was_champion
from lockgate.registry.registry import CHAMPION, Version, aliased_version, move_forward

MARGIN = 0.01
SCHEDULES = 1000 if FULL else 150


@pytest.fixture(autouse=True)
def _without_clock_and_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of promotions are no budget of two minutes, and their commit is of no interest."""
    monkeypatch.setattr("lockgate.registry.mlflow_client._budget", RequestBudget(1e6, 1))
    monkeypatch.setattr("lockgate.registry.promotions.git_commit", lambda: None)


class Killed(BaseException):
    """The end of a promoter in the middle of its work."""


class Scheduler:
    """Runs promoters one step at a time, each step one call of a client, in an order drawn from a seed."""

    def __init__(self, server: Server, seed: int, kill: bool) -> None:
        self.server, self.random, self.kill = server, random.Random(seed), kill  # noqa: S311
        self.turns: list[threading.Semaphore] = []
        self.back = threading.Semaphore(0)
        self.waiting: set[int] = set()
        self.killed: set[int] = set()

    def client(self, who: int) -> Any:
        scheduler = self

        class Client:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                call = getattr(scheduler.server, name)

                def in_turn(*arguments: Any, **options: Any) -> Any:
                    scheduler.step(who)
                    return call(*arguments, **options)

                return in_turn

        return Client()

    def step(self, who: int) -> None:
        self.waiting.add(who)
        self.back.release()
        self.turns[who].acquire()
        if who in self.killed:
            raise Killed

    def run(self, promoters: list[Callable[[Any], None]]) -> None:
        def body(who: int) -> None:
            try:
                promoters[who](self.client(who))
            except Killed:
                pass
            finally:
                self.back.release()

        self.turns = [threading.Semaphore(0) for _ in promoters]
        threads = [threading.Thread(target=body, args=(who,), daemon=True) for who in range(len(promoters))]
        for thread in threads:
            thread.start()
        for _ in threads:
            self.back.acquire()
        while self.waiting:
            who = self.random.choice(sorted(self.waiting))
            self.waiting.remove(who)
            if self.kill and self.random.random() < 0.03:
                self.killed.add(who)
            self.turns[who].release()
            self.back.acquire()
        for thread in threads:
            thread.join(10)


@dataclass
class Race:
    """One schedule: what each promoter came to, and what it compared with."""

    server: Server
    quality: list[float]
    outcomes: dict[int, str]
    compared: set[tuple[int, int]]

    @property
    def champion(self) -> int:
        return int(self.server.alias or 0)


def version(number: int) -> Version:
    return Version(number, f"digest {number}", "", "")


Protocol = Callable[[Any, Version, Callable[[Version], str]], object]


def race(seed: int, promote: Protocol, kill: bool = False) -> Race:
    """Version 1 is champion, as `register` made it or as the alias says; two or three others are promoted at once."""
    draw = random.Random(f"race {seed}")  # noqa: S311
    count = draw.choice([2, 3])
    quality = [0.0, 0.5, *(draw.choice([0.47, 0.495, 0.5, 0.505, 0.53, 0.56]) for _ in range(count))]
    server = Server()
    server.create_registered_model(NAME)
    for number in range(1, count + 2):
        server.create_model_version(NAME, "", {"lockgate.digest": f"digest {number}"}, 0)
    if draw.random() < 0.5:
        server.set_registered_model_alias(NAME, CHAMPION, "1")
    else:
        promote(server, version(1), lambda _champion: "")
    outcomes: dict[int, str] = {}
    compared: set[tuple[int, int]] = set()

    def promoter(number: int) -> Callable[[Any], None]:
        def compare(champion: Version) -> str:
            compared.add((number, champion.number))
            if quality[number] < quality[champion.number] - MARGIN:
                raise GateBlockedError("worse")
            return "not worse"

        def run(client: Any) -> None:
            outcomes[number] = "killed"
            try:
                promote(client, version(number), compare)
                outcomes[number] = "won"
            except GateBlockedError:
                outcomes[number] = "lost"
            except InputError:
                outcomes[number] = "gave up"

        return run

    Scheduler(server, seed, kill).run([promoter(number) for number in range(2, count + 2)])
    return Race(server, quality, outcomes, compared)


def by_the_log(client: Any, chosen: Version, compare: Callable[[Version], str]) -> object:
    return become_champion(client, NAME, chosen, compare, pause=lambda: None)


def by_the_alias(client: Any, chosen: Version, compare: Callable[[Version], str]) -> object:
    """Compare with the champion, move the alias, read it back: what a registry without an order of promotions can do."""
    now = aliased_version(client, NAME, CHAMPION)
    if now is not None:
        compare(now)
    client.set_registered_model_alias(NAME, CHAMPION, str(chosen.number))
    read_back = aliased_version(client, NAME, CHAMPION)
    if read_back is None or read_back.number != chosen.number:
        raise GateBlockedError("somebody else moved it")
    return None


def silent_losses(found: Race) -> list[int]:
    """Versions whose promotion ended well, that are champion no more, and that no later champion was compared with."""
    beaten, at = set(), {found.champion}
    while at:
        beaten |= at
        at = {lower for upper in at for one, lower in found.compared if one == upper} - beaten
    return [number for number, outcome in found.outcomes.items() if outcome == "won" and number not in beaten]


def test_no_interleaving_loses_a_champion_in_silence() -> None:
    outcomes: set[str] = set()
    for seed in range(SCHEDULES):
        found = race(seed, by_the_log)
        promotions = read_promotions(found.server, NAME)
        assert found.champion == (promotions[-1].version if promotions else 1), seed
        assert silent_losses(found) == [], seed
        before = 1
        for promotion in promotions:
            is_first = promotion.version == 1
            assert is_first or (promotion.version, before) in found.compared, seed
            before = promotion.version
        assert "gave up" not in found.outcomes.values(), seed
        # Who lost was worse than somebody who is or was champion; who won is, or was compared with by the next.
        for number, outcome in found.outcomes.items():
            champions = [promotion.version for promotion in promotions] + [1]
            worse_than = [one for one in champions if found.quality[number] < found.quality[one] - MARGIN]
            assert outcome == "won" or worse_than, seed
        outcomes |= set(found.outcomes.values())
    assert outcomes == {"won", "lost"}


def test_the_simulation_finds_the_losses_of_a_registry_without_an_order() -> None:
    """Compare, move, read back: the promotions end well, and one of their versions is gone without a comparison."""
    lost = [seed for seed in range(200) if silent_losses(race(seed, by_the_alias))]
    assert len(lost) > 10


def test_a_promotion_that_is_killed_loses_nothing_that_the_next_one_does_not_find() -> None:
    killed = 0
    for seed in range(SCHEDULES):
        found = race(seed, by_the_log, kill=True)
        killed += "killed" in found.outcomes.values()
        last = read_promotions(found.server, NAME)
        rivals: list[int] = []
        count = len(found.quality)
        found.server.create_model_version(NAME, "", {"lockgate.digest": f"digest {count}"}, 0)

        def compare(champion: Version, rivals: list[int] = rivals) -> str:
            rivals.append(champion.number)
            return ""

        alias = found.champion
        by_the_log(found.server, version(count), compare)
        assert set(rivals) == {alias, *(entry.version for entry in last[-1:])}, seed
        assert found.champion == count, seed
    assert killed > SCHEDULES // 5


def entry(number: int, after: int) -> Promotion:
    return Promotion(number, after, number, f"digest {number}", "", "", "")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([entry(1, 0), entry(2, 1), entry(3, 2)], [1, 2, 3]),
        ([entry(1, 0), entry(2, 0), entry(3, 1)], [1, 3]),  # the second lost the first place
        (
            [entry(1, 0), entry(2, 1), entry(3, 1), entry(4, 3), entry(5, 2)],
            [1, 2, 5],
        ),  # nobody follows who does not count
        ([entry(3, 2), entry(1, 0), entry(2, 1)], [1, 2, 3]),  # in whatever order they are read
    ],
)
def test_an_entry_counts_if_it_names_the_last_one_that_counts(entries: list[Promotion], expected: list[int]) -> None:
    assert [one.number for one in counting(entries)] == expected


def test_only_who_was_champion_was_champion() -> None:
    promotions = [entry(1, 0), Promotion(2, 1, 2, "digest 2", "digest 9", "", "")]
    assert [was_champion(promotions, version(number)) for number in (1, 2, 9, 3)] == [True, True, True, False]


def test_entries_that_somebody_made_by_hand_are_left_out() -> None:
    server = Server()
    server.create_registered_model(log_name(NAME))
    for tags in (
        {"lockgate.after": "0"},
        {"lockgate.after": "x", "lockgate.version": "1"},
        {"lockgate.after": "0", "lockgate.version": "1"},
    ):
        server.create_model_version(log_name(NAME), "", tags, 0)
    assert read_promotions(server, NAME) == [Promotion(3, 0, 1, "", "", "", "")]


def test_a_log_that_outlived_its_registry_names_no_champion_of_the_new_one() -> None:
    server = three_versions(Server())
    by_the_log(server, Version(1, "of the registry before", "", ""), lambda _champion: "")
    server.alias = None
    compared: list[int] = []
    by_the_log(server, version(2), lambda champion: str(compared.append(champion.number)))
    assert (compared, server.alias) == ([], "2")


@dataclass
class Meddled(Server):
    """Somebody else moves the alias right after the first move of it."""

    to: str | None = None

    def set_registered_model_alias(self, name: str, alias: str, number: str) -> None:
        super().set_registered_model_alias(name, alias, self.to or number)
        self.to = None


@pytest.mark.parametrize(
    ("at", "to", "expected", "words"),
    [
        (None, None, "2", "champion is version 2"),
        ("1", None, "2", "champion is version 2"),
        ("2", None, "2", None),
        ("3", None, "3", "champion stays at the newer version 3"),
        ("1", "1", "2", "champion is version 2"),  # an older version is moved past again
        ("1", "3", "3", "champion stays at the newer version 3"),
    ],
)
def test_an_alias_only_moves_forward_whoever_else_moves_it(
    at: str | None, to: str | None, expected: str, words: str | None
) -> None:
    server = three_versions(Meddled())
    server.alias, server.to = at, to
    assert move_forward(server, NAME, CHAMPION, version(2)) == words
    assert server.alias == expected


def test_others_that_promote_without_end_are_an_error_in_the_end() -> None:
    server = three_versions(Server())

    others = cycle([version(3), version(1)])
    by_the_log(server, version(1), lambda _champion: "")

    def compare(_champion: Version) -> str:
        """Meanwhile the champion is replaced once more."""
        by_the_log(server, next(others), lambda _champion: "")
        return ""

    with pytest.raises(InputError, match="others keep promoting versions of model"):
        by_the_log(server, version(2), compare)
    assert server.alias in ("1", "3")
