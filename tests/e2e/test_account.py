"""GetAccountSettings: the figures are those of the functions there are, whatever was created, changed, deleted or killed."""
import json
import socket

import botocore.exceptions
import pytest

import world
from test_functions import refused
from test_server import fill, on_small_disk, small_disk  # noqa: F401  fixtures
from world import Recorded, ROLE, create, scale_model, wait_for, wrong_operator_model, zipped


@pytest.fixture(scope="module")
def server():  # of its own: the figures are the region's
    running = world.Server("--keep-alive", "2")
    yield running
    assert running.stop() == 0


def usage(client):
    answer = client.get_account_settings()["AccountUsage"]
    return answer["FunctionCount"], answer["TotalCodeSize"]


def test_members_are_those_recorded_and_limits_lambdas(client):
    answer = client.get_account_settings()
    recorded = Recorded("TestLambdaAccountSettings::test_account_settings").steps["acc_settings_modded"]
    assert {name: sorted(answer[name]) for name in ("AccountLimit", "AccountUsage")} == {
        name: recorded[name] for name in ("AccountLimit", "AccountUsage")}
    assert answer["AccountLimit"] == {"TotalCodeSize": 80530636800, "CodeSizeUnzipped": 262144000, "CodeSizeZipped": 52428800,
                                      "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    assert usage(client) == (0, 0)


def test_usage_follows_what_is_created_updated_and_deleted(server, client):
    small, large = zipped(), zipped(scale_model(3), padding=5000)
    create(client, "one", small)
    create(client, "two", large)
    assert usage(client) == (2, len(small) + len(large))
    client.update_function_code(FunctionName="one", ZipFile=large)
    client.get_waiter("function_updated_v2").wait(FunctionName="one")
    assert usage(client) == (2, 2 * len(large))
    client.update_function_code(FunctionName="one", ZipFile=small, DryRun=True)
    client.update_function_configuration(FunctionName="one", Description="x")  # recorded: no difference
    client.get_waiter("function_updated_v2").wait(FunctionName="one")
    assert usage(client) == (2, 2 * len(large))
    client.update_function_code(FunctionName="one", ZipFile=zipped(wrong_operator_model()))  # comes to nothing: the old code stays
    wait_for(lambda: client.get_function_configuration(FunctionName="one")["LastUpdateStatus"] == "Failed")
    assert usage(client) == (2, 2 * len(large))
    assert refused(client.create_function, FunctionName="one", Role=ROLE, Code={"ZipFile": small})[0] == 409
    client.delete_function(FunctionName="two")
    assert refused(client.delete_function, FunctionName="two")[0] == 404
    assert usage(client) == (1, len(large))
    assert usage(server.client("eu-west-1")) == (0, 0)
    client.delete_function(FunctionName="one")
    assert usage(client) == (0, 0)


def test_what_the_command_line_deploys_counts_too(server, client, tmp_path):
    (tmp_path / "model.onnx").write_bytes(scale_model())
    server.run("deploy", tmp_path, "--name", "deployed")
    size = client.get_function_configuration(FunctionName="deployed")["CodeSize"]
    assert usage(client) == (1, size)
    server.run("rm", "deployed")
    assert usage(client) == (0, 0)


def test_reservations_leave_the_rest_unreserved(server, client):
    def unreserved(of=client):
        return of.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]

    create(client, "a")
    create(client, "b")
    client.put_function_concurrency(FunctionName="a", ReservedConcurrentExecutions=300)
    client.put_function_concurrency(FunctionName="b", ReservedConcurrentExecutions=50)
    client.put_function_concurrency(FunctionName="a", ReservedConcurrentExecutions=100)
    assert unreserved() == 850 and unreserved(server.client("eu-west-1")) == 1000
    assert refused(client.put_function_concurrency, FunctionName="b", ReservedConcurrentExecutions=801)[1] == "InvalidParameterValueException"
    assert unreserved() == 850
    client.delete_function_concurrency(FunctionName="b")
    assert unreserved() == 900
    client.delete_function(FunctionName="a")
    client.delete_function(FunctionName="b")
    assert unreserved() == 1000


def test_calls_have_what_the_others_leave_unreserved(server, client):
    create(client, "reserving")
    create(client, "rest", zipped(world.slow_model(400, 8)), Timeout=60)
    client.put_function_concurrency(FunctionName="reserving", ReservedConcurrentExecutions=900)
    path, headers = server.signed_call("rest", b'{"x": [1.0]}')
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST {path} HTTP/1.1\r\nHost: {server.endpoint.split('//')[1]}\r\nContent-Length: 12\r\nConnection: close\r\n{head}\r\n".encode()
    address = ("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]))
    calls = [socket.create_connection(address, timeout=60) for _ in range(130)]
    for call in calls:
        call.sendall(request + b'{"x": [1.0]}')
    statuses = [int(call.makefile("rb").readline().split()[1]) for call in calls]
    assert set(statuses) == {200, 429} and 100 <= statuses.count(200) < 130, statuses
    for name in ("reserving", "rest"):
        client.delete_function(FunctionName=name)


def test_figures_are_counted_again_at_start():
    server = world.Server("--max-package", "500")
    package = zipped()
    create(server.client(), "kept", package)
    create(server.client(), "gone")
    server.client().put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=7)
    server.client().delete_function(FunctionName="gone")
    server.kill()
    server.start("--max-package", "500")
    try:
        answer = server.client().get_account_settings()
        assert answer["AccountUsage"] == {"FunctionCount": 1, "TotalCodeSize": len(package)}
        assert answer["AccountLimit"]["UnreservedConcurrentExecutions"] == 993
        assert answer["AccountLimit"]["CodeSizeUnzipped"] == 500 << 20
        done = server.aws("lambda", "get-account-settings")
        assert json.loads(done.stdout) == {name: answer[name] for name in ("AccountLimit", "AccountUsage")}, done.stderr
    finally:
        assert server.stop() == 0


def test_what_a_full_disk_refuses_is_not_counted(on_small_disk, small_disk):  # noqa: F811
    client, kept = on_small_disk.client(), {}
    create(client, "f")
    this = {"Resource": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        for i in range(2000):  # small changes find room for a while, in what the database has already
            fill(small_disk)
            changes = {f"key-{i % 40}": f"{i:0256}"}
            client.tag_resource(**this, Tags=changes)
            kept.update(changes)
    assert caught.value.response["Error"]["Code"] == "ServiceException" and "full" in str(caught.value)
    assert client.list_tags(**this)["Tags"] == kept
    assert refused(client.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=400)[:2] == (500, "ServiceException")
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
    (small_disk / "filler").unlink()
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=400)
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 600
