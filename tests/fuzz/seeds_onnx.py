"""Seeds of fuzz_onnx: the small models of the engine's own tests, one-operator models, and the standard's node tests where they are
there (../shared/onnx-backend-tests.tar.xz)."""
import importlib.util
import pathlib
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STANDARD = ROOT.parent / "shared/onnx-backend-tests.tar.xz"
LARGEST = 6000


def of_engine_tests(folder):
    subprocess.run([sys.executable, ROOT / "tests/unit/engine/make_models.py", folder], check=True)


def of_one_operator(folder):
    spec = importlib.util.spec_from_file_location("test_operators", ROOT / "tests/conformance/test_operators.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for entry in module.CASES:
        module.build(entry, pathlib.Path(folder) / f"one_{entry['name']}")


def of_standard():
    if not STANDARD.exists():
        print("seeds of the standard's node tests are not there: the other models have to do", file=sys.stderr)
        return
    with tarfile.open(STANDARD) as tar:
        for member in tar:
            if member.name.endswith("/model.onnx") and member.size <= LARGEST:
                yield member.name.split("/")[-2], tar.extractfile(member).read()


def seeds():
    seen = set()
    with tempfile.TemporaryDirectory() as folder:
        of_engine_tests(folder)
        of_one_operator(folder)
        made = [(path.parent.name, path.read_bytes()) for path in sorted(pathlib.Path(folder).glob("*/model.onnx"))]
    for name, data in made + list(of_standard()):
        if len(data) <= LARGEST and data not in seen:
            seen.add(data)
            yield name, data
