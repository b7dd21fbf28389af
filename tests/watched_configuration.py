"""The shipped configuration of Prometheus and Alertmanager, made quick and local for a test.

Everything is scraped and evaluated each second, an alert waits seconds where it waits minutes (`for`, `group_wait`), and
names of containers are addresses on 127.0.0.1. Nothing else differs.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ruamel.yaml import YAML

MONITORING = Path(__file__).parents[1] / "monitoring"


def write_alertmanager(folder: Path, receiver: str) -> Path:
    """The file, for a receiver at this host and port."""
    text = (MONITORING / "alertmanager" / "log.yml").read_text().replace("receiver:9095", receiver)
    text = text.replace("group_wait: 30s", "group_wait: 1s").replace("group_interval: 5m", "group_interval: 1s")
    path = folder / "alertmanager.yml"
    path.write_text(text)
    return path


def write_prometheus(folder: Path, own: str, alertmanager: str, replicas: dict[str, list[str]]) -> Path:
    """The file, its rules beside it; `replicas` has the hosts and ports of each job, the others are one each."""
    copy = Path(shutil.copytree(MONITORING / "prometheus", folder / "prometheus"))
    for rules in (copy / "rules").glob("*.yml"):
        rules.write_text(re.sub(r"^( +for:) \w+$", r"\1 2s", rules.read_text(), flags=re.MULTILINE))
    yaml = YAML()
    path = copy / "prometheus.yml"
    configuration = yaml.load(path)
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    jobs["prometheus"]["static_configs"][0]["targets"] = [own]
    jobs["alertmanager"]["static_configs"][0]["targets"] = [alertmanager]
    del jobs["lockgate"]["dns_sd_configs"]
    jobs["lockgate"]["static_configs"] = [{"targets": found, "labels": {"job": job}} for job, found in replicas.items()]
    yaml.dump(configuration, path)
    return path
