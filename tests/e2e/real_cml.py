"""pr-comment.yml under act with the real CML, which its job installs from a clone in place of GitHub: `scripts/cml act`."""

from __future__ import annotations

import os
from pathlib import Path

import certifi
from commented import HEAD, RUN, bodies, documents, finished_run
from e2e.act import copy_of_the_tree
from fake_github import FakeGitHub
from fake_github.certificate import certify

WATERMARK = f'![](https://cml.dev/watermark.png#{HEAD} "CML watermark lockgate report")'


def test_cml_posts_the_comment_and_edits_it(trained_project: Path, tmp_path: Path) -> None:
    source, home = Path(os.environ["LOCKGATE_CML_SOURCE"]).resolve(), tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "file://{source}"]\n\tinsteadOf = https://github.com/iterative/cml\n')
    context, trusted = certify(tmp_path)
    trusted.write_text(trusted.read_text() + Path(certifi.where()).read_text())
    kit = copy_of_the_tree(tmp_path / "kit")
    event = {"action": "completed", "workflow_run": {
        "id": RUN, "event": "pull_request", "conclusion": "success", "head_sha": HEAD, "head_branch": "change",
        "head_repository": {"full_name": kit.name}, "pull_requests": [],
    }}  # fmt: skip
    with FakeGitHub({"repository": kit.name}, tls=context) as github:
        finished_run(github, documents(trained_project))
        for verb in ("posted", "updated"):
            ran = kit.run(
                "pr-comment.yml", "workflow_run", state=tmp_path / "state", payload=event, api_url=github.url,
                environment={
                    "HOME": str(home), "GITHUB_SERVER_URL": github.url, "NODE_EXTRA_CA_CERTS": str(trusted),
                    "SSL_CERT_FILE": str(trusted), "REQUESTS_CA_BUNDLE": str(trusted),
                },
            )  # fmt: skip
            ran.expect("success", "comment / post")
            assert "the REST API does CML's work instead" not in ran.text
            posted = bodies(github)
            assert len(posted) == 1, ran.text
            (body,) = posted
            assert WATERMARK in body, f"CML {verb} it"
            # As if it were of an older commit's run, which the next one brings up to date.
            github.state["comments"][0]["body"] = body.replace(HEAD, "b" * 40).replace(
                f"run={RUN}/", f"run={RUN - 100}/"
            )
        assert not github.problems
        written = [request.operation for request in github.requests if request.method != "GET"]
        assert written == ["issues/create-comment", "issues/update-comment"]
