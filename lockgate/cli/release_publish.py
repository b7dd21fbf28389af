"""After the image is tagged: the GitHub Release."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lockgate.ci.release.archive import bundle_archive
from lockgate.ci.release.image import DIGESTS, release_digests
from lockgate.ci.release.model_card import Card, render_card
from lockgate.ci.release.releases import Content, publish_release
from lockgate.ci.release.version import parse_tag
from lockgate.cli.command import Command, params_option, say
from lockgate.cli.release_image import RECORD, SBOM
from lockgate.cli.release_options import bundle_option, signer_option, unattested_option, work_option
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes
from lockgate.config.yaml_file import read_yaml
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.metrics_json import read_metrics
from lockgate.documents.release_json import ImageRecord
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.github.client import open_repository, settings_from_environment
from lockgate.model.bundle import SCHEMA, verify_bundle
from lockgate.report.facts import ReportFacts


@click.command(cls=Command)
@params_option
@click.argument("name")
@bundle_option
@click.option("--latest/--not-latest", required=True, help="Whether it is the version in production from now on.")
@signer_option
@unattested_option
@work_option
def publish(
    params_path: Path, name: str, folder: Path, latest: bool, signer_workflow: str, unattested: bool, work: Path
) -> None:
    """Publish the GitHub Release of the tag NAME, with card, bundle, verdict, drift, metrics, SBOM and digests.

    A draft is filled and then published; one that is published already is left as it is.
    """
    version, record, bundle = parse_tag(name), ImageRecord.read_file(work / RECORD), verify_bundle(folder)
    # Read once: what was believed is what is published.
    gate_json = read_bytes(layout.GATE, GateResult.HOW_TO_FIX)
    gate = GateResult.read(gate_json, layout.GATE)
    gate.require_pass(bundle.digest, layout.GATE, params=bundle.params)
    if bundle.digest != record.model:
        raise InputError(
            f"{folder}/ is the model {bundle.digest[:12]}, but the image has {record.model[:12]}; release again"
        )
    settings = settings_from_environment()
    facts = ReportFacts(
        gate=gate,
        metrics=read_metrics(layout.METRICS.read_bytes(), layout.METRICS) if layout.METRICS.exists() else None,
        drift=DriftResult.read_file(layout.DRIFT) if layout.DRIFT.exists() else None,
        train=TrainingReport.read_file(layout.TRAIN_REPORT) if layout.TRAIN_REPORT.exists() else None,
        schema=Schema.read(bundle.contents[SCHEMA], bundle.path(SCHEMA)),
        training_data=bundle.training_data,
        params=bundle.params,
    )
    model_name = (read_yaml(params_path).get("register") or {}).get("model_name") or "credit-default-classifier"
    signer = "" if unattested else signer_workflow
    card = render_card(Card(str(model_name), settings.repository, version, record, signer, facts))
    assets = {"bundle.tar.gz": bundle_archive(bundle), "model-card.md": card.encode(), layout.GATE.name: gate_json}
    paths = (layout.METRICS, layout.DRIFT, work / SBOM)
    assets |= {path.name: path.read_bytes() for path in paths if path.is_file()}
    assets[DIGESTS] = release_digests(version, record, bundle, gate, assets).to_bytes()
    since = datetime.now(UTC) if latest else None
    url = publish_release(open_repository(settings), Content(version, record.commit, card, assets), since)
    say(f"published {url}")
