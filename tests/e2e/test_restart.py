"""What a server knows of all its functions without reading them: sums, what is not finished, who uses a blob, whose image is out of date."""
import json
import sqlite3

import pytest

from world import Server, create, invoke, scale_model, wait_for, zipped


@pytest.fixture
def server():
    running = Server()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log.read_text()


def blobs(server):
    return sorted(path.name for path in (server.data / "blobs").glob("*/*"))


def change(server, *statements):
    """The database of a server that does not run."""
    with sqlite3.connect(server.data / "mayfly.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def usage(server):
    return server.client().get_account_settings()["AccountUsage"]


@pytest.mark.parametrize("stop", [Server.stop, Server.kill])
def test_sums_are_the_same_after_a_restart(server, stop):
    client = server.client()
    for name in "abc":
        create(client, name, zipped(padding=1000))
    client.put_function_concurrency(FunctionName="a", ReservedConcurrentExecutions=7)
    client.delete_function(FunctionName="c")
    before = usage(server), client.get_account_settings()["AccountLimit"]
    stop(server)
    server.start()
    assert (usage(server), server.client().get_account_settings()["AccountLimit"]) == before
    assert before[0]["FunctionCount"] == 2 and before[1]["UnreservedConcurrentExecutions"] == 993


def test_missing_sums_are_counted(server):
    for region in ("us-east-1", "eu-west-1", "eu-west-2"):
        create(server.client(region), "f")
    before = usage(server)
    server.stop()
    change(server, "DELETE FROM region_sums WHERE key != CAST('eu-west-1' AS BLOB)")
    server.start()
    assert usage(server) == before
    assert [server.client(region).get_account_settings()["AccountUsage"]["FunctionCount"] for region in ("eu-west-1", "eu-west-2")] == [1, 1]


def test_a_directory_of_a_version_without_lists_gets_them(server):
    client = server.client()
    create(client, "first", zipped(scale_model(2)))
    create(client, "second", zipped(scale_model(3)))
    client.publish_version(FunctionName="second")
    server.stop()
    change(server, *(f"DELETE FROM {table}" for table in ("marks", "blob_users", "unfinished", "region_sums", "version_numbers")))
    server.start()
    client = server.client()
    assert usage(server)["FunctionCount"] == 2 and len(blobs(server)) == 4
    client.delete_function(FunctionName="first")
    wait_for(lambda: len(blobs(server)) == 2, what="the first one's package and image to go")
    assert json.loads(invoke(client, "second", {"x": [[1, 1, 1, 1]]}, Qualifier="1")[1]) == {"y": [[3, 3, 3, 3]]}
    client.delete_function(FunctionName="second")
    assert create(client, "second", Publish=True)["Version"] == "2" and create(client, "first", Publish=True)["Version"] == "1"


def test_a_blob_that_two_use_stays_until_both_are_gone(server):
    client, package = server.client(), zipped()
    create(client, "one", package)
    create(client, "two", package)
    client.delete_function(FunctionName="one")
    assert json.loads(invoke(client, "two", {"x": [[1, 1, 1, 1]]})[1]) == {"y": [[2, 2, 2, 2]]}
    assert len(blobs(server)) == 2
    client.delete_function(FunctionName="two")
    wait_for(lambda: not blobs(server), what="the blobs to go")


def test_images_of_another_compiler_are_built_again(server):
    client = server.client()
    create(client, "f")
    client.publish_version(FunctionName="f")
    server.stop()
    change(server, "UPDATE marks SET value = 'generic/0' WHERE key = CAST('built' AS BLOB)",
           *(f"UPDATE {table} SET value = CAST(json_set(CAST(value AS TEXT), '$.image.built', 'generic/0') AS BLOB)"
             for table in ("functions", "versions")))
    server.start()
    for qualifier in ("$LATEST", "1"):
        wait_for(lambda: invoke_or_none(server.client(), qualifier) == {"y": [[2, 2, 2, 2]]}, what=f"{qualifier} to run again")
    wait_for(lambda: built_mark(server) != b"generic/0", what="the walk to end")


def invoke_or_none(client, qualifier):
    try:
        return json.loads(invoke(client, "f", {"x": [[1, 1, 1, 1]]}, Qualifier=qualifier)[1])
    except client.exceptions.ServiceException:
        return None


def built_mark(server):
    with sqlite3.connect(f"file:{server.data}/mayfly.db?mode=ro", uri=True) as database:
        return database.execute("SELECT value FROM marks WHERE key = CAST('built' AS BLOB)").fetchone()[0]
