"""What Python's zipfile raises for archives that are damaged, or made to be."""

from __future__ import annotations

import zipfile
import zlib

# Bad structure; bad deflate data; a compression or version it lacks; encryption; an early end; impossible offsets.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError)
