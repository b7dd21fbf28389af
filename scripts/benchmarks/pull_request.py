"""Seconds of a pull request's jobs under act, with nothing changed: after a run of the default branch, as on GitHub.

Beside the clock's seconds stand those of the processor, which another program on the machine does not stretch.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import click
from e2e.act import Project, copy_of_the_tree, pull_request, pushed
from e2e.act_log import Run
from e2e.earlier_runs import keep
from fake_github import FakeGitHub


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", default=3, show_default=True, help="How many times the pull request is run.")
def main(rounds: int) -> None:
    """Run pr.yml for the default branch, and then for a pull request, in a copy of this project."""
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name, FakeGitHub() as fake:
        project = copy_of_the_tree(Path(name) / "project", own_project=False)
        fake.state["repository"] = project.name
        base = project.git("rev-parse", "HEAD")
        first = timed("default branch", project, "push", Path(name) / "state", fake, pushed(project))
        keep(fake, first, base)
        payload = pull_request(project, base)
        for number in range(1, rounds + 1):
            timed(f"pull request {number}", project, "pull_request", Path(name) / "state", fake, payload)


def timed(title: str, project: Project, event: str, state: Path, fake: FakeGitHub, payload: dict[str, object]) -> Run:
    """Run it and print its seconds, a line a job."""
    before = processor_seconds()
    run = project.run("pr.yml", event, state=state, payload=payload, api_url=fake.url).expect("success")
    print(f"{title}: {len(run.jobs)} jobs, {processor_seconds() - before:.1f} s of the processor, act's own among them")
    for job, steps in run.seconds.items():
        print(f"  {job}: {sum(steps.values()):.1f} s of steps")
    return run


def processor_seconds() -> float:
    """Of all processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
