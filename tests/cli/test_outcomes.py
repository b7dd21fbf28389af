"""`lockgate outcomes`: from a served log to the labels of the next night, and back out of both."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from conftest import Run
from serving import change_bundle
from support import assert_refused, edit_params, succeed, tree

from lockgate.model.bundle import verify_bundle
from lockgate.service.decision_log import Decided, write_decisions

DAY = 86_400.0
JANUARY = pd.Timestamp("2026-01-01T00:00Z").timestamp()


def write_log(project: Path, rows: int = 400, folder: str = "decisions", days: int = 120) -> pd.DataFrame:
    """Decisions of `days` days from January 2026 on, on the current batch's applicants, as the service writes them, in 4 files."""
    bundle = verify_bundle(project / "models")
    batch = pd.read_parquet(project / "data/current.parquet").head(rows)
    values = batch[bundle.schema.feature_names].astype(object).where(lambda frame: frame.notna(), None)
    for number in range(4):
        decided = [
            Decided(
                f"r{place}", JANUARY + place * days * DAY / rows, [tuple(row)], [0.2], ["favourable"], [(f"L{place}",)]
            )
            for place, row in enumerate(values.itertuples(index=False))
            if place % 4 == number
        ]
        write_decisions(decided, bundle.schema, bundle.digest, project / folder / f"decisions-{number}.parquet")
    return batch


def outcomes(project: Path, batch: pd.DataFrame, name: str = "june.csv", **columns: Any) -> pd.DataFrame:
    """The outcomes of the batch by loan, as a file."""
    table = pd.DataFrame(
        {"loan": [f"L{place}" for place in range(len(batch))], "default": batch["default"].astype(int)}
    )
    table = table.assign(**columns)
    table.to_csv(project / name, index=False)
    return table


def measured(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "reports/drift.json").read_bytes())
    return found


@pytest.fixture
def logged(project: Path) -> pd.DataFrame:
    """The decisions that were logged, of a model whose rows are identified by a loan."""
    change_bundle(project, "schema.json", lambda schema: schema.update(id_columns=["loan"]))
    return write_log(project)


def test_two_files_are_the_labels_of_what_has_matured(project: Path, run: Run, logged: pd.DataFrame) -> None:
    table = outcomes(project, logged)
    table[:150].to_csv(project / "june.csv", index=False)
    table[150:].to_parquet(project / "july.parquet")
    assert "added 150 outcomes to outcomes" in succeed(run("outcomes", "add", "june.csv")).output
    assert "added 250 outcomes" in succeed(run("outcomes", "add", "july.parquet")).output
    assert len(list((project / "outcomes").iterdir())) == 2
    succeed(run("drift", "--current", "decisions/", "--time", "2026-06-01T00:00:00Z", "--no-page"))
    found = measured(project)
    # 90 days before June is the 3rd of March; 400 decisions in 120 days.
    matured = sum(place * 120 / 400 <= 61 for place in range(400))
    assert found["label"]["current"]["n"] == sum(one["known"] for one in found["vintages"]) == matured == 204
    assert [one["month"] for one in found["vintages"]] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert found["vintages"][0]["events"] == int(logged["default"].head(104).sum())
    assert found["vintages"][3]["reason"] == "nothing can be said before 2026-06-30"
    assert found["time"] == "2026-06-01T00:00:00Z"


