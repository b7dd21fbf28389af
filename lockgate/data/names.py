"""What a column may be called: whatever can be trained on, written into a bundle, sent as JSON, and shown in /metrics."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import first_repeated

MAX_NAME = 200
# The words of a name: split where the case changes, and at what is no letter or digit.
NAME_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
IDENTIFIER_WORDS = re.compile("id|uuid|guid|identifier|key|number|no|nr|num|account|acct|reference|ref")
UNNAMED = re.compile(r"Unnamed: \d+|__index_level_\d+__")  # a column without a name; an index that pandas wrote
MAX_TEXT = 1000  # characters of a category or a class: schema.json holds no longer ones
NOT_IN_NAMES = '"\\'  # the decoder of requests takes no key with one of them
# Control characters, characters that nobody sees or that turn the text around, surrogates, and the ends of lines.
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

_PLAIN_IN_YAML = re.compile(r"[^\W\d][\w ()/.+%=-]*(?<! )")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}


def check_names(used: Iterable[str], where: str, reserved: Collection[str] = ()) -> None:
    """Raises InputError, one line, for all of these column names that something later could not take.

    Names that differ only in case, or in how their letters are composed, are the same to SQL and to whoever types them.
    Those that are `reserved` are the kit's own.
    """
    seen: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in used:
        folded = unicodedata.normalize("NFC", name.casefold())
        if name in reserved:
            problems[name] = "has a name that Lockgate uses itself"
        elif problem := _problem(name):
            problems[name] = problem
        elif folded in seen:
            problems[name] = f"has the name of {quoted(seen[folded])} but for upper and lower case"
        else:
            seen[folded] = name
    if problems:
        held = "; ".join(f"{quoted(name)} {problem}" for name, problem in problems.items())
        raise InputError(
            f"{where}: {'column ' if len(problems) == 1 else f'{len(problems)} columns need another name: '}{held}; rename with "
            f"prepare.rename: {_in_braces(dict.fromkeys(problems, 'NAME'))}, or leave out with "
            f"{kinds_of(dict.fromkeys(problems, 'drop'))}"
        )


def header_names(cells: Sequence[str], where: str) -> list[str]:
    """The names of a file's columns: its header, where `Unnamed: 0` stands for an empty cell, numbered by its position.

    So pandas calls the column that it writes of an index. Raises InputError where two columns share a name.
    """
    names = [cell if cell.strip() else f"Unnamed: {position}" for position, cell in enumerate(cells)]
    if twice := first_repeated(names):
        raise InputError(f"{where}: column {quoted(twice)} is there twice; rename or remove one")
    return names


def check_left_out(names: Iterable[str], where: str) -> None:
    """Raises InputError for a column that nobody uses and whose name not even schema.json could hold."""
    for name in names:
        if len(name) > MAX_TEXT or any(unicodedata.category(letter) == "Cs" for letter in name):
            raise InputError(
                f"{where}: column {quoted(name)} has a name that cannot be written; give it another one in the file"
            )


def check_texts(values: Iterable[str], column: str, where: str) -> None:
    """Raises InputError for the first category or class that no document can hold, or that no library can."""
    for value in values:
        problem = None
        if len(value) > MAX_TEXT:
            problem = f"a text of {len(value):,} characters, and a category has at most {MAX_TEXT:,}"
        elif "\0" in value:
            problem = "a text with a zero byte"
        if problem:
            raise InputError(
                f"{where}: column `{column}` holds {problem}: {quoted(value)}; correct it, or set prepare.kinds: "
                f"{{{column}: drop}}"
            )


def quoted(value: object) -> str:
    """A value as a message shows it: on one line, nothing in it invisible, and cut where it is long."""
    text = repr(str(value))
    return text if len(text) <= 40 else text[:36] + "...'"


def in_yaml(text: str) -> str:
    """The text in quotes, on one line, as params.yaml takes it."""
    return "'" + text.replace("'", "''") + "'" if text.isprintable() else json.dumps(text)


def kinds_key(name: str, kind: str) -> str:
    """The setting that declares a column, as a message shows it: the name in quotes only where YAML needs them."""
    return kinds_of({name: kind})


def kinds_of(kinds: Mapping[str, str]) -> str:
    """The setting that declares several columns, as a message shows it."""
    return f"prepare.kinds: {_in_braces(kinds)}"


def _in_braces(values: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{_key_in_yaml(name)}: {value}' for name, value in values.items())}}}"


def _key_in_yaml(name: str) -> str:
    is_plain = _PLAIN_IN_YAML.fullmatch(name) and name.lower() not in _WORDS_OF_YAML
    return name if is_plain else in_yaml(name)


def _problem(name: str) -> str | None:
    if not name.strip():
        return "has no name"
    if len(name) > MAX_NAME:
        return f"has a name of {len(name):,} characters, and {MAX_NAME} are the most"
    if name != name.strip():
        return "has a space at an end of its name"
    for letter in name:
        if unicodedata.category(letter) in INVISIBLE:
            return f"has a character in its name that cannot be seen, U+{ord(letter):04X}"
        if letter in NOT_IN_NAMES:
            return f"has {letter} in its name, which no request can have"
    if name != unicodedata.normalize("NFC", name):
        return (
            "has letters in its name that are composed of parts, where others type one character (Unicode's form NFC)"
        )
    return None


def words_of(name: str) -> list[str]:
    """The words of a name, in small letters."""
    return [part.lower() for part in NAME_PARTS.findall(name)]
