"""`lockgate init`: from a table in an empty folder to a project, asked or not, and nothing overwritten untold."""

from __future__ import annotations

import http.server
import subprocess
import threading
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML
from support import assert_refused, invoke, succeed, tree

from lockgate.ci.callers import CALLERS
from lockgate.cli.main import main
from lockgate.config.version import __version__
from lockgate.dvc.stages import kit_stages

ROOT = Path(__file__).parents[2]
ROWS = 1500


def loans() -> pd.DataFrame:
    """Applicants with what a lender knows of them, and the outcome as words."""
    random = np.random.default_rng(11)
    income = random.lognormal(10, 0.5, ROWS).round()
    region = random.integers(1, 6, ROWS)
    risk = 1 / (1 + np.exp(-(1.5 * (10 - np.log(income)) + 0.3 * region - 2.2)))
    return pd.DataFrame(
        {
            "loan_id": random.permutation(ROWS) + 100_000,
            "income": np.where(random.random(ROWS) < 0.1, np.nan, income),
            "region": region,
            "purpose": random.choice(["car", "home", "other"], ROWS),
            "sex": random.choice(["f", "m"], ROWS),
            "recoveries": np.where(random.random(ROWS) < risk, income / 10, 0).round(2),
            "outcome": np.where(random.random(ROWS) < risk, "bad", "good"),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    loans().to_csv(tmp_path / "loans.csv", index=False)
    return tmp_path


def params(folder: Path) -> dict[str, object]:
    found: dict[str, object] = YAML(typ="safe").load(folder / "params.yaml")
    return found


def answer(folder: Path, *lines: str, options: tuple[str, ...] = ()) -> Result:
    """`lockgate init loans.csv` with these answers, a line each."""
    with chdir(folder):
        return CliRunner().invoke(main, ["init", "loans.csv", *options], input="".join(f"{line}\n" for line in lines))


PROPOSED = {
    "source": "loans.csv",
    "target": "outcome",
    "positive": "bad",
    "id_columns": ["loan_id"],
    "audit_columns": ["sex"],
    "unavailable_at_decision": ["recoveries"],
    "kinds": {"region": "categorical"},
}
TAKEN = [""] * 8  # every question up to the codes
REGISTER = {"model_name": "loans"}


class TestFromNothing:
    def test_to_a_verdict(self, folder: Path) -> None:
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert params(folder) == {"prepare": PROPOSED, "register": REGISTER}
        assert result.stdout.splitlines()[-1] == "next: lockgate prepare"
        assert result.stderr == ""
        for command in ("prepare", "train", "evaluate"):
            assert invoke(folder, command).exit_code in (0, 3)
        verdict = invoke(folder, "gate")
        assert verdict.exit_code in (0, 3), verdict.output
        assert (folder / "reports/gate.json").is_file()

    def test_it_says_what_it_made_of_each_column(self, folder: Path) -> None:
        lines = succeed(invoke(folder, "init", "loans.csv", "--yes")).stdout.splitlines()
        by_column = {line.split()[0]: line for line in lines if line}
        assert "identifier" in by_column["loan_id"]
        assert "another value in each row" in by_column["loan_id"]
        assert "missing" in by_column["income"]
        assert "categorical" in by_column["region"]
        assert "known only after the decision" in by_column["recoveries"]
        assert any(line.startswith("the event is outcome = bad: ") for line in lines)

    def test_it_shows_cells_of_what_it_leaves_out_and_writes_none_of_them(self, folder: Path) -> None:
        table = loans()
        table.assign(savings=[f"{row / 2:g}k" for row in range(len(table))]).to_csv(folder / "loans.csv", index=False)
        lines = succeed(invoke(folder, "init", "loans.csv", "--yes")).stdout.splitlines()
        (shown,) = [line for line in lines if line.startswith("savings")]
        assert shown.endswith("write them in digits, as 12500, and take this line away ('0k', '0.5k', '1k')")
        assert params(folder)["prepare"]["kinds"] == {**PROPOSED["kinds"], "savings": "drop"}  # type: ignore[index,dict-item]
        assert "0.5k" not in (folder / "params.yaml").read_text()

    def test_every_reason_stands_in_the_file(self, folder: Path) -> None:
        succeed(invoke(folder, "init", "loans.csv", "--yes"))
        lines = (folder / "params.yaml").read_text().splitlines()
        assert "  id_columns: [loan_id]  # another value in each row" in lines

    def test_a_current_batch_is_named(self, folder: Path) -> None:
        loans().drop(columns="outcome").head(300).to_csv(folder / "may.csv", index=False)
        succeed(invoke(folder, "init", "loans.csv", "--yes", "--current", "may.csv"))
        assert params(folder)["prepare"]["current"] == "may.csv"  # type: ignore[index]

    @pytest.mark.parametrize("above", [",X1,X2,X3,X4,X5,Y", "Loans of the year,,,,,,"])
    def test_the_second_line_may_name_the_columns(self, folder: Path, above: str) -> None:
        table = (folder / "loans.csv").read_text()
        (folder / "loans.csv").write_text(f"{above}\n{table}")
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert "the second line names the columns" in result.stdout
        assert params(folder) == {"prepare": {**PROPOSED, "read": {"header": 2}}, "register": REGISTER}
        succeed(invoke(folder, "prepare"))

    def test_how_the_table_is_written_may_be_said(self, folder: Path) -> None:
        text = loans().to_csv(index=False, sep=";").replace("car", "cår")
        (folder / "loans.csv").write_text(f"# of May\n# and June\n{text}", encoding="cp1252")
        options = ("header=3", "encoding=cp1252", "separator=;", "missing=unknown")
        said = [word for option in options for word in ("--read", option)]
        succeed(invoke(folder, "init", "loans.csv", "--yes", *said))
        read = {"header": 3, "encoding": "cp1252", "separator": ";", "missing": ["unknown"]}
        assert params(folder)["prepare"]["read"] == read  # type: ignore[index]
        succeed(invoke(folder, "prepare"))

    def test_a_path_inside_the_folder_is_written_as_the_project_names_it(self, folder: Path) -> None:
        succeed(invoke(folder, "init", str(folder / "loans.csv"), "--yes"))
        assert params(folder)["prepare"]["source"] == "loans.csv"  # type: ignore[index]

    def test_a_url_with_a_secret_is_warned_of_without_it(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object, **options: object) -> None:
                super().__init__(*arguments, directory=str(folder), **options)  # type: ignore[arg-type]

            def log_message(self, *_: object) -> None:
                """Nothing: it would be in what the command says."""

        project = tmp_path_factory.mktemp("project")
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever).start()
            url = f"http://127.0.0.1:{server.server_port}/loans.csv"
            result = succeed(invoke(project, "init", f"{url}?token=hush", "--yes"))
            server.shutdown()
        assert f"may be secret in {url}; take it out" in result.stderr
        assert "hush" not in result.output
        assert params(project)["register"] == REGISTER

    def test_what_prepare_will_refuse_is_said_at_once(self, folder: Path) -> None:
        loans().assign(income=[1e39, *range(ROWS - 1)]).to_csv(folder / "loans.csv", index=False)
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert "`lockgate prepare` will refuse this" in result.stderr
        assert "income" in result.stderr

    def test_so_is_a_day_that_has_not_come(self, folder: Path) -> None:
        days = pd.date_range("2021-01-01", periods=ROWS).strftime("%Y-%m-%d").tolist()
        loans().assign(issue_date=["2999-01-01", *days[1:]]).to_csv(folder / "loans.csv", index=False)
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert params(folder)["prepare"]["time_column"] == "issue_date"  # type: ignore[index]
        assert "will refuse this" in result.stderr
        assert "2999-01-01" in result.stderr

    def test_names_that_cannot_be_trained_on_are_others_from_then_on(self, folder: Path) -> None:
        loans().rename(columns={"income": "score", "sex": "sex "}).to_csv(folder / "loans.csv", index=False)
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert result.stderr == ""
        assert params(folder)["prepare"]["rename"] == {"score": "given_score", "sex ": "sex"}  # type: ignore[index]

    def test_of_several_values_those_that_are_said_count(self, folder: Path) -> None:
        states = loans()
        states.loc[states.index % 10 == 0, "outcome"] = "open"
        states.loc[states.index % 50 == 1, "outcome"] = None
        states.to_csv(folder / "loans.csv", index=False)
        result = succeed(invoke(folder, "init", "loans.csv", "--yes", "--positive", "bad", "--negative", "good"))
        assert "180 rows whose outcome is not known are left out" in result.stdout
        assert result.stderr == ""
        classes = params(folder)["prepare"]["classes"]  # type: ignore[index]
        assert classes == {"positive": ["bad"], "negative": ["good"], "left_out": ["open", ""]}


class TestQuestions:
    def test_several_values_are_asked_for(self, folder: Path) -> None:
        states = loans().assign(outcome=["a", "b", "c"] * (ROWS // 3))
        states.to_csv(folder / "loans.csv", index=False)
        succeed(answer(folder, "outcome", "a", "b", "", "", "", "", "", "", "-", "n"))
        classes = params(folder)["prepare"]["classes"]  # type: ignore[index]
        assert classes == {"positive": ["a"], "negative": ["b"], "left_out": ["c"]}

    def test_taking_everything_is_as_saying_yes(self, folder: Path) -> None:
        result = succeed(answer(folder, *TAKEN, "-", "n"))
        assert params(folder) == {"prepare": PROPOSED, "register": REGISTER}
        assert "Column to predict [outcome]" in result.output
        assert not (folder / ".gitignore").exists()
        assert not (folder / ".github").exists()

    def test_answers_count(self, folder: Path) -> None:
        succeed(answer(folder, "outcome", "good", "-", "", "sex, purpose", "-", "recoveries", "-", "-", "n"))
        assert params(folder)["prepare"] == {
            "source": "loans.csv",
            "target": "outcome",
            "positive": "good",
            "audit_columns": ["purpose", "sex"],
            "kinds": {"recoveries": "drop"},
        }

    def test_a_name_that_is_not_there_is_asked_for_again(self, folder: Path) -> None:
        result = succeed(answer(folder, "outcom", *TAKEN, "-", "n"))
        assert "there is no `outcom`; did you mean `outcome`?" in result.output
        assert params(folder)["prepare"] == PROPOSED

    def test_callers_and_gitignore_are_asked_for(self, folder: Path) -> None:
        succeed(answer(folder, *TAKEN, "OWNER", "OWNER/lockgate@v9.9.9", ""))
        assert "OWNER/lockgate/.github/workflows/model.yml@v9.9.9" in (folder / ".github/workflows/pr.yml").read_text()
        assert "/models/" in (folder / ".gitignore").read_text().splitlines()

    @pytest.mark.parametrize("lines", [[], TAKEN])
    def test_nobody_there_to_answer_is_told_of_yes(self, folder: Path, lines: list[str]) -> None:
        assert_refused(answer(folder, *lines), "--yes")
        assert not (folder / "params.yaml").exists()


class TestRefusals:
    def test_without_a_table(self, tmp_path: Path) -> None:
        assert_refused(invoke(tmp_path, "init", "--yes"), "lockgate init loans.csv")

    def test_a_table_that_is_not_there(self, tmp_path: Path) -> None:
        assert_refused(invoke(tmp_path, "init", "loans.csv", "--yes"), "loans.csv does not exist")
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ("header", ("write KEY=VALUE, such as header=2",)),
            ("headers=2", ("unknown key `headers`", "`header`")),
            ("header=two", ("`header`", "integer")),
            ("decimal=;", ("`decimal`",)),
        ],
    )
    def test_what_is_no_setting_of_reading(self, folder: Path, said: str, words: tuple[str, ...]) -> None:
        assert_refused(invoke(folder, "init", "loans.csv", "--yes", "--read", said), "--read", *words)
        assert not (folder / "params.yaml").exists()

    def test_a_target_that_is_not_there(self, folder: Path) -> None:
        result = invoke(folder, "init", "loans.csv", "--yes", "--target", "outcom")
        assert_refused(result, "no column `outcom`", "`outcome`")

    @pytest.mark.parametrize(
        "kit", ["lockgate", "OWNER/lockgate@", "OWNER/lockgate@a b", "https://github.com/OWNER/lockgate", "a/b/c"]
    )
    def test_what_is_no_repository(self, folder: Path, kit: str) -> None:
        assert_refused(invoke(folder, "init", "loans.csv", "--yes", "--callers", kit), "OWNER/NAME")
        assert not (folder / "params.yaml").exists()


class TestOverwriting:
    def test_the_same_twice_is_no_fault(self, folder: Path) -> None:
        options = ("--callers", "OWNER/lockgate", "--gitignore")
        succeed(invoke(folder, "init", "loans.csv", "--yes", *options))
        before = tree(folder)
        assert "params.yaml: as it was" in succeed(invoke(folder, "init", "loans.csv", "--yes", *options)).stdout
        assert tree(folder) == before

    def test_other_settings_are_named_and_kept(self, folder: Path) -> None:
        (folder / "params.yaml").write_text("prepare: {source: loans.csv, target: sex}\n")
        before = tree(folder)
        result = invoke(folder, "init", "loans.csv", "--yes", "--callers", "OWNER/lockgate")
        assert_refused(result, "params.yaml", "prepare.target", "prepare.id_columns", "--force")
        assert "prepare.source" not in result.stderr
        assert tree(folder) == before

    def test_another_workflow_is_named_and_kept(self, folder: Path) -> None:
        workflow = folder / ".github/workflows/pr.yml"
        workflow.parent.mkdir(parents=True)
        workflow.write_text("name: ours\n")
        result = invoke(folder, "init", "loans.csv", "--yes", "--callers", "OWNER/lockgate")
        assert_refused(result, ".github/workflows/pr.yml (from line 1 on)", "--force")
        assert not (folder / "params.yaml").exists()

    def test_force_overwrites_and_says_so(self, folder: Path) -> None:
        (folder / "params.yaml").write_text("prepare: {source: loans.csv, target: sex}\n")
        result = succeed(invoke(folder, "init", "loans.csv", "--yes", "--force"))
        assert "params.yaml: overwritten" in result.stdout
        assert params(folder)["prepare"] == PROPOSED

    def test_gitignore_only_grows(self, folder: Path) -> None:
        (folder / ".gitignore").write_text("secret\n/models/")
        result = succeed(invoke(folder, "init", "loans.csv", "--yes", "--gitignore"))
        lines = (folder / ".gitignore").read_text().splitlines()
        assert lines[:2] == ["secret", "/models/"]
        assert lines.count("/models/") == 1
        assert ".gitignore: added to" in result.stdout

    def test_a_table_beside_the_prepared_data_is_not_ignored(self, folder: Path) -> None:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        (folder / "data").mkdir()
        (folder / "loans.csv").rename(folder / "data/loans.csv")
        succeed(invoke(folder, "init", "data/loans.csv", "--yes", "--gitignore"))
        succeed(invoke(folder, "prepare"))
        untracked = subprocess.run(
            ["git", "ls-files", "--others", "--exclude-standard"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        assert untracked.stdout.split() == [".gitignore", "data/loans.csv", "params.yaml"]


class TestCallers:
    def test_the_five_moments_as_this_repository_has_them(self, folder: Path) -> None:
        succeed(invoke(folder, "init", "loans.csv", "--yes", "--callers", "OWNER/lockgate"))
        written = folder / ".github/workflows"
        assert {path.name for path in written.iterdir()} == set(CALLERS)
        for path in written.iterdir():
            text = path.read_text()
            assert "$/" not in text
            own = (ROOT / ".github/workflows" / path.name).read_text()
            here = f"@v{__version__}"
            assert text.replace("uses: OWNER/lockgate/", "uses: $/").replace(here, "") == own


class TestDvc:
    def test_the_stage_prepare_watches_the_table(self, folder: Path) -> None:
        (folder / "dvc.yaml").write_text(kit_stages())
        result = succeed(invoke(folder, "init", "loans.csv", "--yes"))
        stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
        assert "loans.csv" in stages["prepare"]["deps"]
        assert result.stdout.splitlines()[-1] == "next: lockgate reproduce"

    def test_without_one_none_is_written(self, folder: Path) -> None:
        succeed(invoke(folder, "init", "loans.csv", "--yes"))
        assert not (folder / "dvc.yaml").exists()
