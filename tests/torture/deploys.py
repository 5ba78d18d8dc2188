"""A client that changes functions all the time and knows, of each, what the server has to say about it after a kill.

What is known of a function is a set of facets (its code, its configuration, an alias, a version, …), each with the values that are allowed:
one, the acknowledged; or, when the connection broke before the answer, those before and after. A value is a dict of members (those that are
not in it are not known), or None: it is not there.
"""
import base64
import collections
import hashlib
import itertools
import json
import random
import threading
import time

import models
from client import Broken, bench, wait_for

MOST_FUNCTIONS = 8
FUNCTIONS, ROLE = "/2015-03-31/functions", bench.ROLE
PACKAGES = {factor: models.scale(factor) for factor in range(2, 10)}
SHA256 = {factor: base64.b64encode(hashlib.sha256(package).digest()).decode() for factor, package in PACKAGES.items()}
FACTOR = {sha: factor for factor, sha in SHA256.items()}
CONFIGURED = ("Description", "MemorySize", "Timeout")


def some(answer, *members):
    return {name: answer[name] for name in members if name in answer}


class Function:
    def __init__(self, name):
        self.name, self.path = name, f"{FUNCTIONS}/{name}"
        self.facets = collections.defaultdict(lambda: [None])

    def sure(self, facet):
        return self.facets[facet][0]

    def numbers(self, kind):
        return [facet.partition(":")[2] for facet, allowed in self.facets.items() if facet.startswith(kind + ":") and allowed[0] is not None]


class Deploys:
    def __init__(self, world):
        self.world = world
        self.lock = threading.RLock()       # held while something is under way
        self.functions, self.gone = {}, set()
        self.count = itertools.count()
        self.acknowledged, self.unanswered, self.checks = collections.Counter(), 0, 0
        self.lost = set()

    # ---- changes ----
    def step(self):
        with self.lock:
            fitting = [change for change in CHANGES if change is not create or len(self.functions) < MOST_FUNCTIONS]
            change = create if not self.functions else random.choices(fitting, [CHANGES[change] for change in fitting])[0]
            function = Function(f"made-{next(self.count)}") if change is create else random.choice(list(self.functions.values()))
            change(self, function)
        time.sleep(random.uniform(0, 0.04))

    def change(self, function, what, method, path, members, after):
        """One call. `after` says of an answer (None: not known, since there is none) which facets have which values then."""
        seen = self.world.api(method, path, members)
        if seen and seen[0] in (200, 201, 202, 204):
            function.facets["revision"] = [{}]  # a new one, which is known once the update is done
            function.facets.update({facet: [value] for facet, value in after(seen[1] or {}).items()})
            self.acknowledged[what] += 1
        elif seen is None or seen[0] >= 500:
            self.unanswered += 1
            for facet, value in [("revision", {}), *after(None).items()]:
                function.facets[facet] = [*function.facets[facet], value]
            self.functions.setdefault(function.name, function)
            self.settle(function)
        elif seen[0] not in (409, 429):  # an update is under way
            raise Broken(f"{what} of {function.name} was answered {seen}")
        return seen

    def settle(self, function):
        """After a call without an answer: which of the values is it? Asked until somebody answers."""
        while not self.world.stopped:
            actual = self.look(function)
            if actual is not None:
                self.compare(function, actual)
                break
            time.sleep(0.05)

    # ---- what there is ----
    def look(self, function):
        """All facets of the function as the server has them, {} if there is none; None: no answer."""
        facets = {}
        for read in READS:
            seen = self.world.api("GET", read.path.format(name=function.name))
            if seen is None or seen[0] >= 500:
                return None
            if seen[0] == 404 and read is READS[0]:
                return {}
            if seen[0] == 200:
                facets.update(read.facets(seen[1]))
            elif seen[0] != 404:
                raise Broken(f"{read.path.format(name=function.name)} was answered {seen}")
        return facets

    def compare(self, function, actual):
        """What is there has to be among the values that are allowed; then it is the only one."""
        self.checks += 1
        for facet in {*function.facets, *actual} - {"settled"}:
            value = actual.get(facet)
            if facet == "revision" and "settled" not in actual:
                continue  # it changes when the update is done
            if not any(is_as(value, allowed) for allowed in function.facets[facet]):
                self.lost.add(f"{function.name}: {facet} is {value}, and was acknowledged as {function.facets[facet]}")
            function.facets[facet] = [value]
        if not actual:
            self.functions.pop(function.name, None)
            self.gone.add(function.name)
        elif "settled" not in actual:
            function.facets["revision"] = [{}]

    def check(self):
        """Everything, while nothing is under way; right after a kill, so that what is asked waits for the server."""
        with self.lock:
            for function in list(self.functions.values()):
                self.settle(function)
            names = {row["name"] for row in self.world.server.rows()}
            self.lost |= {f"{name} was deleted and is there" for name in self.gone & names}
            self.lost |= {f"{name} is not listed" for name in self.functions.keys() - names}

    def invoke_some(self, n):
        """Functions run the code that they have been given."""
        with self.lock:
            for function in random.sample(list(self.functions.values()), min(n, len(self.functions))):
                self.invoke(function)

    def invoke(self, function):
        actual = {}
        def settled():
            nonlocal actual
            actual = self.look(function) or {}
            return "settled" in actual or not self.functions.get(function.name)
        wait_for(f"{function.name} is Active", settled)
        self.compare(function, actual)
        x = [random.randrange(100) for _ in range(4)]
        expected = {"y": [[FACTOR[actual["code"]["CodeSha256"]] * value for value in x]]}
        seen = self.world.api("POST", f"{function.path}/invocations", {"x": [x]})
        if seen and seen != (200, expected) and not (seen[0] == 200 and "Runtime.ExitError" in str(seen[1])):
            raise Broken(f"{function.name} answers {seen} instead of {expected}")

    def summary(self):
        done = ", ".join(f"{n} {what}" for what, n in self.acknowledged.most_common())
        return f"{sum(self.acknowledged.values())} changes ({done}; {self.unanswered} without an answer), functions compared {self.checks} times"


