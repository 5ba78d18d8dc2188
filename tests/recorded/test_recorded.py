"""Our answers are AWS's recorded ones, but for those that differs.toml names with a reason; and what it names does differ."""
import pytest

import replay
import scenarios  # noqa: F401  registers them
import world

TESTS = replay.wanted_tests()
WHY_NOT = f"AWS's recorded answers are not at {replay.recording.ARCHIVE}"
pytestmark = pytest.mark.skipif(not TESTS, reason=WHY_NOT)


@pytest.fixture(scope="module")
def server():
    running = world.Server("--keep-alive", "2")
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.mark.parametrize("test", [*TESTS] or ["aws-recorded.tar.xz"])
def test_answers_are_those_recorded(server, test):
    outcomes, excused = replay.replay(server, test), replay.decisions()["differs"]
    problems = [line for step, (state, found) in outcomes.items() if state in (replay.DIFFERS, replay.NOT_YET)
                and f"{test} / {step}" not in excused for line in (f"{step}: {state}:", *found)]
    problems += [f"{step} agrees, and differs.toml says that it does not" for step, (state, _) in outcomes.items()
                 if state == replay.AGREES and f"{test} / {step}" in excused]
    assert not problems, "\n".join(problems)


def test_every_recorded_test_is_replayed_or_left_out():
    assert [test for test in TESTS if test not in replay.SCENARIOS and not replay.left_out(test)] == []
    assert [test for test in replay.SCENARIOS if replay.left_out(test)] == []


def test_what_is_decided_is_about_recorded_answers():
    steps = {f"{test} / {step}" for test in TESTS for step in replay.recording.recorded_tests()[test]}
    assert [name for name in replay.decisions()["differs"] if name not in steps] == []
    assert [name for name in replay.decisions()["left_out"] if name not in steps | {*TESTS}] == []
