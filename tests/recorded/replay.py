"""Replays the calls behind AWS's recorded answers against a server, and says which of our answers agree.

A scenario is a function that makes the calls of one recorded test, in the order in which LocalStack's test made them, and names the recorded
step that each answer belongs to (scenarios_*.py). What agrees is counted by replaying; what may differ stands, with its reason, in
differs.toml. An operation that answers 501 makes a scenario's further steps "not yet": counted apart, and a failed test."""
import functools
import itertools
import pathlib
import sys
import tomllib

import botocore.exceptions

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import recording  # noqa: E402
import world  # noqa: E402

CLASSES = ("TestLambdaFunction TestLambdaVersions TestLambdaAlias TestLambdaTag TestLambdaTags TestLambdaEventInvokeConfig "
           "TestLambdaReservedConcurrency TestLambdaPermissions TestLambdaUrl TestLambdaSizeLimits TestLambdaAccountSettings "
           "TestLambdaProvisionedConcurrency TestLambdaRevisions TestLoggingConfig TestRuntimeValidation").split()
AGREES, DIFFERS, NOT_YET, LEFT_OUT = "agree", "differ", "not yet", "left out"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SCENARIOS = {}  # Class::test -> function of a Replay


def replays(*tests, cases=(None,)):
    """Registers a scenario for these recorded tests; {} in a name takes each of the cases, which the function is then given too."""
    def register(scenario):
        for test, case in itertools.product(tests, cases):
            SCENARIOS[test.format(case)] = scenario if case is None else functools.partial(scenario, case=case)
        return scenario
    return register


NOT_THERE = "not supported by this version of Mayfly"


class NotYet(Exception):
    """An operation, or a member of one, that is not there yet was asked."""


@functools.cache
def decisions():
    """differs.toml: which answers may differ and which steps are left out, with reasons."""
    return tomllib.loads((HERE / "differs.toml").read_text())


class Replay:
    """One scenario's run. Functions that it makes are deleted at its end."""
    numbers = itertools.count(1)

    def __init__(self, server, test):
        self.server, self.test = server, test
        self.client = server.client(session=world.newer_session())
        self.recording = recording.Recording(recording.recorded_tests()[test])
        self.outcomes = {}  # step -> (state, differences)
        self.functions = []
        self.name = self.new_name()

    @property
    def arn(self):
        return ARN + self.name

    def new_name(self):
        return f"replayed-{next(self.numbers)}"

    # ---- calls ----
    def ask(self, operation, **arguments):
        """The answer as boto3 has it, an error's too."""
        try:
            return getattr(self.client, operation)(**arguments)
        except botocore.exceptions.ClientError as problem:
            message = problem.response["Error"]["Message"]
            if problem.response["ResponseMetadata"]["HTTPStatusCode"] == 501 or NOT_THERE in (message or ""):
                raise NotYet(message) from problem
            return problem.response

    def call(self, operation, **arguments):
        """Of a call whose answer was not recorded: it must succeed."""
        answer = self.ask(operation, **arguments)
        assert "Error" not in answer, f"{operation}: {answer['Error']}"
        return answer

    def step(self, step, operation, **arguments):
        """Calls and compares with the recorded step."""
        answer = self.ask(operation, **arguments)
        self.match(step, answer)
        return answer

    def match(self, step, answer):
        assert step in self.recording.steps, f"{self.test} has no step {step}"
        found = self.recording.differences(step, self.recording.steps[step], answer)
        self.outcomes[step] = (DIFFERS if found else AGREES, found)

    # ---- functions ----
    def package(self):
        """A model like any other, and unlike any other in its bytes."""
        return world.zipped(**{"number.txt": str(next(self.numbers))})

    @staticmethod
    def busy_package():
        return world.zipped(world.slow_weights_model(), **{"number.txt": str(next(Replay.numbers))})

    def create(self, step=None, wait=True, **more):
        """CreateFunction as the recorded tests' plainest way has it."""
        arguments = {"FunctionName": self.name, "Runtime": "python3.12", "Handler": "index.handler", "Role": world.ROLE,
                     "Code": {"ZipFile": self.package()}, "PackageType": "Zip", **more}
        answer = self.step(step, "create_function", **arguments) if step else self.call("create_function", **arguments)
        return self.created(answer, wait)

    def deploy(self, step=None, **more):
        """CreateFunction as LocalStack's fixture makes it: other defaults, and the answer recorded inside another."""
        arguments = {"FunctionName": self.name, "Runtime": "python3.12", "Handler": "handler.handler", "Role": world.ROLE,
                     "Code": {"ZipFile": self.package()}, "Timeout": 30, "Environment": {"Variables": {}}, "Tags": {}, **more}
        answer = self.ask("create_function", **arguments)
        if step:
            self.match(step, {"CreateEventSourceMappingResponse": None, "CreateFunctionResponse": answer})
        return self.created(answer, True)

    def created(self, answer, wait):
        if "FunctionName" in answer:
            self.functions.append(answer["FunctionName"])
            if wait:
                self.settle(answer["FunctionName"])
        return answer

    def settle(self, name=None):
        """Waits until a function is neither created nor updated any more."""
        def settled():
            now = self.call("get_function_configuration", FunctionName=name or self.name)
            return now["State"] != "Pending" and now.get("LastUpdateStatus") != "InProgress"
        world.wait_for(settled, what=f"the end of {name or self.name}'s update")

    def wait_ready(self, qualifier):
        """Waits until provisioned concurrency is there."""
        def ready():
            return self.call("get_provisioned_concurrency_config", FunctionName=self.name, Qualifier=qualifier)["Status"] == "READY"
        world.wait_for(ready, what=f"provisioned concurrency of {self.name}:{qualifier}")

    def clean(self):
        for name in self.functions:
            self.ask("delete_function", FunctionName=name)


def left_out(test, step=None):
    """Why a recorded test, or one of its steps, is not compared; None: it is."""
    reasons = decisions()["left_out"]
    return reasons.get(test) or reasons.get(f"{test} / {step}")


def unreached(test, replay, problem):
    """Outcomes of the steps that a scenario did not come to."""
    state = NOT_YET if isinstance(problem, NotYet) else DIFFERS
    return {step: (state, [f"not reached: {problem!r}"]) for step in replay.recording.steps if step not in replay.outcomes}


def replay(server, test):
    """step -> (state, what differs) of one recorded test."""
    if left_out(test):
        return {step: (LEFT_OUT, []) for step in recording.recorded_tests()[test]}
    run, problem = Replay(server, test), None
    try:
        SCENARIOS[test](run)
    except (NotYet, AssertionError, KeyError, botocore.exceptions.BotoCoreError) as caught:
        problem = caught
    finally:
        run.clean()
    run.outcomes |= unreached(test, run, problem)
    return {step: (LEFT_OUT, []) if left_out(test, step) else outcome for step, outcome in run.outcomes.items()}


def wanted_tests():
    """The recorded tests of the classes that count, each with its class."""
    return {test: test.split("::")[0] for test in recording.recorded_tests() if test.split("::")[0] in CLASSES}
