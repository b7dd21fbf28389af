"""What is done to comments: never anything to a stranger's, and CML only where it finds ours and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.ci.pr_comment.plan import Report, carries, cml_verb, ours, plan, superseding
from lockgate.github.comments import Comment

ME, ANN = "github-actions[bot]", "ann"
REPORT = Report("report", 500, 1, "a" * 40, "## Gate passed\n\ntext\n")
OLD = Report("report", 400, 1, "b" * 40, "## Gate blocked\n")
OTHER = Report("other", 500, 1, "a" * 40, "## Another report\n")
REMARK = "looks good"


def conversation(*entries: tuple[str, str]) -> list[Comment]:
    return [Comment(number, login, body) for number, (login, body) in enumerate(entries)]


BODIES = (
    REPORT.body,
    REPORT.watermarked_body,
    OLD.watermarked_body,
    OTHER.body,
    REMARK,
    REPORT.body.replace("text", "x"),
)
ENTRIES = st.lists(st.tuples(st.sampled_from([ME, ANN]), st.sampled_from(BODIES)), max_size=40)


@given(ENTRIES)
def test_carrying_out_the_plan_leaves_exactly_one_of_ours_and_all_of_the_others(entries: list[tuple[str, str]]) -> None:
    before = conversation(*entries)
    left = plan(before, ME, REPORT)
    touched = {comment.id for comment in (*left.delete, *([left.update] if left.update else []))}
    assert all(comment.login == ME for comment in before if comment.id in touched)
    after = [comment for comment in before if comment not in left.delete]
    after = [Comment(c.id, c.login, REPORT.watermarked_body) if c == left.update else c for c in after]
    if left.create:
        after.append(Comment(999, ME, REPORT.watermarked_body))
    assert len(ours(after, ME, "report")) == 1
    assert sum(comment.login == ME and carries(comment, REPORT) for comment in after) == 1
    assert plan(after, ME, REPORT).done


@given(ENTRIES)
def test_cml_is_asked_only_where_it_cannot_do_harm(entries: list[tuple[str, str]]) -> None:
    """Against CML's own rule: `update` takes the last of the first 30 comments that has the watermark."""
    comments = conversation(*entries)
    verb = cml_verb(comments, ME, REPORT)
    marked = [comment for comment in comments[:30] if '"CML watermark lockgate report")' in comment.body]
    if verb == "update":
        assert marked[-1].login == ME
        assert len(ours(comments, ME, "report")) == 1
    if verb == "create":
        assert not ours(comments, ME, "report")


def test_what_we_posted_ourselves_cml_finds_again() -> None:
    assert cml_verb(conversation((ME, OLD.watermarked_body)), ME, REPORT) == "update"
    assert cml_verb(conversation((ME, OLD.body)), ME, REPORT) is None
    assert cml_verb(conversation(*[(ANN, REMARK)] * 30, (ME, OLD.watermarked_body)), ME, REPORT) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("text", "txt"),
        lambda body: body.replace("run=500/1", "run=500/2"),
        lambda body: body + "\n" + body,
        lambda body: body.replace("\n", "\r\n"),
        lambda body: body + "\n\nmore below the marker",
    ],
)
def test_a_comment_carries_the_report_only_whole(change: object) -> None:
    body = change(REPORT.body)  # type: ignore[operator]
    whole = body.replace("\r\n", "\n").split("<!--")[0] == REPORT.body.split("<!--")[0] and "run=500/1" in body
    assert carries(Comment(1, ME, body), REPORT) == whole


def test_a_later_run_of_the_same_commit_stays_and_of_another_commit_does_not() -> None:
    later = Report("report", 501, 1, "a" * 40, "later")
    assert superseding(conversation((ME, later.body)), ME, REPORT) is not None
    assert superseding(conversation((ANN, later.body)), ME, REPORT) is None
    elsewhere = Report("report", 501, 1, "c" * 40, "later")
    assert superseding(conversation((ME, elsewhere.body)), ME, REPORT) is None
