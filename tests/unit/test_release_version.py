"""Release tags: which are ones, their order, and which moving tags follow."""

from __future__ import annotations

import itertools

import pytest

from lockgate.ci.release.version import ReleaseVersion, moving_tags, parse_tag, previous_version
from lockgate.config.errors import InputError


def versions(*tags: str) -> list[ReleaseVersion]:
    return [parse_tag(tag) for tag in tags]


@pytest.mark.parametrize("tag", ["v0.1.0", "v1.2.3", "v10.20.30", "v1.0.0-rc.1", "v1.0.0-alpha-beta.0.x1"])
def test_a_version_is_its_tag(tag: str) -> None:
    assert parse_tag(tag).tag == tag


@pytest.mark.parametrize(
    "tag",
    ["1.2.3", "v1.2", "v1.2.3.4", "v01.2.3", "v1.2.3-", "v1.2.3-01", "v1.2.3-a..b", "v1.2.3+build", "v1.2.3\n", "v1.2.3$(id)",
     "v", "", "latest", "v1.2.3-" + "a" * 100, "v" + "9" * 20 + ".0.0", "v1.٢.3"],
)  # fmt: skip
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(InputError, match=r"name it like v1\.2\.3"):
        parse_tag(tag)


def test_the_order_is_that_of_semver_org() -> None:
    ordered = versions(
        "v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2", "v1.0.0-beta.11",
        "v1.0.0-rc.1", "v1.0.0", "v1.0.1", "v1.2.0", "v1.10.0", "v2.0.0",
    )  # fmt: skip
    for one, other in itertools.combinations(ordered, 2):
        assert one < other
        assert not other < one
    assert max(ordered) == ordered[-1]


def test_the_first_release_takes_its_line_and_becomes_stable() -> None:
    assert moving_tags(parse_tag("v1.0.0"), [], None) == ("v1.0", "stable")


def test_an_older_line_takes_its_own_tag_and_not_stable() -> None:
    published = versions("v1.0.0", "v1.1.0")
    assert moving_tags(parse_tag("v1.0.1"), published, parse_tag("v1.1.0")) == ("v1.0",)


def test_an_older_patch_takes_nothing_from_a_newer_one() -> None:
    assert moving_tags(parse_tag("v1.0.1"), versions("v1.0.2"), parse_tag("v1.0.2")) == ()


def test_a_prerelease_moves_nothing_and_holds_nothing_back() -> None:
    assert moving_tags(parse_tag("v1.0.0-rc.1"), [], None) == ()
    assert moving_tags(parse_tag("v1.0.0"), versions("v1.0.1-rc.1"), None) == ("v1.0", "stable")


def test_running_a_finished_release_again_undoes_no_rollback() -> None:
    assert moving_tags(parse_tag("v1.1.0"), versions("v1.0.0", "v1.1.0"), parse_tag("v1.0.0")) == ()


def test_after_a_rollback_a_fix_of_the_older_one_becomes_stable() -> None:
    published = versions("v1.0.0", "v1.1.0")
    assert moving_tags(parse_tag("v1.0.1"), published, parse_tag("v1.0.0")) == ("v1.0", "stable")


def test_the_champion_is_the_model_in_production_and_the_same_at_a_rerun() -> None:
    published, version = versions("v1.0.0"), parse_tag("v1.1.0")
    assert previous_version(parse_tag("v1.0.0"), [], None) is None
    assert previous_version(version, published, parse_tag("v1.0.0")) == parse_tag("v1.0.0")
    assert previous_version(version, [*published, version], version) == parse_tag("v1.0.0")


def test_the_champion_after_a_rollback_is_what_was_rolled_back_to() -> None:
    published = versions("v1.0.0", "v1.1.0", "v1.1.1-rc.1")
    assert previous_version(parse_tag("v1.2.0"), published, parse_tag("v1.0.0")) == parse_tag("v1.0.0")
    assert previous_version(parse_tag("v1.2.0"), published, None) == parse_tag("v1.1.0")
