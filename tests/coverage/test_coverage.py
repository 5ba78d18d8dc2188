"""Every operation of botocore's Lambda model does what its row in plan.py says, or is refused by name; docs/coverage.md says which."""
import re

import botocore.session
import pytest

import check
import coverage_document
import world

MODEL = botocore.session.get_session().get_service_model("lambda")
RESULTS = {}


@pytest.fixture(scope="module")
def client():
    server = world.Server("--keep-alive", "2")
    yield server.client(session=world.newer_session())
    assert server.stop() == 0, server.log.read_text()


def results(client, name):
    if name not in RESULTS:
        RESULTS[name] = check.run(client, name) if name in check.PLAN else {"refused by name": check.refusal(client, name)}
    return RESULTS[name]


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_operation(client, name):
    outcome = results(client, name)
    assert not any(outcome.values()), "\n".join(f"{what}: {problem}" for what, problem in outcome.items() if problem)


def test_rows_name_errors_that_the_model_lists():
    for name, plan in check.PLAN.items():
        assert set(plan.errors) - {*check.listed_errors(MODEL, name)} == set(), name
        assert [error for error in check.listed_errors(MODEL, name) if check.why_not(name, error) == "NO ROW"] == [], name
        assert bool(plan.items) == ("MaxItems" in MODEL.operation_model(name).input_shape.members if MODEL.operation_model(name).input_shape else False)


def test_members_that_are_kept_are_members(client):
    for name, plan in check.PLAN.items():
        kept = {re.sub(r" \(.*\)", "", member) for member in plan.kept.split(", ") if member}
        assert kept <= {*client.meta.service_model.operation_model(name).input_shape.members} if kept else True, name


def test_the_document_is_up_to_date(client):
    everything = {name: results(client, name) for name in MODEL.operation_names}
    assert coverage_document.PATH.read_text() == coverage_document.text(client.meta.service_model, everything), "tests/coverage/run --write"
