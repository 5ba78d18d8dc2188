import pytest

import world


@pytest.fixture(scope="module")
def server():
    running = world.Server("--keep-alive", "2")
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(scope="module")
def client(server):
    return server.client()
