"""Whether the documents speak of what is there: paths, links, commands, options, settings, variables, inputs, Python names.

Looked at are code in the text and blocks of shell and YAML. A path counts as one where it begins with a folder of the
repository's root or of the document's own folder; a word in capitals stands for any name.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
from documents.tables import ROOT, contract, place
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel
from ruamel.yaml import YAML

from lockgate.cli.main import main as lockgate_command
from lockgate.config.params import Params

OWN = ("README.md", "CONTRIBUTING.md")
DOCUMENTS = (
    "SECURITY.md", "docs/*.md", "examples/**/README.md", "monitoring/README.md", "tests/README.md",
    ".github/actions/**/README.md",
)  # fmt: skip
SHELL = ("sh", "bash", "console")
STOPS = ("|", "||", "&&", ";", ">", ">>", "<")
PLACEHOLDER = re.compile(r"<[^>]*>|\b[A-Z]{2,}\b")
SPOKEN_NAME = re.compile(r"\b(?:LOCKGATE_[A-Z_]+|lockgate_[a-z_]+)\b")
FILE_TYPES = ("csv", "dsse", "html", "json", "lock", "onnx", "parquet", "yaml", "yml")
SETTING = re.compile(rf"^[a-z]+(?:\.(?!(?:{'|'.join(FILE_TYPES)})$)[a-z_]+)+$")
MODULE = re.compile(r"^\w+\.py$")
OPTION = re.compile(r"^--[a-z]")
HTML_ADDRESS = re.compile(r"""\b(?:href|src)=["']([^"']+)""")
# What looks like a path here and is none: a branch, a module of somebody else's project, and settings that git does not have.
ELSEWHERE = ("lockgate/retrain-<digest>", "pipeline/model.py", ".dvc/config.local")
PYTHON_NAME = re.compile(r"^lockgate(?:\.\w+)+$")
CALLED = re.compile(r"^OWNER/lockgate/\.github/(?:workflows/(?P<workflow>[\w-]+\.yml)|actions/(?P<action>[\w-]+))@")


def documents() -> list[Path]:
    """Every document of the kit; in a copy that has a README of its own, not what a project writes about itself.

    The changelog is left out: it tells of what was there.
    """
    is_the_kits = (ROOT / "README.md").read_text().startswith("# Lockgate\n")
    patterns = (*DOCUMENTS, *OWN) if is_the_kits else DOCUMENTS
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


@cache
def tracked() -> tuple[str, ...]:
    """Files that git has or would take, relative to the root."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(file for file in files if (ROOT / file).exists())


@cache
def spoken_names() -> frozenset[str]:
    """Every LOCKGATE_* variable and lockgate_* metric or column that some other file knows."""
    files = (ROOT / file for file in tracked() if not file.endswith((".md", "/test_documents.py")))
    texts = (file.read_bytes().decode(errors="replace") for file in files)
    return frozenset(name for text in texts for name in SPOKEN_NAME.findall(text))


@cache
def options() -> frozenset[str]:
    """Every option of `lockgate`, and all words that look like one in the scripts and in what scripts/act runs."""

    def of_command(command: click.Command) -> set[str]:
        parts = command.commands.values() if isinstance(command, click.Group) else []
        return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}.union(
            *map(of_command, parts)
        )

    context = click.Context(lockgate_command)
    commands = [lockgate_command.get_command(context, name) for name in lockgate_command.list_commands(context)]
    files = [file for file in tracked() if file.startswith("scripts/") or file.endswith("/act_command.py")]
    spoken = {word for file in files for word in re.findall(r"--[a-z][a-z-]+", (ROOT / file).read_text())}
    return frozenset(spoken.union(*(of_command(command) for command in commands if command)))


def faults(markdown: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Line and words of everything that a document in `folder` names and that is not there."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    for token in tokens:
        line = (token.map or [0])[0] + 1
        for child in token.children or []:
            for address in _addresses(child):
                yield from ((line, fault) for fault in _link_faults(address, markdown, folder))
            if child.type == "code_inline":
                yield from ((line, fault) for fault in _span_faults(child.content, folder))
        if token.type == "html_block":
            found = (
                fault
                for address in HTML_ADDRESS.findall(token.content)
                for fault in _link_faults(address, markdown, folder)
            )
            yield from ((line, fault) for fault in found)
        if token.type == "fence":
            faults_of_block = _block_faults(token.content, token.info.strip(), folder)
            yield from ((line + 1 + offset, fault) for offset, fault in faults_of_block)


def _addresses(token: Token) -> list[str]:
    """What a link or a picture leads to, in Markdown or in HTML."""
    if token.type == "html_inline":
        return HTML_ADDRESS.findall(token.content)
    return [str(token.attrs[name]) for name in ("href", "src") if name in token.attrs]


def _link_faults(address: str, markdown: str, folder: Path) -> Iterator[str]:
    if re.match(r"[a-z]+:", address):
        return
    path, _, anchor = address.partition("#")
    target = folder / path
    if path and not target.exists():
        yield f"the link {address} leads nowhere"
    elif anchor and anchor not in anchors(target.read_text() if path else markdown):
        yield f"the link {address} names no heading of {path or 'this document'}"


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ +(.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _span_faults(text: str, folder: Path) -> Iterator[str]:
    words = text.split()
    yield from _line_faults(text, words, folder)
    yield from command_faults(words)
    if MODULE.match(text) and text not in {Path(file).name for file in tracked()}:
        yield f"there is no module {text}"
    if OPTION.match(text) and words[0] not in options():
        yield f"no command has an option {words[0]}"
    if SETTING.match(text):
        yield from _setting_faults(text)
    if PYTHON_NAME.match(text):
        yield from _python_faults(text)


def _block_faults(text: str, language: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Faults of a block, each with the number of its line in the block, from 0."""
    if language in ("mermaid", "json"):
        return
    for offset, line in enumerate(text.replace("\\\n", " ").splitlines()):
        words = line.split(" #")[0].split()
        yield from ((offset, fault) for fault in _line_faults(line, words, folder))
        if language in SHELL:
            yield from ((offset, fault) for fault in command_faults(words))
    if language in ("yaml", "yml"):
        yield from ((0, fault) for fault in _call_faults(YAML(typ="safe", pure=True).load(text)))


def _line_faults(line: str, words: list[str], folder: Path) -> Iterator[str]:
    yield from (fault for word in words for fault in _path_faults(word, folder))
    yield from (f"nothing knows {name}" for name in SPOKEN_NAME.findall(line) if name not in spoken_names())


def _path_faults(word: str, folder: Path) -> Iterator[str]:
    called = CALLED.match(word)
    bare = word.removeprefix("OWNER/lockgate/").removeprefix("OWNER/NAME/") if called else word
    path = re.split(r"[@:]", bare.strip("\"'`,;()"))[0].rstrip("/")
    first, slash, _ = path.partition("/")
    if not slash or path in ELSEWHERE:
        return
    pattern = PLACEHOLDER.sub("*", path)
    places = [
        [file.removeprefix(start) for file in tracked() if file.startswith(start)]
        for start in {"", f"{folder.relative_to(ROOT)}/".removeprefix("./")}
    ]
    here = [files for files in places if first in {file.split("/")[0] for file in files if "/" in file}]
    if here and not any(fnmatch(file, pattern) or fnmatch(file, f"{pattern}/*") for files in here for file in files):
        yield f"there is no {path}"


def command_faults(words: list[str]) -> Iterator[str]:
    """What is wrong with a line of shell whose words these are: unknown commands of `lockgate` or options, unknown scripts."""
    rest = [word.strip("[]") for word in words]
    while rest and re.match(r"[A-Z_]+=", rest[0]):
        rest = rest[1:]
    end = next((at for at, word in enumerate(rest) if word in STOPS), len(rest))
    command, after = rest[:end], rest[end + 1 :]
    if command and command[0] == "lockgate":
        yield from _lockgate_faults(command[1:])
    elif command and command[0].startswith("scripts/"):
        yield from _script_faults(command[0], command[1:])
    if after:
        yield from command_faults(after)


def _lockgate_faults(words: list[str]) -> Iterator[str]:
    command: click.Command = lockgate_command
    called = "lockgate"
    context = click.Context(command)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        word, *words = words
        if PLACEHOLDER.fullmatch(word) or word == "...":
            return
        known = command.get_command(context, word)
        if known is None:
            yield f"there is no `{called} {word}`"
            return
        command, called = known, f"{called} {word}"
    parameters = command.get_params(context)
    known_options = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
    for option in (word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)):
        if option not in known_options and option != "-h":
            yield f"`{called}` has no option {option}"


