"""Release tags: which are ones, whose, their order, and which moving tags follow."""

from __future__ import annotations

import itertools

import pytest

from lockgate.ci.release.version import ReleaseVersion, moving_tags, parse_tag, parse_tag_of, previous_version
from lockgate.config.errors import InputError


def versions(*tags: str) -> list[ReleaseVersion]:
    return [parse_tag(tag) for tag in tags]


@pytest.mark.parametrize(
    "tag",
    [
        "model-v0.1.0",
        "model-v1.2.3",
        "model-v10.20.30",
        "model-v1.0.0-rc.1",
        "model-v1.0.0-alpha-beta.0.x1",
        "model-loans-v1.2.3",
    ],
)
def test_a_version_is_its_tag(tag: str) -> None:
    assert parse_tag(tag).tag == tag


@pytest.mark.parametrize(
    "tag",
    ["1.2.3", "v1.2.3", "model-1.2.3", "model-v1.2", "model-v1.2.3.4", "model-v01.2.3", "model-v1.2.3-", "model-v1.2.3-01",
     "model-v1.2.3-a..b", "model-v1.2.3+build", "model-v1.2.3\n", "model-v1.2.3$(id)", "model-", "", "latest", "Model-v1.2.3",
     "model--v1.2.3", "model-Loans-v1.2.3", "model-v1.2.3-" + "a" * 100, "model-v" + "9" * 20 + ".0.0", "model-v1.٢.3"],
)  # fmt: skip
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(InputError, match=r"name it like model-v1\.2\.3"):
        parse_tag(tag)


@pytest.mark.parametrize("name", ["a--b", "v1", "-a", "x" * 40])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        parse_tag(f"model-{name}-v1.2.3")


def test_a_tag_names_its_model() -> None:
    named = parse_tag("model-credit-cards-v1.2.3-rc.1")
    assert (named.model, named.prerelease, named.image_tag) == ("credit-cards", "rc.1", "v1.2.3-rc.1")
    assert parse_tag("model-v1.2.3").model == ""
    assert parse_tag_of("credit-cards", named.tag) == named
    for model, tag in (("", named.tag), ("credit", named.tag), ("credit-cards", "model-v1.2.3")):
        with pytest.raises(InputError, match="give the name that stands in the tag"):
            parse_tag_of(model, tag)


def test_the_order_is_that_of_semver_org() -> None:
    ordered = versions(
        "model-v1.0.0-alpha", "model-v1.0.0-alpha.1", "model-v1.0.0-alpha.beta", "model-v1.0.0-beta",
        "model-v1.0.0-beta.2", "model-v1.0.0-beta.11", "model-v1.0.0-rc.1", "model-v1.0.0", "model-v1.0.1",
        "model-v1.2.0", "model-v1.10.0", "model-v2.0.0",
    )  # fmt: skip
    for one, other in itertools.combinations(ordered, 2):
        assert one < other
        assert not other < one
    assert max(ordered) == ordered[-1]


def test_the_first_release_takes_its_line_and_becomes_stable() -> None:
    assert moving_tags(parse_tag("model-v1.0.0"), [], None) == ("v1.0", "stable")


def test_an_older_line_takes_its_own_tag_and_not_stable() -> None:
    published = versions("model-v1.0.0", "model-v1.1.0")
    assert moving_tags(parse_tag("model-v1.0.1"), published, parse_tag("model-v1.1.0")) == ("v1.0",)


def test_an_older_patch_takes_nothing_from_a_newer_one() -> None:
    assert moving_tags(parse_tag("model-v1.0.1"), versions("model-v1.0.2"), parse_tag("model-v1.0.2")) == ()


def test_a_prerelease_moves_nothing_and_holds_nothing_back() -> None:
    assert moving_tags(parse_tag("model-v1.0.0-rc.1"), [], None) == ()
    assert moving_tags(parse_tag("model-v1.0.0"), versions("model-v1.0.1-rc.1"), None) == ("v1.0", "stable")


def test_running_a_finished_release_again_undoes_no_rollback() -> None:
    assert (
        moving_tags(parse_tag("model-v1.1.0"), versions("model-v1.0.0", "model-v1.1.0"), parse_tag("model-v1.0.0"))
        == ()
    )


def test_after_a_rollback_a_fix_of_the_older_one_becomes_stable() -> None:
    published = versions("model-v1.0.0", "model-v1.1.0")
    assert moving_tags(parse_tag("model-v1.0.1"), published, parse_tag("model-v1.0.0")) == ("v1.0", "stable")


def test_the_champion_is_the_model_in_production_and_the_same_at_a_rerun() -> None:
    published, version = versions("model-v1.0.0"), parse_tag("model-v1.1.0")
    assert previous_version(parse_tag("model-v1.0.0"), [], None) is None
    assert previous_version(version, published, parse_tag("model-v1.0.0")) == parse_tag("model-v1.0.0")
    assert previous_version(version, [*published, version], version) == parse_tag("model-v1.0.0")


def test_the_champion_after_a_rollback_is_what_was_rolled_back_to() -> None:
    published = versions("model-v1.0.0", "model-v1.1.0", "model-v1.1.1-rc.1")
    assert previous_version(parse_tag("model-v1.2.0"), published, parse_tag("model-v1.0.0")) == parse_tag(
        "model-v1.0.0"
    )
    assert previous_version(parse_tag("model-v1.2.0"), published, None) == parse_tag("model-v1.1.0")
