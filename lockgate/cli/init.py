"""`lockgate init`: a project begins with a table, which says most of what `params.yaml` has to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import click

from lockgate.ci.callers import KitReference, caller_files, parse_kit_reference
from lockgate.cli.command import Command, say, warn
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.params import Read, parse_read
from lockgate.config.params_text import Setting, params_text
from lockgate.config.suggest import nearest
from lockgate.config.terminal import say_error, terminal_line
from lockgate.config.yaml_file import parse_yaml, read_yaml
from lockgate.data.column_facts import ColumnFacts, column_facts, first_row_names_columns
from lockgate.data.dataset import prepare
from lockgate.data.download import is_url
from lockgate.data.names import quoted
from lockgate.data.origin import source_name
from lockgate.data.proposal import Answers, Proposal, Use, propose
from lockgate.data.proposed_target import find_classes, target_candidates
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import read_source_table
from lockgate.dvc.reproduce import fit_project
from lockgate.dvc.stages import DVC_YAML
from lockgate.project import FIRST_ZONE, Project

HEADING = "Written by `lockgate init`; a key that is not here has its default."
NONE = "-"
QUESTIONS: dict[Use, str] = {
    "identifier": "Columns that identify a row",
    "time": "Column with the time of a row",
    "audit": "Columns measured for fairness and never trained on",
    "unavailable": "Columns that are known only after the decision",
    "dropped": "Further columns that are left out",
}
GITIGNORE = Path(".gitignore")
IGNORED = ("/models/", "/reports/", "/decisions/", "/outcomes/", "/mlflow.db*", "/mlartifacts/", ".lockgate-*")
NAME_WIDTH = 30  # characters of a column of the table that is shown
FEW_VALUES = 4
MAX_VALUES = 12  # of a target, in a question


@click.command(cls=Command)
@click.argument("location", metavar="[FILE]", required=False)
@click.option("--yes", is_flag=True, help="Ask nothing: take what is proposed.")
@click.option("--target", help="The column to predict.")
@click.option("--positive", multiple=True, metavar="VALUE", help="A value of the target that is the event.")
@click.option(
    "--negative", multiple=True, metavar="VALUE", help="A value that is not; rows of the others are left out."
)
@click.option(
    "--read",
    "reads",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of prepare.read, such as header=2 or encoding=cp1252.",
)
@click.option("--current", help="The current batch, for drift: a file, a folder, a pattern of names, or a URL.")
@click.option(
    "--callers", metavar="OWNER/NAME[@REF]", help="Also write workflows that call the kit, which is there on GitHub."
)
@click.option("--gitignore", is_flag=True, help="Also add to .gitignore what the commands write.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(
    location: str | None,
    yes: bool,
    target: str | None,
    positive: tuple[str, ...],
    negative: tuple[str, ...],
    reads: tuple[str, ...],
    current: str | None,
    callers: str | None,
    gitignore: bool,
    force: bool,
) -> None:
    """Look at a table, propose what its columns are for, and write params.yaml.

    FILE is the table of past rows with their outcome: whatever `lockgate prepare` reads. Each proposal comes with its reason
    and is asked about; --yes takes all. Written is what differs from the defaults. A file that is there and holds something
    else is not overwritten: that ends with exit code 2 and what differs.

    \b
    Examples:
        lockgate init loans.csv
        lockgate init loans.csv --yes --target defaulted
        lockgate init loans.csv --yes --callers OWNER/lockgate --gitignore
    """
    if location is None:
        raise InputError("name the table to begin with, as in `lockgate init loans.csv`")
    kit = parse_kit_reference(callers) if callers else None
    read_on = datetime.now(FIRST_ZONE).date()
    read = parse_read(reads, "--read")
    table = read_source_table(location, "FILE", read)
    if read.header == 1 and first_row_names_columns(table):
        read = read.model_copy(update={"header": 2})
        table = read_source_table(location, "FILE", read)
        say("the second line names the columns; where it is the first, set prepare.read.header: 1")
    table = replace(table, name=source_name(location), read_on=read_on)
    say(*table.notes)
    facts = column_facts(table, read)
    answers = Answers(target, positive, negative)
    if not yes:
        try:
            answers = _ask_about(facts, answers)
            kit = kit or _ask_for_kit()
            gitignore = gitignore or click.confirm(f"Add to {GITIGNORE} what the commands write?", default=True)
        except click.Abort:
            raise InputError("the questions have no answer here; `--yes` takes what is proposed") from None
    proposal = propose(facts, answers)
    say(*_shown(proposal))
    source, batch = _from_here(location), _from_here(current) if current else None
    files = {layout.PARAMS: params_text(_settings(proposal, source, batch, read), HEADING)}
    if kit:
        files |= caller_files(kit)
    if gitignore:
        files |= _gitignore([source, batch or source])
    _write(files, force)
    if DVC_YAML.is_file():
        for line in fit_project(Path()):
            warn(line)
    for place in dict.fromkeys((source, batch or source)):
        if source_name(place) != place:
            warn(
                f"{layout.PARAMS} now holds what may be secret in {source_name(place)}; take it out before you commit the file"
            )
    for line in proposal.warnings:
        warn(line)
    _try_prepare(table)
    say(f"next: lockgate {'reproduce' if kit or DVC_YAML.is_file() else 'prepare'}")


def _from_here(location: str) -> str:
    """A path as the project names it, relative to its folder where it is inside; a URL as it is."""
    path = Path(location)
    if is_url(location) or not path.is_absolute() or not path.resolve().is_relative_to(Path().resolve()):
        return location
    return path.resolve().relative_to(Path().resolve()).as_posix()


def _settings(proposal: Proposal, source: str, current: str | None, read: Read) -> list[Setting]:
    """What params.yaml says: where the table is, how it is read, what it is, and a name of its own for the registered model."""
    name = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(source_name(source)).name.split(".")[0].lower()).strip("-")
    found = [Setting(("prepare", "source"), source)]
    if current:
        found.append(Setting(("prepare", "current"), current))
    missing = [*read.missing, *proposal.missing_texts]
    given = read.model_copy(update={"missing": missing}).model_dump(exclude_defaults=True)
    reasons = {"missing": "stand among numbers"} if proposal.missing_texts else {}
    found += proposal.settings
    found += [Setting(("prepare", "read", key), value, reasons.get(key, "")) for key, value in given.items()]
    return [*found, Setting(("register", "model_name"), name, "of the model in the registry")] if name else found


def _shown(proposal: Proposal) -> list[str]:
    """A line for each column: its name, its use, how it is read, what stands in it, and why."""
    rows = [("column", "use", "read as", "values", "why")]
    for column in proposal.columns:
        # Cells are for the terminal alone: the reason without them goes into params.yaml, and so into git.
        examples = ", ".join(quoted(text) for text in column.facts.examples) if column.use == "dropped" else ""
        reason = f"{column.reason} ({examples})" if examples else column.reason
        rows.append((column.name, column.use, column.kind or "", _values(column.facts), reason))
    event = " or ".join(proposal.classes.positive)
    widths = [min(max(len(row[place]) for row in rows), NAME_WIDTH) for place in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    return [*lines, f"the event is {proposal.target.name} = {event}: {proposal.classes.reason}"]


def _values(facts: ColumnFacts) -> str:
    """What stands in a column: its values where they are few, else how many there are; and how many are missing."""
    few = ", ".join(text for text, _ in facts.values) if facts.distinct <= FEW_VALUES else ""
    shown = few if 0 < len(few) <= NAME_WIDTH - 10 else f"{facts.distinct:,} different"
    return f"{shown}, {facts.missing:,} missing" if facts.missing else shown


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _ask_about(facts: Sequence[ColumnFacts], answers: Answers) -> Answers:
    """The answers of somebody at the terminal, each question with what is proposed as its default."""
    names = [one.name for one in facts]
    if answers.target is None:
        likeliest = [one.name for _, one in target_candidates(facts)][:1]
        answers = replace(answers, target=_ask("Column to predict", likeliest, names, exactly_one=True)[0])
    if not answers.positive:
        answers = _ask_for_classes(next(one for one in facts if one.name == answers.target), answers)
    for use, question in QUESTIONS.items():
        named = _ask(question, propose(facts, answers).named(use), names)
        answers = replace(answers, columns={**answers.columns, use: named})
    codes = _ask("Columns whose numbers are codes, not amounts", propose(facts, answers).codes, names)
    return replace(answers, codes=codes)


def _ask_for_classes(target: ColumnFacts, answers: Answers) -> Answers:
    """With the values of the target that are the event, and where there are more than two with those that are not."""
    values = [text for text, _ in target.values]
    try:
        proposed = find_classes(target, (), answers.negative)
        positive, negative = proposed.positive, proposed.negative
    except InputError:
        positive, negative = (), answers.negative
    shown = ", ".join(values[:MAX_VALUES])
    answers = replace(
        answers, positive=_ask(f"Values of {target.name} that are the event, of {shown}", positive, values)
    )
    if len(values) > 2 and not answers.negative:
        answers = replace(answers, negative=_ask("Values that are not, the others being left out", negative, values))
    return answers


def _ask(question: str, default: Sequence[str], known: Sequence[str], exactly_one: bool = False) -> tuple[str, ...]:
    """Some of the `known` names, which somebody types with commas between them; asked until all of them are known."""
    shown = ", ".join(default) or NONE
    while True:
        text = click.prompt(terminal_line(f"{question} [{shown}]"), default=shown, show_default=False)
        typed = tuple(part.strip() for part in text.split(",")) if text not in known else (text,)
        found = tuple(default) if text == shown else () if text == NONE else typed
        unknown = [name for name in found if name not in known]
        if unknown:
            say_error(f"there is no `{unknown[0]}`; {nearest(unknown[0], known)}")
        elif exactly_one and len(found) != 1:
            say_error("name one")
        else:
            return found


def _ask_for_kit() -> KitReference | None:
    question = f"Write workflows that call the kit? OWNER/NAME[@REF] of its repository on GitHub [{NONE}]"
    while True:
        text = click.prompt(question, default=NONE, show_default=False)
        if text == NONE:
            return None
        try:
            return parse_kit_reference(text)
        except InputError as error:
            say_error(str(error))


def _gitignore(places: Sequence[str]) -> dict[Path, str]:
    """The file with the lines that it lacks; what `prepare` writes is ignored by name where the table lies beside it."""
    data = PurePosixPath(layout.DATA)
    beside = any(data in PurePosixPath(place).parents for place in places)
    written = [layout.TRAIN_DATA, layout.TEST_DATA, layout.CURRENT_DATA, layout.DATA_SCHEMA] if beside else [f"{data}/"]
    before = GITIGNORE.read_text(encoding="utf-8") if GITIGNORE.exists() else ""
    lines = [line for line in (*(f"/{one}" for one in written), *IGNORED) if line not in before.splitlines()]
    if not lines:
        return {}
    return {GITIGNORE: f"{before.rstrip()}\n{chr(10).join(lines)}\n".lstrip("\n")}


def _write(files: Mapping[Path, str], force: bool) -> None:
    """Write the files and say so; where one is there that holds something else, none is written, unless `force`.

    Lines are only ever added to a .gitignore.
    """
    there = {path: path.read_bytes() for path in files if path.exists()}
    changed = [path for path, content in there.items() if path != GITIGNORE and content != files[path].encode()]
    if changed and not force:
        shown = "; ".join(f"{path} ({_difference(path, files[path])})" for path in changed)
        raise InputError(
            f"not overwritten, since it holds something else: {shown}; change it by hand, or overwrite it with --force"
        )
    for path, text in files.items():
        if there.get(path) == text.encode():
            say(f"{path}: as it was")
            continue
        write_file(path, text.encode())
        say(f"{path}: {'overwritten' if path in changed else 'added to' if path in there else 'written'}")


def _difference(path: Path, text: str) -> str:
    """In which keys of params.yaml, or from which line on, a file differs from what would be written."""
    if path == layout.PARAMS:
        here, proposed = (dict(_leaves(document)) for document in (read_yaml(path), parse_yaml(text, str(path))))
        keys = [key for key in {**proposed, **here} if here.get(key) != proposed.get(key)]
        return f"other {', '.join(keys[:5])}{', ...' if len(keys) > 5 else ''}" if keys else "other comments"
    pairs = zip_longest(path.read_text(encoding="utf-8", errors="replace").splitlines(), text.splitlines())
    return f"from line {next((number for number, (one, other) in enumerate(pairs, 1) if one != other), 1)} on"


def _leaves(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The values of nested mappings with the keys that lead to them, with dots between them."""
    if not isinstance(document, Mapping):
        yield path, document
        return
    for key, value in document.items():
        yield from _leaves(value, f"{path}.{key}" if path else str(key))


def _try_prepare(table: SourceTable) -> None:
    """Say at once what `lockgate prepare` would refuse of this table by the settings that are there now."""
    project = Project()
    try:
        prepare(table, project.prepare_settings, project.read_current_table())
    except InputError as error:
        warn(f"`lockgate prepare` will refuse this: {error}")
