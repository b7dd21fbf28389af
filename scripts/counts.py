"""`scripts/lint counts`: what should stay rare in lockgate/, beside its limit; ends with 1 where there is more."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

KIT = Path(__file__).resolve().parents[1] / "lockgate"
LOOSE = re.compile(r"\b(?:dict|Mapping)\[str, (?:Any|object)\]")
LIMITS = {"mappings of text to anything": 25, "imports inside functions": 60}


def loose_mappings(source: str) -> int:
    """`dict[str, Any]`, `Mapping[str, Any]`, and the same of object: data that no type describes."""
    return len(LOOSE.findall(source))


def function_imports(source: str) -> int:
    """Import statements inside functions, and calls of importlib's `import_module` wherever."""
    tree = ast.parse(source)
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    ]
    return len(inside) + len(calls)


def main() -> int:
    """Print the counts with the files that have most."""
    sources = {path: path.read_text() for path in sorted(KIT.rglob("*.py"))}
    exceeded = False
    for (name, limit), count in zip(LIMITS.items(), (loose_mappings, function_imports), strict=True):
        counts = {path: count(source) for path, source in sources.items()}
        total = sum(counts.values())
        most = sorted(((found, path) for path, found in counts.items() if found), reverse=True)[:5]
        shown = ", ".join(f"{path.relative_to(KIT)} {found}" for found, path in most)
        print(f"{name}: {total}, at most {limit} ({shown})")
        exceeded |= total > limit
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