def test_a_batch_that_is_kept_says_the_same_on_another_machine(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    succeed(run("drift", "--current", "decisions/", "--keep", "--time", "2026-06-01T00:00:00Z", "--no-page"))
    here = measured(project)
    for folder in ("decisions", "outcomes"):
        for path in (project / folder).iterdir():
            path.unlink()
    succeed(run("drift", "--time", "2026-06-01T00:00:00Z", "--no-page"))
    there = measured(project)
    assert (there["vintages"], there["label"]) == (here["vintages"], here["label"])
    assert here["vintages"][0]["known"] == 104


def test_a_log_that_prepare_reads_brings_its_outcomes(project: Path, run: Run) -> None:
    batch = write_identified_history(project)
    succeed(run("prepare"))
    succeed(run("train"))
    write_log(project)
    outcomes(project, batch)
    succeed(run("outcomes", "add", "june.csv"))
    edit_params(project, prepare={"current": "decisions"})
    succeed(run("prepare"))
    succeed(run("drift", "--time", "2026-06-01T00:00:00Z", "--no-page"))
    assert sum(one["known"] for one in measured(project)["vintages"]) == 204


def write_identified_history(project: Path) -> pd.DataFrame:
    """A source of the same columns whose rows are identified by a loan, and the batch that is decided on."""
    parts = [pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")]
    history = pd.concat(parts).drop(columns="row_key").reset_index(drop=True)
    history.insert(0, "loan", [f"H{place}" for place in range(len(history))])
    history.to_parquet(project / "history.parquet", index=False)
    settings = {
        "source": "history.parquet",
        "current": None,
        "id_columns": ["loan"],
        "audit_columns": ["sex", "age_band"],
    }
    batch = pd.read_parquet(project / "data/current.parquet").head(400)
    edit_params(project, prepare=settings)
    batch.to_parquet(project / "batch.parquet")
    edit_params(project, prepare={"current": "batch.parquet"})
    return batch


def test_the_same_file_twice_changes_nothing(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    before = tree(project)
    assert "nothing to add to outcomes; 400 were known already" in succeed(run("outcomes", "add", "june.csv")).output
    assert tree(project) == before


def test_what_is_refused_writes_nothing(project: Path, run: Run, logged: pd.DataFrame) -> None:
    table = outcomes(project, logged)
    before = tree(project)
    for bad in (
        table.assign(default=np.where(table.index == 7, 2, table["default"])),
        table.assign(loan=table["loan"].replace("L9", "Z9")),
        pd.concat([table, table.tail(1)]),
        table.rename(columns={"loan": "contract"}),
        table.head(0),
    ):
        bad.to_csv(project / "june.csv", index=False)
        refused = run("outcomes", "add", "june.csv")
        assert_refused(refused, "june.csv")
        assert {**tree(project), "june.csv": b""} == {**before, "june.csv": b""}
    outcomes(project, logged)
    assert_refused(
        run("outcomes", "add", "june.csv", "--digest", "f" * 64), "no decision of model ffffffffffff", "--digest"
    )
    assert_refused(run("outcomes", "add", "june.csv", "--log", "elsewhere/"), "elsewhere", "has no decisions")
    assert_refused(run("outcomes", "add", "june.csv", "--log", "memory://bucket"), "root of a storage")
    assert_refused(run("outcomes", "forget"), "either FILE")
    assert_refused(run("outcomes", "forget", "june.csv", "--expired"), "either FILE")


def test_a_folder_of_other_tables_beside_the_log_is_named(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged)
    (project / "outcomes").mkdir()
    logged.to_parquet(project / "outcomes/mine.parquet")
    edit_params(project, decision_log={"keep_days": 1})
    before = tree(project)
    for command in (
        ("outcomes", "add", "june.csv"),
        ("outcomes", "forget", "june.csv"),
        ("outcomes", "forget", "--expired"),
        ("drift", "--current", "decisions/", "--no-page"),
    ):
        assert_refused(run(*command), "outcomes", "mine.parquet", "move it to another folder")
    assert tree(project) == before


def test_the_log_may_be_in_a_storage(project: Path, run: Run, logged: pd.DataFrame) -> None:
    storage = fsspec.filesystem("memory")
    storage.put(str(project / "decisions"), "/bank/decisions", recursive=True)
    outcomes(project, logged)
    log = ("--log", "memory://bank/decisions")
    try:
        succeed(run("outcomes", "add", "june.csv", *log))
        names = storage.ls("/bank/outcomes", detail=False)
        assert [name.rpartition("/")[2].startswith("outcomes-") for name in names] == [True]
        assert "400 were known already" in succeed(run("outcomes", "add", "june.csv", *log)).output
        current = ("--current", "memory://bank/decisions", "--time", "2026-06-01T00:00:00Z", "--no-page")
        succeed(run("drift", *current))
        assert measured(project)["label"]["current"]["n"] == 204
        (project / "left.csv").write_text("loan\nL0\nL399\n")
        succeed(run("outcomes", "forget", "left.csv", *log))
        assert b"L399" not in b"".join(storage.cat_file(name) for name in storage.find("/bank"))
        succeed(run("drift", *current))
        # No decision is of the last thirty days, and the outcomes count all the same.
        assert (measured(project)["n_current"], measured(project)["label"]["current"]["n"]) == (0, 203)
    finally:
        storage.rm("/bank", recursive=True)


def test_a_log_that_has_no_room_for_outcomes_is_a_batch_without_them(
    project: Path, run: Run, logged: pd.DataFrame
) -> None:
    storage = fsspec.filesystem("memory")
    storage.put(str(project / "decisions"), "/root-of-a-bank", recursive=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(project))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/decisions/decisions-0.parquet"
        for location, rows in (("memory://root-of-a-bank", 100), (address, 25)):
            succeed(run("drift", "--current", location, "--no-page"))
            assert (measured(project)["n_current"], measured(project)["label"]) == (rows, None)
        outcomes(project, logged)
        assert_refused(run("outcomes", "add", "june.csv", "--log", address), "can only be read")
    finally:
        storage.rm("/root-of-a-bank", recursive=True)
        server.shutdown()
        server.server_close()


def test_who_is_forgotten_is_in_neither_and_all_else_stays(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    before = {folder: pd.read_parquet(project / folder) for folder in ("decisions", "outcomes")}
    (project / "left.csv").write_text("loan,why\nL3,left\nL4,left\nL9999,never here\n")
    said = succeed(run("outcomes", "forget", "left.csv")).output
    assert "removed 2 decisions from decisions/ and 2 outcomes from outcomes" in said
    for folder, rows in before.items():
        kept = rows[~rows["lockgate_request_id"].isin(["r3", "r4"])]
        pd.testing.assert_frame_equal(
            pd.read_parquet(project / folder).sort_values("lockgate_request_id", ignore_index=True),
            kept.sort_values("lockgate_request_id", ignore_index=True),
        )
    files = tree(project)
    assert "nothing to remove" in succeed(run("outcomes", "forget", "left.csv")).output
    assert tree(project) == files
    (project / "left.csv").write_text("request_id\n" + "".join(f"r{place}\n" for place in range(0, 400, 4)))
    succeed(run("outcomes", "forget", "left.csv"))
    assert sorted(path.name for path in (project / "decisions").iterdir()) == [
        f"decisions-{one}.parquet" for one in (1, 2, 3)
    ]


def test_two_decisions_of_one_request_id_keep_their_own_outcomes(project: Path, run: Run, logged: pd.DataFrame) -> None:
    log = pd.read_parquet(project / "decisions/decisions-0.parquet")
    log["lockgate_request_id"] = log["lockgate_request_id"].replace({"r4": "r0"})
    log.to_parquet(project / "decisions/decisions-0.parquet")
    ids = pd.DataFrame({"request_id": ["r0"], "default": [1]})
    ids.to_csv(project / "ids.csv", index=False)
    before = tree(project)
    assert_refused(
        run("outcomes", "add", "ids.csv"), "more than one decision for 1, such as 'r0'", "copy `lockgate_time`"
    )
    assert tree(project) == before
    outcomes(project, logged, default=[0] * 4 + [1] + [0] * 395)
    succeed(run("outcomes", "add", "june.csv"))
    succeed(run("drift", "--current", "decisions/", "--time", "2026-06-01T00:00:00Z", "--no-page"))
    assert measured(project)["vintages"][0]["events"] == 1
    (project / "left.csv").write_text("loan\nL0\n")
    said = succeed(run("outcomes", "forget", "left.csv")).output
    assert "removed 1 decisions from decisions/ and 1 outcomes from outcomes" in said
    kept = pd.read_parquet(project / "outcomes").set_index("lockgate_request_id")["lockgate_label"]
    assert (len(kept), kept["r0"]) == (399, 1)


def test_what_forget_cannot_reach_is_named(project: Path, run: Run, logged: pd.DataFrame) -> None:
    older = pd.read_parquet(project / "decisions/decisions-0.parquet").drop(columns="loan")
    older.to_parquet(project / "decisions/older.parquet")
    older.to_csv(project / "decisions/copy.csv")
    (project / "left.csv").write_text("loan\nL3\n")
    found = succeed(run("outcomes", "forget", "left.csv"))
    assert "removed 1 decisions" in found.output
    assert "1 files (older.parquet) of the log lack `loan`" in " ".join(found.output.split())
    assert "1 files (copy.csv) in decisions/ are no Parquet files" in " ".join(found.output.split())
    (project / "left.csv").write_text("request_id\nr0\n")
    found = succeed(run("outcomes", "forget", "left.csv"))
    assert "removed 2 decisions" in found.output
    assert "older.parquet" not in found.output


def test_a_folder_that_is_no_log_is_named_and_stays(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged).to_parquet(project / "decisions/applications.parquet")
    before = tree(project)
    assert_refused(run("outcomes", "forget", "june.csv"), "applications.parquet", "it is no decision log")
    assert tree(project) == before


def test_a_log_whose_name_is_written_wrong_is_no_log_without_them(
    project: Path, run: Run, logged: pd.DataFrame
) -> None:
    edit_params(project, decision_log={"keep_days": 1})
    (project / "left.csv").write_text("loan\nL3\n")
    for command in (("left.csv",), ("--expired",)):
        refused = run("outcomes", "forget", *command, "--log", "decision/")
        assert_refused(refused, "--log: decision/ does not exist", "check the path")


def test_a_wrong_outcome_is_taken_back_and_corrected(project: Path, run: Run, logged: pd.DataFrame) -> None:
    table = outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    wrong = table.head(1).assign(default=1 - table["default"][0])
    wrong.to_csv(project / "corrected.csv", index=False)
    assert_refused(run("outcomes", "add", "corrected.csv"), "contradict", "--only-outcomes")
    log = tree(project / "decisions")
    assert "removed 0 decisions" in succeed(run("outcomes", "forget", "corrected.csv", "--only-outcomes")).output
    succeed(run("outcomes", "add", "corrected.csv"))
    assert tree(project / "decisions") == log
    stored = pd.read_parquet(project / "outcomes").set_index("lockgate_request_id")["lockgate_label"]
    assert (len(stored), stored["r0"]) == (400, wrong["default"][0])


def test_a_killed_forget_is_finished_by_the_next(
    project: Path, run: Run, logged: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    (project / "left.csv").write_text("loan\nL1\nL2\n")
    with monkeypatch.context() as patch:
        writes = iter([None, None])

        def fail(*_: object) -> None:
            next(writes)
            raise OSError(28, "No space left on device")

        patch.setattr("lockgate.config.files._flush_to_disk", fail)
        assert_refused(run("outcomes", "forget", "left.csv"), "No space left")
    assert not list((project / "decisions").glob(".*.parquet"))
    succeed(run("outcomes", "forget", "left.csv"))
    for folder in ("decisions", "outcomes"):
        assert not {"r1", "r2"} & {*pd.read_parquet(project / folder)["lockgate_request_id"]}


def test_what_is_older_than_it_may_be_goes(project: Path, run: Run, logged: pd.DataFrame) -> None:
    outcomes(project, logged)
    succeed(run("outcomes", "add", "june.csv"))
    assert_refused(run("outcomes", "forget", "--expired"), "decision_log.keep_days")
    edit_params(project, decision_log={"keep_days": 60})
    said = succeed(run("outcomes", "forget", "--expired", "--time", "2026-04-02T00:00:00Z")).output
    assert "from before 2026-02-01 00:00 UTC" in said
    for folder in ("decisions", "outcomes"):
        assert pd.read_parquet(project / folder)["lockgate_time"].min() >= pd.Timestamp("2026-02-01T00:00Z")
    assert len(pd.read_parquet(project / "decisions")) == 400 - 104
    assert (
        "nothing to remove" in succeed(run("outcomes", "forget", "--expired", "--time", "2026-04-02T00:00:00Z")).output
    )


def test_score_logs_identifiers_for_outcomes_to_come(project: Path, run: Run) -> None:
    batch = write_identified_history(project)
    for command in ("prepare", "train"):
        succeed(run(command))
    rows = batch.drop(columns=["row_key", "default"]).assign(loan=[f"{place:04d}" for place in range(len(batch))])
    rows.to_csv(project / "in.csv", index=False)
    succeed(run("score", "in.csv", "--output", "scores.csv", "--log", "decisions", "--allow-ungated"))
    assert sorted(pd.read_parquet(project / "decisions")["loan"]) == sorted(rows["loan"])
    table = pd.DataFrame({"loan": rows["loan"], "default": batch["default"].to_numpy().astype(int)})
    table.to_csv(project / "june.csv", index=False)
    assert "added 400 outcomes" in succeed(run("outcomes", "add", "june.csv")).output
