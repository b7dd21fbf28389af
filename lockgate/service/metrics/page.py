"""The body of /metrics: everything that is counted, and what a scrape shows beside it; every series from the first scrape on.

What is counted is declared in `layouts.py`, and what the last night found in `nightly_gauges.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.platform_collector import PlatformCollector

from lockgate.config.version import __version__
from lockgate.documents.profile_json import Profile
from lockgate.drift.psi import smoothed_shares
from lockgate.service.bundle import GateVerdict
from lockgate.service.drift.nightly import Nightly
from lockgate.service.metrics.counters import SharedCounters
from lockgate.service.metrics.layouts import SERVICE, ModelLayout
from lockgate.service.metrics.nightly_gauges import nightly_gauges
from lockgate.service.metrics.processes import ProcessText
from lockgate.service.metrics.prometheus_text import (
    FORMATS,
    Format,
    Section,
    counted_numbers,
    counted_section,
    gauge,
    page,
)
from lockgate.service.scoring.predictor import Predictor


@dataclass(frozen=True)
class Snapshot:
    """What a scrape shows beside the counters."""

    predictor: Predictor
    ready: bool
    nightly: Nightly


class MetricsPage:
    """Writes the lines of a bundle once, and at each scrape puts the numbers in.

    Of a bundle that no longer serves it shows what it has counted, so that its last rows are not lost, and nothing else: live
    drift of a model that is gone is nobody's alert.
    """

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters
        self._service = counted_section(SERVICE)
        self._shadow = None if counters.shadow is None else counted_section(counters.shadow)
        self._ready = Section([gauge("lockgate_ready", "Whether /ready says 200.", [{}], [0.0])])
        self._python = Section(list(PlatformCollector(registry=None).collect()))
        self._processes = ProcessText()
        self._counted: dict[str, Section] = {}  # by digest
        self._served: dict[tuple[str, GateVerdict], ServedText] = {}

    def prepare(self, predictor: Predictor) -> None:
        """Write the lines of a bundle before the first scrape of it: it takes ten milliseconds, which the event loop has not."""
        self._counted_section(predictor.metrics.layout)
        self._served_text(predictor)

    def render(self, written: Format, shown: Snapshot) -> bytes:
        """The body of /metrics."""
        counters = self._counters
        models = [(one, counters.model_totals(slot)) for slot, one in enumerate(counters.slots) if one is not None]
        return page(
            written,
            [
                self._service.text(written, counted_numbers(SERVICE, counters.service_totals())),
                Section.text_of_several(
                    written,
                    [(self._counted_section(layout), counted_numbers(layout, totals)) for layout, totals in models],
                ),
                self._shadow_text(written),
                self._ready.text(written, np.array([shown.ready], dtype=np.float64)),
                self._served_text(shown.predictor).text(written, shown.predictor.psi_chance, shown.nightly),
                self._processes.text(written, counters.processes()),
                self._python.text(written, self._python.numbers),
            ],
        )

    def _shadow_text(self, written: Format) -> str:
        layout = self._counters.shadow
        if layout is None or self._shadow is None:
            return ""
        return self._shadow.text(written, counted_numbers(layout, self._counters.shadow_totals()))

    def _counted_section(self, layout: ModelLayout) -> Section:
        found = self._counted.get(layout.digest)
        if found is None:
            known = {one.digest for one in self._counters.slots if one is not None}
            self._counted = {digest: section for digest, section in self._counted.items() if digest in known}
            found = self._counted[layout.digest] = counted_section(layout)
        return found

    def _served_text(self, predictor: Predictor) -> ServedText:
        key = predictor.bundle.digest, predictor.verdict
        found = self._served.get(key)
        if found is None:
            found = ServedText(predictor.bundle.profile, *key)
            self._served = {
                **dict(list(self._served.items())[-1:]),
                key: found,
            }  # and the one before, which may still serve
        return found


class ServedText:
    """What is shown of the bundle that serves, beside what it counts: nearly all of it is the same at each scrape."""

    def __init__(self, profile: Profile, digest: str, verdict: GateVerdict) -> None:
        labels = {"digest": digest, "verdict": verdict, "lockgate_version": __version__}
        info = gauge("lockgate_model_info", "The bundle that is served.", [labels], [1.0])
        constant = Section([info, *_reference(profile, digest)])
        self._constant = {one: constant.text(one, constant.numbers) for one in FORMATS}
        chance = "The PSI that unchanged rows reach by chance, times n*m/(n+m)."
        features = [{"digest": digest, "feature": one.name} for one in profile.features]
        self._chance = Section([gauge("lockgate_feature_psi_chance", chance, features, [0.0] * len(features))])
        self._digest = digest
        self._gauges = nightly_gauges(profile)
        zeros = [gauge(one.name, one.help, one.labels, [0.0] * len(one.labels)) for one in self._gauges]
        self._nightly = Section([*zeros, *(gauge(name, text, [{}], [0.0]) for name, text in OF_THE_SOURCE.items())])
        self._written_nightly: dict[Format, tuple[Nightly, str]] = {}

    def text(self, written: Format, psi_chance: Sequence[float], nightly: Nightly) -> str:
        """All of it, with the PSI that chance reaches, a number a feature."""
        chance = self._chance.text(written, np.array(psi_chance, dtype=np.float64))
        return "".join((self._constant[written], chance, self._nightly_text(written, nightly)))

    def _nightly_text(self, written: Format, nightly: Nightly) -> str:
        """What the last nightly drift run found, and when it was; written again when it has been read again."""
        last = self._written_nightly.get(written)
        if last is None or last[0] is not nightly:
            values = [value for one in self._gauges for value in one.values(nightly.result)]
            values += [nightly.time, nightly.matches(self._digest), nightly.up]
            last = nightly, self._nightly.text(written, np.array(values, dtype=np.float64))
            self._written_nightly[written] = last
        return last[1]


OF_THE_SOURCE = {
    "lockgate_nightly_drift_timestamp_seconds": "When that run was.",
    "lockgate_nightly_drift_matches_model": "Whether that run was about the model served here.",
    "lockgate_drift_source_up": "Whether the drift source could be read the last time.",
}


def _reference(profile: Profile, digest: str) -> list[Metric]:
    """What the rules of live drift compare the counted bins with."""
    features = [{"digest": digest, "feature": one.name} for one in profile.features]
    bins = [
        {"digest": digest, "feature": one.name, "bin": label} for one in profile.features for label in one.bin_names
    ]
    shares = np.concatenate([smoothed_shares(one.counts) for one in profile.features]).tolist()
    settings = {name: float(getattr(profile.rule, name)) for name in profile.rule.__struct_fields__}
    return [
        gauge("lockgate_feature_bin_expected_share", "Smoothed share of the reference rows in each bin.", bins, shares),
        gauge(
            "lockgate_feature_reference_rows",
            "Rows that the profile was made from.",
            features,
            [float(one.n) for one in profile.features],
        ),
        gauge(
            "lockgate_drift_setting",
            "The drift settings that the bundle was trained with.",
            [{"digest": digest, "setting": name} for name in settings],
            list(settings.values()),
        ),
    ]
