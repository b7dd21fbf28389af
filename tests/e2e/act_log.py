"""What a run of act came to, read from its JSON log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """Conclusions by job (`"model / judge"` for a job of a called workflow; a skipped one is absent), and what was said."""

    code: int
    run_id: int
    state: Path
    jobs: dict[str, str]
    outputs: dict[str, dict[str, str]]  # by job, of all its steps, the last of a name
    summaries: dict[str, str]  # by job
    annotations: list[tuple[str, str]]  # level and message
    seconds: dict[str, dict[str, float]]  # by job and step
    text: str = field(repr=False)  # everything that was printed

    @property
    def summary(self) -> str:
        """The summaries of all jobs."""
        return "\n".join(self.summaries.values())

    def artifact(self, name: str) -> Path:
        """The folder of an artifact that this run uploaded; it need not exist."""
        return self.state / "artifacts" / str(self.run_id) / name

    def expect(self, conclusion: str, *jobs: str) -> Run:
        """This run, if the jobs (all where none is named) ended so; the whole log otherwise."""
        found = {name: self.jobs.get(name) for name in jobs or self.jobs}
        assert set(found.values()) == {conclusion}, f"{self.jobs}\n{self.text}"
        return self


def read_log(lines: list[str], code: int, run_id: int, state: Path) -> Run:
    """Read act's log, one JSON object a line; lines that are none are kept as text."""
    run = Run(code, run_id, state, {}, {}, {}, [], {}, "")
    text = []
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            entry = {"msg": line}
        job = _job(entry)
        text.append(f"[{job}] {str(entry.get('msg', '')).rstrip()}" if job else str(entry.get("msg", "")).rstrip())
        if not job:
            continue
        top = len(entry.get("stepID") or []) <= 1
        if entry.get("jobResult"):
            run.jobs[job] = entry["jobResult"]
        elif entry.get("command") == "set-output":
            run.outputs.setdefault(job, {})[entry["name"]] = entry["arg"]
        elif entry.get("command") == "summary" and not (top and _repeats(run.summaries.get(job, ""), entry["content"])):
            run.summaries[job] = run.summaries.get(job, "") + entry["content"]
        elif entry.get("command") in ("error", "warning", "notice"):
            run.annotations.append((entry["command"], entry["arg"]))
        elif entry.get("executionTime") is not None and top:
            times = run.seconds.setdefault(job, {})
            times[entry["step"]] = times.get(entry["step"], 0.0) + entry["executionTime"] / 1e9
    return Run(**{**run.__dict__, "text": "\n".join(text)})


def _job(entry: dict[str, Any]) -> str:
    """`call/model/judge  ` is what act prints for the job `judge` that `call` calls: `call / judge`."""
    parts = str(entry.get("job", "")).strip().split("/")
    return " / ".join([*parts[0:-2:2], parts[-1]]) if len(parts) > 2 else parts[-1]


def _repeats(summary: str, content: str) -> bool:
    """act shows what the steps of a composite action wrote once more when the action ends."""
    return summary.endswith(content)
