"""Seeds of fuzz_image: the models of fuzz_onnx, of which the fuzzer makes images itself (so they are always of the build at hand)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from seeds_onnx import seeds  # noqa: E402, F401
