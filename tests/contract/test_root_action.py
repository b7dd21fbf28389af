"""The root action as the Marketplace and GitHub Enterprise Server ask for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from documents.mirror_action import write_mirror
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return document


ROOT_ACTION = load(ACTION)
STEPS = ROOT_ACTION["runs"]["steps"]


def test_the_marketplace_takes_its_metadata() -> None:
    """A description is shown up to 125 characters; `scripts/lint` holds the rest to the schema, with its icons and colours."""
    assert "vendor.github-actions action.yml" in (ROOT / "scripts/lint").read_text()
    assert set(ROOT_ACTION["branding"]) == {"icon", "color"}
    assert 0 < len(ROOT_ACTION["description"]) <= 125


def test_its_name_is_no_other_actions() -> None:
    others = [load(path)["name"] for path in ROOT.glob(".github/actions/*/action.yml")]
    assert ROOT_ACTION["name"] not in others


def test_it_needs_nothing_that_github_com_alone_knows() -> None:
    """No `$/`, and no action at all, so neither artifacts nor caches."""
    assert not [step for step in STEPS if "uses" in step]


def test_it_installs_from_hashes_as_a_job_does_that_decides() -> None:
    setup = STEPS[0]
    assert (setup["env"]["LOCKGATE_ENVIRONMENT"], setup["env"]["LOCKGATE_CACHE"]) == ("judge", "false")


def test_inputs_and_outputs_are_described_and_used() -> None:
    text = ACTION.read_text()
    for part in ("inputs", "outputs"):
        for name, entry in ROOT_ACTION[part].items():
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
            assert entry["description"]
    for name in ROOT_ACTION["inputs"]:
        assert re.search(rf"\$\{{\{{ inputs\.{name}\b", text), name
    for step in STEPS:
        assert "${{" not in step["run"], "the shell gets inputs as variables only"


def test_the_scripts_that_it_calls_get_all_that_their_own_actions_give_them() -> None:
    """Another variable of one of them has to come from here too."""
    for step in STEPS:
        (name,) = re.findall(r"/\.github/actions/([\w-]+)$", step["run"], re.MULTILINE)
        script, argument = re.findall(r'"\$GITHUB_ACTION_PATH(/run\.sh)" (\w+)', step["run"])[0]
        own = [one for one in load(ROOT / f".github/actions/{name}/action.yml")["runs"]["steps"] if "run" in one]
        (original,) = [one for one in own if f'$GITHUB_ACTION_PATH{script}" {argument}' in one["run"]]
        assert set(original["env"]) <= set(step["env"]), name
        assert original["shell"] == step["shell"]


def test_its_mirror_hands_every_input_and_output_on(tmp_path: Path) -> None:
    mirror = tmp_path / "action.yml"
    with mirror.open("w") as stream:
        write_mirror("OWNER/lockgate", "a" * 40, stream)
    made = load(mirror)
    assert {**made, "runs": {}, "outputs": {}} == {**ROOT_ACTION, "runs": {}, "outputs": {}}
    (step,) = made["runs"]["steps"]
    assert step["uses"] == f"OWNER/lockgate@{'a' * 40}"
    assert step["with"] == {name: f"${{{{ inputs.{name} }}}}" for name in ROOT_ACTION["inputs"]}
    assert {name: entry["value"] for name, entry in made["outputs"].items()} == {
        name: f"${{{{ steps.gate.outputs.{name} }}}}" for name in ROOT_ACTION["outputs"]
    }


def test_its_table_is_in_its_own_document_and_the_overview() -> None:
    for document in ("docs/gate-action.md", ".github/actions/README.md"):
        assert "<!-- table: root -->" in (ROOT / document).read_text()
