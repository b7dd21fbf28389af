"""Run inside the image: bytes that each installed package takes, as JSON on stdout."""

import csv
import json
import os
import pathlib
import sys

ROOT = pathlib.Path("/opt/lockgate")
shares = {}
for record in ROOT.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
    name = record.parent.name.split("-")[0]
    site = record.parents[1]
    for path, *_ in csv.reader(record.open()):
        file = pathlib.Path(os.path.normpath(site / path))
        compiled = file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc"
        for one in (file, compiled) if file.suffix == ".py" else (file,):
            if one.is_file():
                shares[name] = shares.get(name, 0) + one.stat().st_size
for label, folder in {"(the kit)": "/app", "(the bundle)": "/bundle"}.items():
    shares[label] = sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*") if file.is_file())
json.dump(shares, sys.stdout)
