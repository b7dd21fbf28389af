"""The mutants that mutmut makes of what decides, and those of them that a seed draws."""

from __future__ import annotations

import ast
import contextlib
import difflib
import random
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mutmut.configuration import config
from mutmut.mutation.file_mutation import mutate_file_contents

SUFFIX = "__mutmut_"  # between the name of a function and the number of its mutant


@dataclass(frozen=True)
class Mutant:
    """A changed function beside the function that it was made from; `function` is its name, with that of its class if any."""

    name: str
    path: Path
    function: str
    original: str
    changed: str

    @property
    def is_of_words(self) -> bool:
        """Whether the two differ in a text of two words or more alone."""
        return _without_sentences(self.original) == _without_sentences(self.changed)

    @property
    def difference(self) -> str:
        """The lines that differ."""
        lines = difflib.unified_diff(self.original.splitlines(), self.changed.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


@dataclass(frozen=True)
class Draw:
    """Mutants in the order in which a seed drew them, and how many were passed over because they only change words."""

    mutants: tuple[Mutant, ...]
    made: int
    of_words: int


def draw_mutants(mutants: Iterable[Mutant], seed: int, count: int) -> Draw:
    """The first `count` mutants, shuffled by the seed, that change more than words."""
    made = sorted(mutants, key=lambda mutant: mutant.name)
    random.Random(seed).shuffle(made)  # noqa: S311  # a draw that can be repeated
    drawn: list[Mutant] = []
    of_words = 0
    for mutant in made:
        if len(drawn) == count:
            break
        if mutant.is_of_words:
            of_words += 1
        else:
            drawn.append(mutant)
    return Draw(tuple(drawn), len(made), of_words)


def made_mutants(root: Path, patterns: Iterable[str]) -> Iterator[Mutant]:
    """All mutants of the files below `root` that the patterns name."""
    for path in sorted({path for pattern in patterns for path in root.glob(pattern) if path.suffix == ".py"}):
        yield from mutants_of(path.relative_to(root), path.read_text())


def mutants_of(path: Path, source: str) -> Iterator[Mutant]:
    """All mutants of one module; `path` names it."""
    _settle_mutmut()
    code = mutate_file_contents(str(path), source).code
    lines = code.splitlines(keepends=True)
    texts: dict[str, dict[str, str]] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and SUFFIX in node.name:
            mangled, _, number = node.name.rpartition(SUFFIX)
            function = mangled.removeprefix("x_") if "ǁ" not in mangled else ".".join(mangled.split("ǁ")[1:])
            segment = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
            text = segment.rstrip().replace(node.name, function.rpartition(".")[2], 1)
            texts.setdefault(f"{mangled} {function}", {})[number] = text
    module = ".".join(path.with_suffix("").parts)
    for names, variants in texts.items():
        mangled, function = names.split(" ")
        for number, changed in variants.items():
            if number != "orig":
                yield Mutant(f"{module}.{mangled}{SUFFIX}{number}", path, function, variants["orig"], changed)


@cache
def _settle_mutmut() -> None:
    """mutmut looks once for the settings of a project where it is; its defaults are all that is asked of it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("src").mkdir()
        config()


class _Blanked(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        is_sentence = isinstance(node.value, str) and len(node.value.split()) > 1
        return ast.Constant("") if is_sentence else node


def _without_sentences(source: str) -> str:
    return ast.dump(_Blanked().visit(ast.parse(source)))
