"""Commands that read models without a server: whoever looks at the bytes of a model has gone into the sandbox first."""
import contextlib
import io
import json
import os
import pty
import re
import stat
import subprocess
import termios
import unicodedata

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from world import MAYFLY, create, invoke, scale_model, wait_for, wrong_operator_model


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(scale_model())
    folder = tmp_path / "test_data_set_0"
    folder.mkdir()
    x = numpy.float32([[1, 2, 3, 4]])
    for name, value in (("input_0", x), ("output_0", x * 2)):
        (folder / f"{name}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("command", ["run", "check", "inspect", "compile", "bench"])
def test_a_command_reads_models_in_the_sandbox(model, tmp_path, command):
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("processes may not be traced here (ptrace is refused)")
    arguments = {"run": ["--input", f"x={tmp_path}/test_data_set_0/input_0.pb"], "compile": ["-o", tmp_path / "image"]}.get(command, [])
    done = subprocess.run(["strace", "-ff", "-o", tmp_path / "trace", "-e", "trace=all", MAYFLY, command,
                           model.parent if command == "check" else model, *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    traces = [path.read_text() for path in tmp_path.glob("trace.*")]
    parent, = [text for text in traces if text.startswith("execve(")]
    entered = [text for text in traces if re.search(r"^(seccomp\(SECCOMP_SET_MODE_FILTER|prctl\(PR_SET_SECCOMP, SECCOMP_MODE_FILTER).*= 0$", text, re.M)]
    assert len(entered) == 1 and entered[0] is not parent
    inside = re.split(r"^(?:seccomp\(SECCOMP_SET_MODE_FILTER|prctl\(PR_SET_SECCOMP, SECCOMP_MODE_FILTER).*\n", entered[0], flags=re.M)[1]
    assert "exit_group(0)" in inside and not re.search(r"^(open|openat|execve|socket|connect|unlink)\(", inside, re.M)
    assert re.search(r"^wait4\(.*WEXITSTATUS\(s\) == 0", parent, re.M), "the parent waits for what was done there"


def image_of(model, tmp_path):
    subprocess.run([MAYFLY, "compile", model, "-o", tmp_path / "plain"], check=True, capture_output=True, timeout=60)
    return (tmp_path / "plain").read_bytes()


def test_what_is_no_file_is_written_into(model, tmp_path):
    expected, fifo = image_of(model, tmp_path), tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    try:
        done = subprocess.run([MAYFLY, "compile", model, "-o", fifo], capture_output=True, text=True, timeout=60)
        got = reader.communicate(timeout=20)[0]
    finally:
        reader.kill()
    assert (done.returncode, got == expected, stat.S_ISFIFO(fifo.stat().st_mode)) == (0, True, True), done.stderr
    reader = subprocess.Popen(["head", "-c1", fifo], stdout=subprocess.DEVNULL)  # goes away; the image fits into no pipe
    onnx.save(helper.make_model(helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "big", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1 << 20])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1 << 20])], [numpy_helper.from_array(numpy.ones(1 << 20, numpy.float32), "w")]),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=7), tmp_path / "big.onnx")
    done = subprocess.run([MAYFLY, "compile", tmp_path / "big.onnx", "-o", fifo], capture_output=True, text=True, timeout=60)
    reader.wait(20)
    assert done.returncode == 1 and "Broken pipe" in done.stderr and stat.S_ISFIFO(fifo.stat().st_mode), done.stderr
    done = subprocess.run([MAYFLY, "compile", model, "-o", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Is a directory" in done.stderr
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_written(model, tmp_path, there):
    expected = image_of(model, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/second")
    (tmp_path / "elsewhere/second").symlink_to("target")
    if there:
        (tmp_path / "elsewhere/target").write_bytes(b"old")
    subprocess.run([MAYFLY, "compile", model, "-o", tmp_path / "link"], check=True, capture_output=True, timeout=60)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere/second").is_symlink()
    assert (tmp_path / "elsewhere/target").read_bytes() == expected
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["second", "target"]
    failed = subprocess.run([MAYFLY, "compile", tmp_path / "elsewhere/target/no", "-o", tmp_path / "link"], capture_output=True, timeout=60)
    assert failed.returncode == 1 and (tmp_path / "elsewhere/target").read_bytes() == expected


def test_outputs_are_written_through_what_is_there(model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "y.npy").symlink_to("../kept.npy")
    given = f"x={tmp_path}/test_data_set_0/input_0.pb"
    subprocess.run([MAYFLY, "run", model, "--input", given, "--output-dir", out], check=True, capture_output=True, timeout=60)
    assert (out / "y.npy").is_symlink() and numpy.load(tmp_path / "kept.npy").tolist() == [[2, 4, 6, 8]]
    (out / "y.npy").unlink()
    os.mkfifo(out / "y.npy")
    reader = subprocess.Popen(["cat", out / "y.npy"], stdout=subprocess.PIPE)
    try:
        subprocess.run([MAYFLY, "run", model, "--input", given, "--output-dir", out], check=True, capture_output=True, timeout=60)
        assert numpy.load(io.BytesIO(reader.communicate(timeout=20)[0])).tolist() == [[2, 4, 6, 8]]
    finally:
        reader.kill()
    assert [path.name for path in out.iterdir()] == ["y.npy"]


EVIL = "v\x1b]0;owned\x07\x7f\u009b31m\nmayfly: error: é漢"
SHOWN = r"v\x1b]0;owned\x07\x7f\x9b31m\x0amayfly: error: é漢"


def evil_model(operator="Identity"):
    """A model of whose names, texts and strings each holds a title, a colour and a line of its own."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.STRING, [f"d{EVIL}"])
    graph = helper.make_graph([helper.make_node(operator, [EVIL], [f"y{EVIL}"], name=f"n{EVIL}", doc_string=EVIL)], EVIL, [value(EVIL)], [value(f"y{EVIL}")],
                              doc_string=EVIL)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name=EVIL, doc_string=EVIL)
    helper.set_model_props(made, {EVIL: EVIL})
    return made.SerializeToString()


def seen_by_people(*arguments):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # newlines as they come
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    with subprocess.Popen([MAYFLY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        out = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                out += piece
        os.close(ours)
    text = out.decode()
    controls = [character for character in text if unicodedata.category(character) == "Cc" and character != "\n"]
    assert not controls and not re.search("^mayfly: error: é", text, re.M), text
    return text


def test_what_a_model_says_moves_no_terminal(tmp_path):
    (tmp_path / "model.onnx").write_bytes(evil_model())
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/model.onnx").write_bytes(evil_model(EVIL))
    for folder, wanted in ((tmp_path, "a"), (tmp_path / "wrong", "b")):
        data = folder / "test_data_set_0"
        data.mkdir()
        for name, text in (("input_0", EVIL), ("output_0", wanted)):
            (data / f"{name}.pb").write_bytes(numpy_helper.from_array(numpy.array([text], object), name).SerializeToString())
    given = f"{EVIL}={tmp_path}/test_data_set_0/input_0.pb"
    for arguments in (["inspect", tmp_path / "model.onnx"], ["run", tmp_path / "model.onnx"], ["run", tmp_path / "model.onnx", "--input", given],
                      ["check", tmp_path], ["check", tmp_path / "wrong"], ["compile", tmp_path / "wrong/model.onnx", "-o", tmp_path / "image"],
                      ["inspect", tmp_path / "wrong/model.onnx"], ["bench", tmp_path / "wrong/model.onnx"]):
        assert SHOWN in seen_by_people(*arguments), arguments
    assert "\\u001B" in seen_by_people("inspect", tmp_path / "model.onnx", "--json")
    told = subprocess.run([MAYFLY, "inspect", tmp_path / "model.onnx"], capture_output=True, timeout=60).stdout
    assert json.loads(told)["inputs"][0]["name"] == EVIL


def test_what_a_deployed_model_says_moves_no_terminal(server, tmp_path):
    (tmp_path / "model.onnx").write_bytes(evil_model())
    (tmp_path / "wrong.onnx").write_bytes(evil_model(EVIL))
    at = ["--data", server.data]
    server.run("deploy", tmp_path / "model.onnx", "--name", "evil")
    assert SHOWN in seen_by_people("describe", "evil", *at)
    assert SHOWN in seen_by_people("deploy", tmp_path / "wrong.onnx", "--name", "evil", *at)
    assert SHOWN in seen_by_people("deploy", tmp_path / "wrong.onnx", "--name", "worse", *at)
    seen_by_people("ls", *at)
    assert json.loads(server.run("describe", "evil").stdout)["description"]["inputs"][0]["name"] == EVIL


def saved(array, save=numpy.save, **how):
    out = io.BytesIO()
    save(out, array, **how)
    return out.getvalue()


GOOD = saved(numpy.float32([[1, 2, 3, 4]]))


@pytest.mark.parametrize("content, words", [
    pytest.param(saved(numpy.complex64([[1, 2, 3, 4]])), ["'<c8'", "astype('float32')"], id="complex"),
    pytest.param(saved(numpy.array([[1, 2, 3, 4]], ">f4")), ["'>f4'", "astype('float32')"], id="big-endian"),
    pytest.param(saved(numpy.array([["a"]])), ["'<U1'", ".pb"], id="text"),
    pytest.param(saved(numpy.array([(1, 2)], [("a", "f4"), ("b", "f4")])), ["records of several fields", "astype('float32')"], id="records"),
    pytest.param(saved(numpy.array([{}, None])), ["Python objects ('|O')", "astype('float32')"], id="objects"),
    pytest.param(saved(numpy.asfortranarray(numpy.zeros((2, 4), numpy.float32))), ["Fortran order", "ascontiguousarray"], id="fortran"),
    pytest.param(saved(numpy.zeros((1,) * 9, numpy.float32)), ["more than 8 dimensions"], id="nine-dimensions"),
    pytest.param(saved(numpy.float32([[1, 2, 3, 4]]), numpy.savez), ["zip", "numpy.save"], id="npz"),
    pytest.param(GOOD[:-3], ["13 bytes", "float32[1,4] has 16"], id="short"),
    pytest.param(GOOD[:40], ["cut off"], id="cut"),
    pytest.param(b"", ["empty", ".npy", ".pb"], id="empty"),
    pytest.param(b"[1, 2, 3, 4]", ["no .npy file"], id="json"),
    pytest.param(saved(numpy.float64([[1, 2, 3, 4]])), ["float64[1,4], expected float32[1,4]"], id="float64"),
    pytest.param(saved(numpy.float32([[1, 2, 3]])), ["float32[1,3], expected float32[1,4]"], id="shape"),
])
def test_a_wrong_input_file_is_said_with_what_is_expected(model, tmp_path, content, words):
    path = tmp_path / "given.npy"
    path.write_bytes(content)
    done = subprocess.run([MAYFLY, "run", model, "--input", f"x={path}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    for word in [*words, "input 'x'", "float32[1,4]"]:
        assert word in done.stderr, (word, done.stderr)
    about_the_file = "cannot be read" in done.stderr  # then the message says what to do with it
    assert ("inspect" in done.stderr) != about_the_file, done.stderr
    assert "onvert the model" not in done.stderr and "heck the model" not in done.stderr and "xport it" not in done.stderr


@pytest.mark.parametrize("form", [["--input", "x={}", "--input", "x={}"], ["--input=x={}", "--input", "x={}"]])
def test_an_input_that_is_given_twice_is_an_error(model, tmp_path, form):
    (tmp_path / "given.npy").write_bytes(GOOD)
    done = subprocess.run([MAYFLY, "run", model, *(word.format(tmp_path / "given.npy") for word in form)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "") and "--input x is given twice" in done.stderr


def test_a_server_names_its_data_directory_for_another_shell(tmp_path):
    process = subprocess.Popen([MAYFLY, "serve", "--data", "./some data", "--listen", "127.0.0.1:0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        line = next(line for line in process.stderr if "another shell" in line)
        assert f"--data {tmp_path}/some data" in line
        assert wait_for((tmp_path / "some data/endpoint").exists)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_first_deploy_that_fails_leaves_nothing(server, tmp_path):
    (tmp_path / "wrong.onnx").write_bytes(wrong_operator_model())
    done = server.run("deploy", tmp_path / "wrong.onnx", "--name", "first", check=False)
    assert done.returncode == 1 and b"Frobnicate" in done.stderr and b"nothing was deployed" in done.stderr, done.stderr
    assert "first" not in server.rows()


def test_an_update_that_fails_leaves_what_served(server, model, tmp_path):
    (tmp_path / "wrong.onnx").write_bytes(wrong_operator_model())
    server.run("deploy", model, "--name", "kept")
    done = server.run("deploy", tmp_path / "wrong.onnx", "--name", "kept", check=False)
    assert done.returncode == 1 and b"was not updated, and serves as before" in done.stderr and b"nothing was deployed" not in done.stderr
    assert server.rows()["kept"]["state"] == "Active"
    assert json.loads(invoke(server.client(), "kept", {"x": [[1, 2, 3, 4]]})[1]) == {"y": [[2, 4, 6, 8]]}


def test_what_the_api_made_and_failed_stays_and_can_be_deployed_over(server, client, model, tmp_path):
    (tmp_path / "wrong.onnx").write_bytes(wrong_operator_model())
    create(client, "made-by-api", b"PK\3\4 no zip PK\5\6" + bytes(18), wait=False)
    wait_for(lambda: server.rows()["made-by-api"]["state"] == "Failed", what="the function to fail")
    assert server.run("deploy", tmp_path / "wrong.onnx", "--name", "made-by-api", check=False).returncode == 1
    assert server.rows()["made-by-api"]["state"] == "Failed"
    server.run("deploy", model, "--name", "made-by-api")
    assert server.rows()["made-by-api"]["state"] == "Active"


def test_logs_that_are_followed_end_when_the_function_is_removed(server, client):
    create(client, "followed")
    invoke(client, "followed", {"x": [[1, 2, 3, 4]]})
    following = subprocess.Popen([MAYFLY, "logs", "followed", "--follow", "--data", server.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
    try:
        for word in ("START", "END", "REPORT"):
            assert word in following.stdout.readline()
        server.run("rm", "followed")
        out, err = following.communicate(timeout=10)  # the server would have answered with nothing new after 20 s
    finally:
        following.kill()
    assert (following.returncode, out) == (0, "") and "followed was removed: its log ends here" in err
    gone = server.run("logs", "never-there", check=False)
    assert gone.returncode == 1 and b"Function not found" in gone.stderr


# ---- what deploy packs ----
@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "hub" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(scale_model())
    return folder


@pytest.mark.parametrize("target", ["/etc/passwd", "/", "../../../beside.txt", "../../refs", "/dev/null"])
def test_a_link_out_of_the_folder_is_refused_by_name(server, package, tmp_path, target):
    (tmp_path / "beside.txt").write_text("secret")
    (tmp_path / "hub" / "refs").mkdir()
    (package / "away.txt").symlink_to(target)
    done = server.run("deploy", package, "--name", "links", check=False)
    assert done.returncode == 1 and f"the link {package}/away.txt leads out of the folder".encode() in done.stderr, done.stderr


def test_a_link_to_a_folder_around_it_is_refused(server, package):
    (package / "again").symlink_to(".")
    done = server.run("deploy", package, "--name", "links", check=False)
    assert done.returncode == 1 and f"the link {package}/again leads to a folder that it is in".encode() in done.stderr, done.stderr


def test_links_inside_the_folder_and_to_a_hubs_blobs_are_followed(server, package, tmp_path):
    blobs = tmp_path / "hub" / "blobs"
    blobs.mkdir()
    (package / "model.onnx").rename(blobs / "0a1b")
    (package / "model.onnx").symlink_to("../../blobs/0a1b")
    (package / "texts").mkdir()
    (package / "texts" / "a.txt").write_text("a")
    (package / "other").symlink_to("texts")
    server.run("deploy", package, "--name", "linked")
    assert json.loads(server.run("invoke", "linked", json.dumps({"x": [[1, 2, 3, 4]]})).stdout)


def test_a_data_directory_is_left_out_and_said(server, package):
    inner = package / "data"
    inner.mkdir()
    for name in ("lock", "mayfly.db"):
        (inner / name).write_text("")
    (inner / "root-key").symlink_to("/etc/passwd")  # never looked at
    done = server.run("deploy", package, "--name", "left-out")
    assert f"{inner} is left out".encode() in done.stderr
    (package / "lock").write_text("")
    (package / "mayfly.db").write_text("")
    done = server.run("deploy", package, "--name", "left-out", check=False)
    assert done.returncode == 1 and b"is the data directory of a Mayfly" in done.stderr


def test_a_model_is_not_overwritten_by_its_image(model, tmp_path):
    before = model.read_bytes()
    (tmp_path / "link").symlink_to(model)
    for output in (model, tmp_path / "link", tmp_path / "." / "model.onnx"):
        done = subprocess.run([MAYFLY, "compile", model, "-o", output], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "it would be overwritten" in done.stderr, done.stderr
    assert model.read_bytes() == before


def test_help_tells_the_environment():
    said = subprocess.run([MAYFLY, "--help"], capture_output=True, text=True, timeout=60).stdout
    assert all(f"  {name}" in said for name in ("MAYFLY_DATA", "MAYFLY_LOG", "MAYFLY_ISA", "AWS_CA_BUNDLE"))
