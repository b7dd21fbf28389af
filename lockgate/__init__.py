"""Lockgate carries a binary classifier on tabular data from a file to a gated, registered, served and watched model.

This is the public Python interface. The functions take and give values (data frames, documents), know no paths, and raise
`InputError` where something is wrong that the caller can put right:

    import lockgate

    params = lockgate.Params(prepare={"source": "loans.csv", "target": "defaulted"})
    dataset = lockgate.prepare(frame, params.prepare)
    trained = lockgate.train(dataset.train, dataset.schema, params)
    evaluation = lockgate.evaluate(trained.bundle, dataset.test, params)
    verdict = lockgate.judge(evaluation.predictions)
    drift = lockgate.measure_drift(last_month, this_month)

`Project` reads and writes the files that the stages hand on. Everything is imported when it is first used, so that
`import lockgate` costs nothing and needs none of the extras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lockgate.config.version import __version__ as __version__

if TYPE_CHECKING:
    from lockgate.cli.command import Command as Command
    from lockgate.cli.stage import stage_options as stage_options
    from lockgate.config.errors import GateBlockedError as GateBlockedError
    from lockgate.config.errors import InputError as InputError
    from lockgate.config.params import Params as Params
    from lockgate.config.params import read_params as read_params
    from lockgate.data.dataset import Dataset as Dataset
    from lockgate.data.dataset import prepare as prepare
    from lockgate.data.tables import Table as Table
    from lockgate.documents.drift_json import DriftResult as DriftResult
    from lockgate.documents.gate_json import GateResult as GateResult
    from lockgate.documents.golden_json import GoldenPredictions as GoldenPredictions
    from lockgate.documents.manifest_json import Manifest as Manifest
    from lockgate.documents.policy_json import PolicyDifference as PolicyDifference
    from lockgate.documents.profile_json import Profile as Profile
    from lockgate.documents.schema_json import Schema as Schema
    from lockgate.documents.train_json import TrainingReport as TrainingReport
    from lockgate.drift.profile_sum import merge_profiles as merge_profiles
    from lockgate.gate.comparison import Comparison as Comparison
    from lockgate.gate.comparison import compare as compare
    from lockgate.gate.evaluation import Evaluation as Evaluation
    from lockgate.gate.evaluation import evaluate as evaluate
    from lockgate.gate.evidence import Policy as Policy
    from lockgate.gate.judge import judge as judge
    from lockgate.model.bundle import Bundle as Bundle
    from lockgate.model.bundle import verify_bundle as verify_bundle
    from lockgate.model.drift import measure_drift as measure_drift
    from lockgate.model.features import code_matrix as code_matrix
    from lockgate.model.features import text_frame as text_frame
    from lockgate.model.import_model import import_model as import_model
    from lockgate.model.protocol import Model as Model
    from lockgate.model.protocol import Sample as Sample
    from lockgate.model.scoring import score_bundle as score_bundle
    from lockgate.model.table_scores import score_table as score_table
    from lockgate.model.training import Trained as Trained
    from lockgate.model.training import train as train
    from lockgate.project import Project as Project
    from lockgate.registry.register import Registration as Registration
    from lockgate.registry.register import register as register
    from lockgate.report.facts import ReportFacts as ReportFacts
    from lockgate.report.report import Report as Report
    from lockgate.report.report import write_report as write_report

# Each public name and the module that has it.
_HOMES = {
    "Bundle": "lockgate.model.bundle",
    "Command": "lockgate.cli.command",
    "Comparison": "lockgate.gate.comparison",
    "Dataset": "lockgate.data.dataset",
    "DriftResult": "lockgate.documents.drift_json",
    "Evaluation": "lockgate.gate.evaluation",
    "GateBlockedError": "lockgate.config.errors",
    "GateResult": "lockgate.documents.gate_json",
    "GoldenPredictions": "lockgate.documents.golden_json",
    "InputError": "lockgate.config.errors",
    "Manifest": "lockgate.documents.manifest_json",
    "Model": "lockgate.model.protocol",
    "Params": "lockgate.config.params",
    "Policy": "lockgate.gate.evidence",
    "PolicyDifference": "lockgate.documents.policy_json",
    "Profile": "lockgate.documents.profile_json",
    "Project": "lockgate.project",
    "Registration": "lockgate.registry.register",
    "Report": "lockgate.report.report",
    "ReportFacts": "lockgate.report.facts",
    "Sample": "lockgate.model.protocol",
    "Schema": "lockgate.documents.schema_json",
    "Table": "lockgate.data.tables",
    "Trained": "lockgate.model.training",
    "TrainingReport": "lockgate.documents.train_json",
    "code_matrix": "lockgate.model.features",
    "compare": "lockgate.gate.comparison",
    "evaluate": "lockgate.gate.evaluation",
    "import_model": "lockgate.model.import_model",
    "judge": "lockgate.gate.judge",
    "measure_drift": "lockgate.model.drift",
    "merge_profiles": "lockgate.drift.profile_sum",
    "prepare": "lockgate.data.dataset",
    "read_params": "lockgate.config.params",
    "register": "lockgate.registry.register",
    "score_bundle": "lockgate.model.scoring",
    "score_table": "lockgate.model.table_scores",
    "stage_options": "lockgate.cli.stage",
    "text_frame": "lockgate.model.features",
    "train": "lockgate.model.training",
    "verify_bundle": "lockgate.model.bundle",
    "write_report": "lockgate.report.report",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lockgate' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
