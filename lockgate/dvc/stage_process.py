"""The process that reproduces a project's stages by DVC's Python interface.

    python -m lockgate.dvc.stage_process RESULT [--anew] [STAGE]...

A process of its own, because a limit or a cancelled job has to end DVC with all that it started. Every byte that DVC
did not just see made by a stage's command is hashed here before a stage may use it: DVC itself believes what its cache and
its remotes hold, and what it wrote down of a file's time and inode.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

import msgspec
from dvc.exceptions import CheckoutError, DownloadError, DvcException, ReproductionError
from dvc.lock import LockError
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage
from dvc.stage.cache import RunCacheNotFoundError, RunCacheNotSupported
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.documents.reproduction_json import StageOutcome, StageRun
from lockgate.dvc.child_process import ANEW, SECONDS_VARIABLE, ProcessResult, seconds_limit
from lockgate.dvc.lock import DVC_LOCK, other_bytes_line

HASHES = ("md5", "md5-dos2unix")  # what DVC keeps of a file of this machine; the second one in locks of DVC 2


class RefusedError(BaseException):
    """Why no stage may go on, in a line. Not an Exception, which DVC would take for the failure of one stage of many."""


class Reproduction:
    """One `dvc repro`: what each stage did; RefusedError where none may go on.

    The stages in `anew` run, whatever lock and cache have of them.
    """

    def __init__(self, repo: Repo, result: Path, anew: frozenset[str]) -> None:
        self.repo = repo
        self.result = result
        self.anew = anew
        self.stages: list[StageRun] = []
        self.made = {out.fs_path for stage in repo.index.stages for out in stage.outs}
        self._is_run_cache_pulled = False

    def run(self, targets: list[str]) -> None:
        """Reproduce the targets, all stages where there is none."""
        with suppress(ReproductionError):  # a stage failed; which one is known
            self.repo.reproduce(targets or None, on_error="keep-going", repro_fn=self.reproduce)

    def reproduce(self, stage: Stage, upstream: list[Stage] | None = None, **_: object) -> Stage | None:
        """Bring one stage up to date; DVC calls it for each, in order, and not for those that need one that failed."""
        start = time.monotonic()
        how: StageOutcome = "failed"
        try:
            how = self._bring_up_to_date(stage, upstream)
        finally:
            self.stages.append(StageRun(stage.addressing, how, round(time.monotonic() - start, 1)))
        return None if how == "unchanged" else stage

    def _bring_up_to_date(self, stage: Stage, upstream: list[Stage] | None) -> StageOutcome:
        if stage.addressing not in self.anew:
            if not stage.changed(upstream=upstream):
                self._require_locked_bytes(stage)
                return "unchanged"
            if self._check_out(stage, upstream) or self._restore(stage):
                return "restored"
        self._require_source(stage)
        stage.run(force=True)
        stage.dump(update_pipeline=False)
        return "ran"

    def _check_out(self, stage: Stage, upstream: list[Stage] | None) -> bool:
        """Bring the outputs that the lock names from cache or remote, where nothing but them is missing."""
        if stage.changed(allow_missing=True, upstream=upstream):
            return False
        if all(out.exists for out in stage.outs):
            # Only the cache lacks them: an artifact brought them, or somebody cleared it.
            self._require_locked_bytes(stage)
            stage.commit()
            return not stage.changed(upstream=upstream)
        if self._has_remote(stage):
            with self._remote_call(stage):
                self.repo.fetch([stage.addressing])
                self._require_answer(stage)
        with suppress(CheckoutError):  # what no cache has
            self.repo.checkout([stage.addressing])
        self._require_locked_bytes(stage)
        return not stage.changed(upstream=upstream)  # outputs that no cache keeps may be missing still

    def _restore(self, stage: Stage) -> bool:
        """Bring the outputs of an earlier run on the same inputs, of this machine or of one that pushed them."""
        if not stage.cmd or stage.frozen:
            return False
        stage.remove_outs()
        has_remote = self._has_remote(stage)
        try:
            with self._remote_call(stage) if has_remote else nullcontext():
                if has_remote:
                    self._pull_run_cache()
                self.repo.stage_cache.restore(stage, pull=has_remote)
        except RunCacheNotFoundError:
            return False
        stage.save()
        self._require_locked_bytes(stage)
        stage.commit()
        stage.dump(update_pipeline=False)
        return True

    def _pull_run_cache(self) -> None:
        if not self._is_run_cache_pulled:
            with suppress(RunCacheNotSupported):  # over http there is none
                self.repo.stage_cache.pull(None)
            self._is_run_cache_pulled = True

    def _require_source(self, stage: Stage) -> None:
        """Raises RefusedError where data that no stage makes are nowhere to be had."""
        for out in stage.outs:
            if not stage.cmd and not stage.is_import and not out.exists:
                places = f"DVC's cache or {self._shown_remote(stage)}" if self._has_remote(stage) else "DVC's cache"
                raise RefusedError(
                    f"{_shown_path(out)} of {stage.addressing} is neither here nor in {places}; "
                    "run `dvc push` where it is, or `dvc add` it here"
                )

    def _has_remote(self, stage: Stage) -> bool:
        return bool(self.repo.config["core"].get("remote")) or any(out.remote for out in stage.outs)

    @contextmanager
    def _remote_call(self, stage: Stage) -> Iterator[None]:
        """What is asked of a remote inside has an end, and is refused in words of ours where the remote refuses."""
        limit = seconds_limit()

        def expire() -> NoReturn:
            problem = (
                f"{self._shown_remote(stage)} did not give the data of `{stage.addressing}` within {limit:g} s; "
                f"check that it answers, or give it longer with {SECONDS_VARIABLE}"
            )
            write_result(self.result, ProcessResult((), problem))
            os._exit(1)  # a call that does not return cannot be ended in any other way

        timer = threading.Timer(limit, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except RunCacheNotFoundError:
            raise
        except DownloadError:
            self._require_answer(stage)
            raise RefusedError(self._refusal(stage, "a transfer broke off")) from None
        except Exception as error:
            raise RefusedError(self._refusal(stage, _reason(error))) from error
        finally:
            timer.cancel()

    def _require_answer(self, stage: Stage) -> None:
        """Raises RefusedError where the remote refuses an object that the cache lacks, instead of not having it.

        DVC takes both for a file that is missing.
        """
        for out in stage.outs:
            if not (out.use_cache and out.hash_info):
                continue
            listing = out.get_obj() if out.hash_info.isdir else None
            objects = [out.hash_info.value, *(part.value for _, _, part in listing or ())]
            remote = self.repo.cloud.get_remote(out.remote).odb
            for name in objects:
                if not out.cache.exists(name):
                    try:
                        remote.fs.cat_file(remote.oid_to_path(name), start=0, end=1)
                    except FileNotFoundError:
                        continue
                    except Exception as error:
                        raise RefusedError(self._refusal(stage, _reason(error))) from error

    def _refusal(self, stage: Stage, reason: str) -> str:
        return (
            f"{self._shown_remote(stage)} does not give the data of `{stage.addressing}` ({reason}); "
            "check its address and its credentials"
        )

    def _shown_remote(self, stage: Stage) -> str:
        name = next((out.remote for out in stage.outs if out.remote), None) or self.repo.config["core"]["remote"]
        url = self.repo.config["remote"].get(name, {}).get("url", "not configured")
        return f"DVC's remote `{name}` ({safe_url(url)})"

    def _require_locked_bytes(self, stage: Stage) -> None:
        """Raises RefusedError where an output that is here has other bytes than the lock says.

        So has a dependency that no stage makes; DVC has not seen that it changed.
        """
        lock = DVC_LOCK if isinstance(stage, PipelineStage) else stage.addressing
        for out in stage.outs:
            for path, found, locked in self._other_bytes(out):
                cached = os.path.relpath(out.cache.oid_to_path(locked))
                raise RefusedError(
                    f"{other_bytes_line(path, found, locked, lock)}; delete it and {cached} and run `lockgate reproduce` "
                    "again; where the same comes back, it is damaged in the remote too, and has to be pushed anew"
                )
        for dep in stage.deps:
            for path, found, locked in self._other_bytes(dep) if dep.fs_path not in self.made else ():
                raise RefusedError(
                    f"{other_bytes_line(path, found, locked, lock)}, which DVC has not noticed; run `touch {path}` and "
                    "`lockgate reproduce` again"
                )

    def _other_bytes(self, entry: Output) -> Iterator[tuple[str, str, str]]:
        """The files of an output or dependency that differ from its hash: path, hash of the bytes, hash in the lock."""
        locked = entry.hash_info
        if entry.protocol != "local" or not locked or locked.name not in HASHES or not entry.exists:
            return
        if not locked.isdir:
            if (found := file_md5(entry.fs_path, name=locked.name)) != locked.value:
                yield _shown_path(entry), found, locked.value
            return
        here = Tree()  # type: ignore[no-untyped-call]
        for path in self.repo.dvcignore.find(entry.fs, entry.fs_path):
            parts = entry.fs.relparts(path, entry.fs_path)
            here.add(parts, None, HashInfo(locked.name, file_md5(path, name=locked.name)))
        here.digest()
        if here.hash_info.value == locked.value:
            return
        listed = {parts: part.value for parts, _, part in entry.get_obj() or ()}
        for parts, _, part in here:
            if listed.get(parts, part.value) != part.value:
                yield os.path.join(_shown_path(entry), *parts), str(part.value), str(listed[parts])
        yield _shown_path(entry), str(here.hash_info.value), locked.value


def _shown_path(entry: Output) -> str:
    return os.path.relpath(str(entry.fs_path))


def _reason(error: BaseException) -> str:
    """What an exception says, in one line without credentials; its kind where it says nothing."""
    return without_credentials(" ".join(str(error).split())) or type(error).__name__


def write_result(file: Path, result: ProcessResult) -> None:
    """Tell the process that waits for this one."""
    file.write_bytes(msgspec.json.encode(result))


def main(file: str, *arguments: str) -> None:
    """Reproduce the stages in the working directory, and write into `file` what happened."""
    result = Path(file)
    targets = [argument for argument in arguments if argument != ANEW]
    try:
        with Repo() as repo:
            reproduction = Reproduction(repo, result, frozenset(targets if ANEW in arguments else ()))
            reproduction.run(targets)
        write_result(result, ProcessResult(tuple(reproduction.stages), None))
    except LockError:
        busy = "another DVC command is at work in this folder, or was killed; wait for it to end, and run this again"
        write_result(result, ProcessResult((), busy))
    except (RefusedError, DvcException) as error:
        write_result(result, ProcessResult((), _reason(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])
