#!/usr/bin/python3
"""Writes, from botocore's service models, which errors each operation documents: a row of C for each, {"lambda.Invoke", " A B C "}."""
import gzip
import json
import pathlib

import botocore

MODELS = {"lambda": "lambda/2015-03-31", "iam": "iam/2010-05-08", "logs": "logs/2014-03-28", "sts": "sts/2011-06-15"}

for service, folder in MODELS.items():
    path = pathlib.Path(botocore.__file__).parent / "data" / folder / "service-2.json"
    model = json.loads(path.read_bytes() if path.exists() else gzip.decompress(path.with_suffix(".json.gz").read_bytes()))
    for name, operation in model["operations"].items():
        shapes = [model["shapes"][error["shape"]] | {"name": error["shape"]} for error in operation.get("errors", [])]
        codes = [shape.get("error", {}).get("code", shape["name"]) for shape in shapes]
        print(f'{{"{service}.{name}", " {" ".join(codes)} "}},')
