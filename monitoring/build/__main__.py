"""Write the generated files of `monitoring/`."""

from __future__ import annotations

from monitoring.build.files import made_files

if __name__ == "__main__":
    for path, content in made_files().items():
        path.write_text(content)
