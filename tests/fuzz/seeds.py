#!/usr/bin/python3
"""Writes the seed corpora of the fuzzers: seeds.py FOLDER makes FOLDER/<fuzzer>/<seed>.

Each tests/fuzz/seeds_<fuzzer>.py has a function seeds() that yields (name, bytes).
"""
import importlib.util
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
for path in sorted(here.glob("seeds_*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = pathlib.Path(sys.argv[1]) / path.stem.removeprefix("seeds_")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in module.seeds():
        (folder / name).write_bytes(data)
