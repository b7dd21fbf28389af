"""What `scripts/lint counts` counts."""

from __future__ import annotations

from counts import function_imports, loose_mappings

SOURCE = """
import json
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import pandas

def load(row: dict[str, Any], other: Mapping[str, object], counts: dict[str, int]) -> list[dict[str, object]]:
    import mlflow, xgboost
    def inner() -> None:
        from scipy import special
    return importlib.import_module("x")

class Lazy:
    async def get(self) -> Mapping[str, Any]:
        import onnx
"""


def test_mappings_of_anything_are_counted_wherever_they_stand() -> None:
    assert loose_mappings(SOURCE) == 4


def test_imports_inside_functions_are_counted_once_and_others_not() -> None:
    assert function_imports(SOURCE) == 4
