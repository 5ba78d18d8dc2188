"""Events of every kind, and the proof of how each ended.

Whatever becomes of an event reaches the function `sink` as Lambda's record (or `letters` as the event itself), and these two refuse all
they get, without another attempt: so it stands among the failed events of the store for good, as a row that is read there. A record holds
the request id, the attempts, the answer, and the payload, which has to be the bytes that were sent.
"""
import collections
import contextlib
import hashlib
import json
import math
import pathlib
import random
import re
import sqlite3
import time

import models
from client import Broken, bench

FUNCTION = f"arn:aws:lambda:{bench.REGION}:000000000000:function:"
SMALLEST, LARGEST = 200, (1 << 20) - 8192  # of a payload: records of records have to fit into an event, too
ROW_HEADER, LINEAGE_BYTES = 60, 5         # src/events/row.c
MOST_POISON_AT_ONCE = 3

# How an event of this function ends: condition and attempts in the record that `sink` gets, None: not told.
Kind = collections.namedtuple("Kind", "weight package timeout config dead_letter condition attempts")
TO_SINK = {"Destination": FUNCTION + "sink"}
KINDS = {
    "good": Kind(9, "checksum", 20, {"DestinationConfig": {"OnSuccess": TO_SINK, "OnFailure": TO_SINK}}, None, "Success", None),
    "bad": Kind(3, "checksum", 20, {"DestinationConfig": {"OnFailure": TO_SINK}}, None, "RetriesExhausted", 3),
    "dead": Kind(2, "checksum", 20, {"MaximumRetryAttempts": 1}, "letters", None, 2),
    "chained": Kind(3, "checksum", 20, {"DestinationConfig": {"OnSuccess": {"Destination": FUNCTION + "relay"}, "OnFailure": TO_SINK}}, None,
                    "Success", None),
    "poison": Kind(2, "endless", 1, {"MaximumRetryAttempts": 1, "DestinationConfig": {"OnFailure": TO_SINK}}, "letters", "RetriesExhausted", 2),
}
REFUSING = {"sink": {"MaximumRetryAttempts": 0}, "letters": {"MaximumRetryAttempts": 0},
            "relay": {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": TO_SINK}}}

Told = collections.namedtuple("Told", "arn condition attempts digest answer")
Sent = collections.namedtuple("Sent", "kind digest bytes answer")


def digest(payload):
    return hashlib.sha256(payload).digest()


def make_payload(kind):
    """Random numbers of a random number of bytes, small ones as often as large ones; (payload, what the function answers)."""
    if kind == "poison":
        return b'{"seed":[%d]}' % random.getrandbits(20) + b" " * random.randrange(1000), None
    bytes_ = SMALLEST * math.exp(random.random() * math.log(LARGEST / SMALLEST))
    x = [random.randrange(100_000, 1_000_000) for _ in range(int(bytes_ / 7))]
    good = kind in ("good", "chained")
    return b'{"%s":[%s]}' % (b"x" if good else b"y", ",".join(map(str, x)).encode()), models.checksum_of(x) if good else None


def inner(record):
    """The payload in a record, as the bytes that it is."""
    begin = record.index(b'"requestPayload":') + len(b'"requestPayload":')
    return record[begin:record.rindex(b',"responseContext":{')]


class Events:
    def __init__(self, world, pace_s):
        self.world, self.pace_s = world, pace_s
        self.sent = {}                                # by request id, what was acknowledged
        self.told = collections.defaultdict(list)     # by request id, also of those whose 202 was lost with its connection
        self.letters = collections.Counter()          # by digest
        self.known_keys = set()
        self.problems = []

    def deploy(self, upload):
        for name in (*REFUSING, *KINDS):
            kind = KINDS.get(name)
            more = {"DeadLetterConfig": {"TargetArn": FUNCTION + kind.dead_letter}} if kind and kind.dead_letter else {}
            upload(name, getattr(models, kind.package if kind else "checksum")(), Timeout=kind.timeout if kind else 20, **more)
            self.world.must("PUT", f"/2019-09-25/functions/{name}/event-invoke-config", kind.config if kind else REFUSING[name])

    def step(self):
        kind = random.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
        if kind == "poison" and self.waiting("poison") >= MOST_POISON_AT_ONCE:
            return
        payload, answer = make_payload(kind)
        seen = self.world.send("POST", f"/2015-03-31/functions/{kind}/invocations", payload, {"x-amz-invocation-type": "Event"})
        if seen and seen[0] == 202:
            with self.world.lock:
                self.sent[seen[1]["x-amzn-RequestId"]] = Sent(kind, digest(payload), len(payload), answer)
        elif seen:
            raise Broken(f"an event was answered {seen[0]} {seen[2][:300]}")
        time.sleep(random.uniform(0, 2 * self.pace_s))

    def waiting(self, kind):
        with self.world.lock:
            return sum(sent.kind == kind and not self.has_ended(id_, sent) for id_, sent in self.sent.items())

    # ---- what stands in the store ----
    def read(self):
        """Looks at the events that were kept as failed since the last look; the server trims old ones, so it is to be often."""
        with self.database() as database:
            new = {bytes(row[0]) for row in database.execute("SELECT key FROM failed_events")} - self.known_keys
            for key in sorted(new):
                for value, in database.execute("SELECT value FROM failed_events WHERE key = ?", (key,)):
                    self.take(key[8:-9].decode().partition("/")[2], bytes(value))
        self.known_keys |= new

    def database(self):
        return contextlib.closing(sqlite3.connect(f"file:{self.world.server.data / 'mayfly.db'}?mode=ro", uri=True, timeout=10))

    def stands_in(self, id_):
        """Tables of the store with a row that has the request id."""
        with self.database() as database:
            return [table for table in ("events", "retries", "failed_events")
                    if any(id_.encode() in bytes(row[0]) for row in database.execute(f"SELECT value FROM {table}"))]

    def take(self, function, value):
        row = value[4 + int.from_bytes(value[2:4], "little"):]
        payload = row[ROW_HEADER + row[4] + LINEAGE_BYTES * row[3]:]
        if function == "letters":
            self.letters[digest(payload)] += 1
        elif function == "sink":
            self.take_record(payload)
        else:
            self.problems.append(f"an event of {function} was kept as failed: {value[4:300]}")

    def take_record(self, record):
        members = json.loads(record)
        if members["requestContext"]["functionArn"] == f"{FUNCTION}relay:$LATEST":  # the record that relay could not take
            record = inner(record)
            members = json.loads(record)
        context = members["requestContext"]
        self.told[context["requestId"]].append(Told(context["functionArn"], context["condition"], context["approximateInvokeCount"],
                                                    digest(inner(record)), members["responsePayload"]))

    def has_ended(self, id_, sent):
        kind = KINDS[sent.kind]
        return (not kind.condition or id_ in self.told) and (not kind.dead_letter or self.letters[sent.digest] > 0)

    # ---- the verdict ----
    def problem_of(self, sent, told):
        kind = KINDS[sent.kind]
        if told.digest != sent.digest:
            return "its payload was altered"
        if told.arn != f"{FUNCTION}{sent.kind}:$LATEST":
            return "it was another function's"
        if kind.condition == "Success" and told.condition == "RetriesExhausted" and told.attempts == 3:
            return None  # its worker was killed each time
        if told.condition != kind.condition:
            return "that is another end than it should have"
        if kind.condition == "Success":
            return None if told.answer == sent.answer else "its answer is wrong"
        return None if told.attempts == kind.attempts else "it had another number of attempts than it should"

    def lost(self):
        """Of those acknowledged: not ended, or not as sent."""
        lost = {id_ for id_, sent in self.sent.items() if not self.has_ended(id_, sent)}
        for id_, sent in self.sent.items():
            for told in self.told.get(id_, ()):
                problem = self.problem_of(sent, told)
                if problem:
                    self.problems.append(f"event {id_} of {sent.kind}: {problem}: {told}")
                    lost.add(id_)
        return lost

    def describe(self, id_):
        sent = self.sent[id_]
        return (f"event {id_} of {sent.kind}, {sent.bytes} bytes: {self.letters[sent.digest]} letters, told {self.told.get(id_, [])}, "
                f"stands in {self.stands_in(id_)}")

    def duplicated(self):
        """Events whose end was told twice, or of which more runs came to an end than the record says: as the functions' logs have it."""
        twice = {id_ for id_, sent in self.sent.items() if len(self.told.get(id_, ())) > 1 or self.letters[sent.digest] > 1}
        return twice | {id_ for id_, runs in self.runs().items() if id_ in self.sent and runs > self.attempts_of(id_)}

    def attempts_of(self, id_):
        return max((told.attempts for told in self.told.get(id_, ())), default=KINDS[self.sent[id_].kind].attempts or 1)

    def runs(self):
        logs = pathlib.Path(self.world.server.data / "logs" / bench.REGION).rglob("*.log")
        ends = re.compile(r"\bEND RequestId: (\S+)")  # behind a time
        runs = collections.Counter(id_ for log in logs for id_ in ends.findall(log.read_text(errors="replace")))
        if self.told and not runs.keys() & self.told.keys():
            raise Broken("no run of any event stands in the logs")
        return runs

    def summary(self):
        kinds = collections.Counter(sent.kind for sent in self.sent.values())
        largest = max((sent.bytes for sent in self.sent.values()), default=0)
        again = sum(told.attempts > 1 for id_, all_ in self.told.items() if id_ in self.sent for told in all_ if told.condition == "Success")
        total = sum(sent.bytes for sent in self.sent.values())
        return (f"{len(self.sent)} events ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}; {total:,} bytes, the largest {largest:,}); {again} "
                "succeeded only after a worker's death")