def is_as(value, allowed):
    return value is allowed if value is None or allowed is None else value == {**value, **allowed}


# ---- the changes ----

def create(deploys, function):
    factor = random.choice(list(PACKAGES))
    members = {"Description": "made", "MemorySize": 256, "Timeout": 7}
    after = {"exists": {}, "code": {"CodeSha256": SHA256[factor]}, "configuration": members}
    code = {"ZipFile": base64.b64encode(PACKAGES[factor]).decode()}
    seen = deploys.change(function, "creation", "POST", FUNCTIONS, {"FunctionName": function.name, "Role": ROLE, "Code": code, **members},
                          lambda answer: after)
    if seen and seen[0] == 201:
        deploys.functions[function.name] = function


def delete(deploys, function):
    seen = deploys.change(function, "deletion", "DELETE", function.path, None, lambda answer: dict.fromkeys([*function.facets, "revision"]))
    if seen and seen[0] == 204:
        deploys.functions.pop(function.name)
        deploys.gone.add(function.name)


def update_code(deploys, function):
    factor = random.choice(list(PACKAGES))
    deploys.change(function, "code", "PUT", f"{function.path}/code", {"ZipFile": base64.b64encode(PACKAGES[factor]).decode()},
                   lambda answer: {"code": {"CodeSha256": answer["CodeSha256"] if answer else SHA256[factor]}})


def update_configuration(deploys, function):
    members = {"Description": f"changed {random.getrandbits(20)}", "MemorySize": random.choice([128, 256, 512]), "Timeout": random.randrange(3, 60)}
    deploys.change(function, "configuration", "PUT", f"{function.path}/configuration", members,
                   lambda answer: {"configuration": some(answer, *CONFIGURED) if answer else members})


def publish(deploys, function):
    number = 1 + max(map(int, function.numbers("version")), default=0)
    deploys.change(function, "version", "POST", f"{function.path}/versions", {},
                   lambda answer: {f"version:{answer['Version'] if answer else number}":
                                   some(answer or function.sure("code"), "CodeSha256", "Description")})


def put_alias(deploys, function):
    versions, name = function.numbers("version"), random.choice("abc")
    if not versions:
        return
    is_new = function.sure(f"alias:{name}") is None
    members = {"FunctionVersion": random.choice(versions), "Description": f"alias {random.getrandbits(20)}"}
    path = f"{function.path}/aliases" + ("" if is_new else f"/{name}")
    deploys.change(function, "alias", "POST" if is_new else "PUT", path, {**members, "Name": name} if is_new else members,
                   lambda answer: {f"alias:{name}": {**members, **some(answer or {}, "RevisionId", *members)}})