def _script_faults(script: str, words: list[str]) -> Iterator[str]:
    """The name of a part and options have to stand in the script, or in the modules of a folder that it names."""
    if not (ROOT / script).is_file():
        return  # no path: said already
    text = (ROOT / script).read_text()
    folders = set(re.findall(r"\w+", text)) - {"scripts", "tests"}
    modules = [file for file in tracked() if file.endswith(".py") and Path(file).parent.name in folders]
    known = " ".join([text, *modules, *((ROOT / module).read_text() for module in modules)])
    parts = [words[0]] if words and re.fullmatch(r"[a-z_]+", words[0]) else []
    given = [word.split("=")[0] for word in words if word.startswith("--")]
    for word in (*parts, *given):
        if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", known):
            yield f"{script} knows no {word}"


def _setting_faults(name: str) -> Iterator[str]:
    """A dotted name that begins with a section of params.yaml is a setting."""
    section, *keys = name.split(".")
    known: list[type[BaseModel]] = [Params]
    for key in [section, *keys]:
        if known and key not in {field.alias or at for model in known for at, field in model.model_fields.items()}:
            if key != section:
                yield f"params.yaml has no {name}"
            return
        fields = [model.model_fields.get(key) or model.model_fields.get(f"{key}_") for model in known]
        kinds = [kind for field in fields if field for kind in get_args(field.annotation) or (field.annotation,)]
        known = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


@cache
def registry_tags() -> frozenset[str]:
    """The tags of a registered version, which look like names of Python."""
    texts = ((ROOT / file).read_text() for file in tracked() if file.startswith("lockgate/registry/"))
    return frozenset(name for text in texts for name in re.findall(r'"(lockgate\.[a-z_]+)"', text))


def _python_faults(name: str) -> Iterator[str]:
    if name in registry_tags():
        return
    module, _, attribute = name.rpartition(".")
    try:
        if not hasattr(import_module(module), attribute):
            import_module(name)
    except ImportError:
        yield f"Python finds no {name}"


def _call_faults(document: Any) -> Iterator[str]:
    """Inputs that a `uses` of the kit's in an example gives and that are not there."""
    parts = document.values() if isinstance(document, Mapping) else document if isinstance(document, list) else []
    if isinstance(document, Mapping) and (called := CALLED.match(str(document.get("uses", "")))):
        name = called["workflow"] or called["action"]
        known = contract(name).get("inputs") or {} if place(name).is_file() else {}
        yield from (f"{name} has no input {given}" for given in document.get("with") or {} if given not in known)
    for part in parts:
        yield from _call_faults(part)


def main() -> int:
    """One line for each thing that a document names and that is not there."""
    wrong = [
        f"{document.relative_to(ROOT)}:{line}: {fault}"
        for document in documents()
        for line, fault in faults(document.read_text(), document.parent)
    ]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
