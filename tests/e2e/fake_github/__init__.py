"""A GitHub of our own: its REST API over memory, every request checked against GitHub's published description.

In a test: the fixture `fake_github`. As a process: `python -m fake_github --port 0` (with tests/e2e on PYTHONPATH).
A new area is a module in `areas/`: functions marked `@operation("issues/create-comment")` that take a `Call`.
"""

from fake_github.server import FakeGitHub

__all__ = ["FakeGitHub"]
