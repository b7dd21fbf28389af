"""What commands print is shown by a terminal and by a runner, and obeyed by neither."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support import assert_shown

from lockgate.cli.command import Command, Group
from lockgate.config.errors import InputError
from lockgate.config.terminal import (
    annotate,
    log_to_stderr,
    progress,
    say,
    say_error,
    terminal_line,
    warn,
)
from lockgate.config.visible_text import visible_text

ROOT = Path(__file__).parents[2]
HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=":#[]% \t\r\n\x1b\x00\x7f\x9b\u2028\u202e\u200b\u00a0\ufeffaerror", max_size=40),
    st.sampled_from(
        ["::error::x", " \t::add-mask::a", "a\n::stop-commands::b", "##[error]x", "###[x", "\x1b[2J", "\r::x"]
    ),
)


@given(text=HOSTILE)
def test_a_line_is_neither_a_command_nor_a_control_sequence(text: str) -> None:
    assert_shown(terminal_line(text))
    assert terminal_line(terminal_line(text)) == terminal_line(text)


@given(text=HOSTILE)
def test_whatever_is_printed_is_as_many_lines_as_it_was_given(text: str) -> None:
    @click.command(cls=Command)
    def printing() -> None:
        say(text, f"a {text}")
        progress(text)
        warn(text)
        say_error(text)

    result = CliRunner().invoke(printing)

    assert result.exit_code == 0, result.output
    assert len(result.stdout.split("\n")) == 3
    assert len(result.stderr.split("\n")) == 4
    for line in (result.stdout + result.stderr).split("\n"):
        assert_shown(line)


@given(text=HOSTILE)
def test_an_error_is_one_line_wherever_it_is_from(text: str) -> None:
    @click.command(cls=Command)
    @click.option("--number", type=int)
    def failing(number: int | None) -> None:
        raise InputError(text)

    for arguments in ([], [f"--number={text}x"], [f"--{text}-"], [f"{text}x"]):
        result = CliRunner().invoke(failing, arguments)
        assert result.exit_code == 2
        for line in result.output.split("\n"):
            assert_shown(line)


def test_a_command_that_does_not_exist_is_named_escaped() -> None:
    result = CliRunner().invoke(Group("program"), ["\x1b[2J"])

    assert result.exit_code == 2
    assert "'\\x1b[2J'" in result.stderr


@given(text=HOSTILE)
def test_an_annotation_is_one_command(text: str) -> None:
    @click.command(cls=Command)
    def annotating() -> None:
        annotate(text)

    printed = CliRunner().invoke(annotating).stdout

    assert re.fullmatch(r"::warning::[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*\n", printed)
    assert "%" not in re.sub("%25", "", printed)


def test_escapes_are_those_that_python_writes_and_ordinary_text_stays() -> None:
    assert visible_text("größe 收入 🙂 a\\b") == "größe 收入 🙂 a\\b"
    assert terminal_line("a\x1b[2J\u202eb\nc") == "a\\x1b[2J\\u202eb\\nc"
    assert terminal_line(" ::error::x ##[group]y") == " \\::error::x #\\#[group]y"


def test_no_secret_is_printed() -> None:
    @click.command(cls=Command)
    def failing() -> None:
        say("at https://user:hunter2@host.example/x?token=hunter2")
        raise InputError("cannot read postgresql://u:hunt/er2@host.example/db")

    result = CliRunner().invoke(failing)

    assert result.stdout == "at https://host.example/x\n"
    assert result.stderr == "Error: cannot read postgresql://host.example/db\n"


def test_the_traceback_of_a_defect_is_escaped_and_so_is_a_librarys_log() -> None:
    code = (
        "import click, logging, warnings; from lockgate.cli.command import Command\n"
        "@click.command(cls=Command)\n"
        "def failing():\n"
        "    logging.getLogger('urllib3').warning('Retrying after %s', '\\x1b: /a?sig=hunter2')\n"
        "    warnings.warn('odd \\x1b value')\n"
        "    raise ValueError('a\\x1b[2J\\n::error::https://u:hunter2@host.example')\n"
        "failing()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Retrying after \\x1b: /a?***\n")
    assert "UserWarning: odd \\x1b value\n" in ended.stderr
    assert "ValueError: a\\x1b[2J\n\\::error::https://host.example\n" in ended.stderr
    for line in ended.stderr.split("\n"):
        assert_shown(line)


def test_the_log_of_a_service_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    try:
        log_to_stderr()
        try:
            raise OSError("a\x1bb\n::error::c")
        except OSError:
            logging.getLogger("lockgate").exception("request %s failed", "\r::warning::x")
    finally:
        logging.getLogger().handlers[:] = before
        logging.captureWarnings(False)

    written = capsys.readouterr().err
    assert "request \\r::warning::x failed\n" in written
    assert "OSError: a\\x1bb\n\\::error::c\n" in written


@given(text=HOSTILE.filter(lambda text: "\x00" not in text and not re.search("[\ud800-\udfff]", text)))
def test_the_actions_shell_escapes_as_well(text: str) -> None:
    script = '. .github/actions/common.sh; printf "%s\\n" "$1" | harmless >&2; code_span "$1" >"$GITHUB_STEP_SUMMARY"; warn "$1"'
    environment = {
        **os.environ,
        "GITHUB_ACTION_PATH": str(ROOT / ".github/actions/train"),
        "GITHUB_STEP_SUMMARY": "/dev/fd/3",
    }
    read, write = os.pipe()
    ended = subprocess.run(
        ["bash", "-c", f"exec 3>&{write}; {script}", "bash", text],
        capture_output=True, cwd=ROOT, env=environment, pass_fds=(write,),
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        summary = stream.read().decode()

    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"::warning::[^\n\r\x1b]*\n", ended.stdout.decode())
    assert re.fullmatch(r"`[^`\n\r\x1b]*`", summary)
    for line in ended.stderr.decode().split("\n"):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert not re.search(r"[\x00-\x1f\x7f]", line)
