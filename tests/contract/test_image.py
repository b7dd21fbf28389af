"""The image has the part of pipeline/ that the service imports: all of it, and nothing else."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def source_of(module: str) -> Path | None:
    """The file of a module of ours, or None."""
    path = ROOT / module.replace(".", "/")
    if path.is_dir():
        path = path / "__init__"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def imports(path: Path) -> Iterator[str]:
    """Modules of ours that the file imports when it runs, wherever, with the packages that they are in."""
    for node in running(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in ("app", "pipeline"):
                parts = name.split(".")
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def running(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all in it, but for what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from running(child)


def closure() -> set[str]:
    """What `python -m lockgate serve` and the image's own checks can import, as paths in the repository."""
    waiting = ["pipeline", "lockgate.cli.serve", *(f"app.{path.stem}" for path in (ROOT / "app").glob("*.py"))]
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = source_of(module)
        if path is not None and module not in found:
            found[module] = path
            waiting += imports(path)
    return {str(path.relative_to(ROOT)) for path in found.values()}


def test_the_image_has_what_the_service_imports_of_the_pipeline() -> None:
    served = {path for path in closure() if path.startswith("pipeline/")}
    assert served == {path for path in ALLOWED if path.startswith("pipeline/")}


def test_what_the_image_does_not_have_stays_away_when_the_service_is_imported() -> None:
    modules = sorted(f"app.{path.stem}" for path in (ROOT / "app").glob("*.py") if path.stem != "dist_info")
    code = (
        "import sys, json, importlib\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    absent = {"pandas", "sklearn", "mlflow", "dvc", "evidently", "pyarrow", "matplotlib", "jinja2", "scipy", "xgboost"}
    assert not absent & {name.split(".")[0] for name in json.loads(answer.stdout)}