def delete_alias(deploys, function):
    for name in random.sample(function.numbers("alias"), min(1, len(function.numbers("alias")))):
        deploys.change(function, "alias deleted", "DELETE", f"{function.path}/aliases/{name}", None, lambda answer: {f"alias:{name}": None})


def concurrency(deploys, function):
    path = f"/2017-10-31/functions/{function.name}/concurrency"
    if function.sure("concurrency") and random.random() < 0.5:
        deploys.change(function, "concurrency deleted", "DELETE", path, None, lambda answer: {"concurrency": None})
    else:
        members = {"ReservedConcurrentExecutions": random.randrange(1, 20)}
        deploys.change(function, "concurrency", "PUT", path, members, lambda answer: {"concurrency": members})


def url(deploys, function):
    path, is_new = f"/2021-10-31/functions/{function.name}/url", function.sure("url") is None
    if not is_new and random.random() < 0.4:
        deploys.change(function, "URL deleted", "DELETE", path, None, lambda answer: {"url": None})
    else:
        members = {"AuthType": random.choice(["NONE", "AWS_IAM"]), "Cors": {"MaxAge": random.randrange(1, 86400)}}
        deploys.change(function, "URL", "POST" if is_new else "PUT", path, members,
                       lambda answer: {"url": {**members, **some(answer or {}, "FunctionUrl")}})


def permission(deploys, function):
    known = function.numbers("permission")
    if len(known) > 3:
        sid = random.choice(known)
        deploys.change(function, "permission removed", "DELETE", f"{function.path}/policy/{sid}", None, lambda answer: {f"permission:{sid}": None})
    else:
        sid, principal = f"s{random.getrandbits(40)}", random.choice(["s3.amazonaws.com", "events.amazonaws.com"])
        deploys.change(function, "permission", "POST", f"{function.path}/policy",
                       {"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": principal},
                       lambda answer: {f"permission:{sid}": {"Principal": {"Service": principal}}})


def event_config(deploys, function):
    path = f"/2019-09-25/functions/{function.name}/event-invoke-config"
    if function.sure("events") and random.random() < 0.3:
        deploys.change(function, "event configuration deleted", "DELETE", path, None, lambda answer: {"events": None})
    else:
        members = {"MaximumRetryAttempts": random.randrange(3), "MaximumEventAgeInSeconds": random.randrange(60, 21600)}
        deploys.change(function, "event configuration", "PUT", path, members, lambda answer: {"events": members})


CHANGES = {create: 3, delete: 1, update_code: 3, update_configuration: 3, publish: 3, put_alias: 3, delete_alias: 1, concurrency: 2, url: 2,
           permission: 2, event_config: 2}


# ---- what is read ----

def read_configuration(answer):
    settled = answer["State"] == "Active" and answer["LastUpdateStatus"] == "Successful"
    return {"exists": {}, "code": some(answer, "CodeSha256"), "configuration": some(answer, *CONFIGURED), "revision": some(answer, "RevisionId"),
            **({"settled": {}} if settled else {})}


Read = collections.namedtuple("Read", "path facets")
READS = [
    Read("/2015-03-31/functions/{name}/configuration", read_configuration),
    Read("/2015-03-31/functions/{name}/versions", lambda answer: {
        f"version:{row['Version']}": some(row, "CodeSha256", "Description") for row in answer["Versions"] if row["Version"] != "$LATEST"}),
    Read("/2015-03-31/functions/{name}/aliases", lambda answer: {
        f"alias:{row['Name']}": some(row, "FunctionVersion", "Description", "RevisionId") for row in answer["Aliases"]}),
    Read("/2019-09-30/functions/{name}/concurrency", lambda answer: {"concurrency": answer} if answer else {}),
    Read("/2021-10-31/functions/{name}/url", lambda answer: {"url": some(answer, "AuthType", "Cors", "FunctionUrl")}),
    Read("/2015-03-31/functions/{name}/policy", lambda answer: {
        f"permission:{row['Sid']}": some(row, "Principal") for row in json.loads(answer["Policy"])["Statement"]}),
    Read("/2019-09-25/functions/{name}/event-invoke-config", lambda answer: {
        "events": some(answer, "MaximumRetryAttempts", "MaximumEventAgeInSeconds")}),
]
