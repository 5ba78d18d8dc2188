"""CloudWatch Logs over what functions log: groups, streams, events in pages, filter patterns, retention, tags, aws logs tail."""
import base64
import datetime
import json
import os
import random
import re
import subprocess
import time
import urllib.request

import botocore.auth
import botocore.awsrequest
import pytest

import world
from test_functions import refused
from world import Recorded, create, invoke, zipped

ONE = {"x": [[1, 2, 3, 4]]}


@pytest.fixture(scope="module")
def logs(server):
    return server.client(service="logs")


def all_events(logs, group, **more):
    """Of FilterLogEvents, page by page."""
    events, token = [], {}
    while True:
        page = logs.filter_log_events(logGroupName=group, **more, **token)
        events += page["events"]
        if "nextToken" not in page:
            return events
        token = {"nextToken": page["nextToken"]}


def now_ms():
    return int(time.time() * 1000)


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z "


def write_segments(server, name, segments):
    """Log files of a function as the server writes them: lists of (milliseconds, text)."""
    folder = server.data / "logs/us-east-1" / name
    folder.mkdir(parents=True, exist_ok=True)
    position = 0
    for lines in segments:
        data = b"".join((stamp(ms) + text + "\n").encode() for ms, text in lines)
        path = folder / f"{position:020}-{lines[0][0] * 1000000:019}.log"
        path.write_bytes(data)
        os.utime(path, (lines[-1][0] / 1000,) * 2)
        position += len(data)
    return folder


# ---- what functions log ----
def test_invocations_are_events_of_the_functions_group(server, client, logs):
    create(client, "logged", zipped())
    before = now_ms()
    ids = [invoke(client, "logged", ONE)[0]["ResponseMetadata"]["RequestId"] for _ in range(3)]
    group = "/aws/lambda/logged"
    world.wait_for(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"], what="the group")
    [described] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/logged:*" and described["storedBytes"] > 300
    assert before - 1000 <= described["creationTime"] <= now_ms() and "retentionInDays" not in described
    [stream] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    assert stream["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:log-stream:{stream['logStreamName']}"
    events = all_events(logs, group)
    assert [event["message"] for event in events if event["message"].startswith("START")] == \
        [f"START RequestId: {each} Version: $LATEST\n" for each in ids]
    assert len(events) == 9 and len({event["eventId"] for event in events}) == 9
    assert all(event["logStreamName"] == stream["logStreamName"] and before <= event["timestamp"] <= now_ms() for event in events)
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (events[0]["timestamp"], events[-1]["timestamp"])
    got = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])
    assert [(e["timestamp"], e["message"]) for e in got["events"]] == [(e["timestamp"], e["message"]) for e in events]
    shown = server.run("logs", "logged").stdout.decode()
    assert [line[25:] for line in shown.splitlines()] == [event["message"].rstrip("\n") for event in events]
    found = all_events(logs, group, filterPattern=f'"{ids[1]}"')
    assert {line.split()[0] for line in (event["message"] for event in found)} == {"START", "END", "REPORT"} and len(found) == 3


def test_a_deleted_functions_log_stays_until_its_group_is_deleted(server, client, logs):
    create(client, "gone", zipped())
    invoke(client, "gone", ONE)
    client.delete_function(FunctionName="gone")
    group = "/aws/lambda/gone"
    assert len(all_events(logs, group)) == 3 and b"REPORT" in server.run("logs", "gone").stdout
    logs.delete_log_group(logGroupName=group)
    assert refused(logs.filter_log_events, logGroupName=group) == (400, "ResourceNotFoundException", "The specified log group does not exist.")
    assert not (server.data / "logs/us-east-1/gone").exists()
    assert server.run("logs", "gone", check=False).returncode == 1
    create(client, "gone", zipped())
    invoke(client, "gone", ONE)
    assert len(all_events(logs, group)) == 3


def test_a_group_that_was_deleted_is_made_again_by_the_next_line(client, logs):
    create(client, "again", zipped())
    invoke(client, "again", ONE)
    first = all_events(logs, "/aws/lambda/again")
    logs.delete_log_group(logGroupName="/aws/lambda/again")
    invoke(client, "again", ONE)
    second = all_events(logs, "/aws/lambda/again")
    assert len(second) == 3 and not {e["eventId"] for e in first} & {e["eventId"] for e in second}


def configure_logging(client, name, **logging):
    """LoggingConfig is newer than this botocore: the request is made by hand."""
    request = botocore.awsrequest.AWSRequest("PUT", f"{client.meta.endpoint_url}/2015-03-31/functions/{name}/configuration",
                                             data=json.dumps({"LoggingConfig": logging}).encode())
    botocore.auth.SigV4Auth(client._request_signer._credentials, "lambda", "us-east-1").add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, request.data, dict(request.headers), method="PUT"), timeout=20) as answer:
        assert json.load(answer)["LoggingConfig"]["LogGroup"] == logging["LogGroup"]
    world.wait_for(lambda: client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")


def test_a_function_logs_to_the_group_that_its_logging_config_names(server, client, logs):
    for name in ("apart-1", "apart-2"):
        create(client, name, zipped())
        configure_logging(client, name, LogFormat="Text", LogGroup="/my/models#1")
        invoke(client, name, ONE)
    assert len(all_events(logs, "/my/models#1")) == 6
    assert refused(logs.filter_log_events, logGroupName="/aws/lambda/apart-1")[1] == "ResourceNotFoundException"
    assert server.run("logs", "apart-1").stdout.count(b"REPORT") == 2  # the group's
    configure_logging(client, "apart-1", LogGroup="/aws/lambda/apart-1")
    invoke(client, "apart-1", ONE)
    assert len(all_events(logs, "/aws/lambda/apart-1")) == 3 and len(all_events(logs, "/my/models#1")) == 6
    assert server.run("logs", "apart-1").stdout.count(b"REPORT") == 1
    logs.delete_log_group(logGroupName="/my/models#1")


def records(lines):
    """(type, record) of platform events, (level, message) of application lines; all must be JSON and of this hour."""
    out = []
    for line in lines:
        event = json.loads(line)
        when = datetime.datetime.strptime(event.get("time") or event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        assert abs(time.time() - when) < 3600 and set(event) in ({"time", "type", "record"}, {"timestamp", "level", "requestId", "message"}), line
        out.append((event["type"], event["record"]) if "type" in event else (event["level"], event["message"]))
    return out


def test_log_format_json_is_honoured_with_its_levels(server, client, logs):
    group = "/aws/lambda/as-json"
    create(client, "as-json", zipped(), MemorySize=256)
    configure_logging(client, "as-json", LogFormat="JSON", SystemLogLevel="DEBUG", LogGroup=group)
    answers = [invoke(client, "as-json", payload, LogType="Tail")[0] for payload in (ONE, {"wrong": 1})]
    ids = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
    messages = [event["message"] for event in all_events(logs, group)]
    found = records(messages)
    first = 3 if "x-mayfly-init-ns" in answers[0]["ResponseMetadata"]["HTTPHeaders"] else 0
    assert [kind for kind, _ in found[:first]] == ["platform.initStart", "platform.initRuntimeDone", "platform.initReport"][:first]
    assert [kind for kind, _ in found[first:]] == ["platform.start", "platform.runtimeDone", "platform.report",
                                                  "platform.start", "ERROR", "platform.runtimeDone", "platform.report"]
    start, done, report = (record for _, record in found[first:first + 3])
    assert start == {"requestId": ids[0], "version": "$LATEST"} and done["requestId"] == ids[0] and done["status"] == report["status"] == "success"
    assert set(done["metrics"]) == {"durationMs", "producedBytes"} and done["metrics"]["producedBytes"] > 5
    metrics = report["metrics"]
    assert set(metrics) == {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB"} | ({"initDurationMs"} if first else set())
    assert metrics["memorySizeMB"] == 256 and metrics["billedDurationMs"] >= metrics["durationMs"] == done["metrics"]["durationMs"]
    assert set(found[first + 4][1]) == {"errorType", "errorMessage"}
    tails = [base64.b64decode(answer["LogResult"]).decode() for answer in answers]
    assert "".join(tails) == "".join(messages[first:])  # without the init phase
    assert [line[25:] + "\n" for line in server.run("logs", "as-json").stdout.decode().splitlines()] == messages
    tailed = server.aws("logs", "tail", group, "--format", "short").stdout
    assert tailed.count('"platform.report"') == 2 and tailed.count(ids[1]) == 4
    found = [json.loads(event["message"]) for event in all_events(logs, group, filterPattern=f'"{ids[0]}" "platform.report"')]
    assert [(event["type"], event["record"]["requestId"]) for event in found] == [("platform.report", ids[0])]


def test_levels_drop_what_is_below_them(client, logs):
    group = "/aws/lambda/levelled"
    create(client, "levelled", zipped())
    configure_logging(client, "levelled", LogFormat="JSON", LogGroup=group)  # INFO and INFO
    invoke(client, "levelled", ONE)
    assert [kind for kind, _ in records(event["message"] for event in all_events(logs, group))] == ["platform.start", "platform.report"]
    logs.delete_log_group(logGroupName=group)
    configure_logging(client, "levelled", SystemLogLevel="WARN", LogGroup=group)
    assert "LogResult" not in invoke(client, "levelled", ONE, LogType="Tail")[0]
    assert refused(logs.filter_log_events, logGroupName=group)[1] == "ResourceNotFoundException"  # nothing was logged
    invoke(client, "levelled", {"wrong": 1})
    assert [kind for kind, _ in records(event["message"] for event in all_events(logs, group))] == ["ERROR"]
    configure_logging(client, "levelled", ApplicationLogLevel="FATAL", LogGroup=group)
    assert "LogResult" not in invoke(client, "levelled", {"wrong": 1}, LogType="Tail")[0]
    assert len(all_events(logs, group)) == 1


def test_a_version_keeps_the_format_that_it_was_published_with(client):
    create(client, "formats", zipped())
    group = "/aws/lambda/formats"
    configure_logging(client, "formats", LogFormat="JSON", LogGroup=group)
    version = client.publish_version(FunctionName="formats")["Version"]
    configure_logging(client, "formats", LogFormat="Text", LogGroup=group)
    tail = lambda **more: base64.b64decode(invoke(client, "formats", ONE, LogType="Tail", **more)[0]["LogResult"]).decode()
    assert tail().startswith("START RequestId: ")
    assert [(kind, record.get("version")) for kind, record in records(tail(Qualifier=version).splitlines())] == [
        ("platform.start", version), ("platform.report", None)]


def test_ids_names_and_tokens_outlive_a_restart():
    own = world.Server()
    client, logs = own.client(), own.client(service="logs")
    create(client, "f", zipped())
    for _ in range(4):
        invoke(client, "f", ONE)
    group = "/aws/lambda/f"
    page = logs.filter_log_events(logGroupName=group, limit=5)
    before, streams = all_events(logs, group), logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert own.stop() == 0
    own.start()
    logs = own.client(service="logs")
    assert all_events(logs, group) == before and logs.describe_log_streams(logGroupName=group)["logStreams"] == streams
    assert page["events"] + logs.filter_log_events(logGroupName=group, nextToken=page["nextToken"])["events"] == before
    assert own.stop() == 0


def test_aws_logs_tail_follows(server, client, logs):
    create(client, "tailed", zipped())
    invoke(client, "tailed", ONE)
    environment = dict(os.environ, AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret, AWS_DEFAULT_REGION="us-east-1",
                       PYTHONUNBUFFERED="1")
    out = server.scratch / "tail"
    with open(out, "wb") as file:
        tail = subprocess.Popen(["/usr/bin/aws", "--endpoint-url", server.endpoint, "logs", "tail", "/aws/lambda/tailed", "--follow", "--since", "5m"],
                                stdout=file, stderr=file, env=environment)
    try:
        world.wait_for(lambda: out.read_bytes().count(b"REPORT RequestId") == 1, 60, "what was logged before")
        made = [invoke(client, "tailed", ONE)[0]["ResponseMetadata"]["RequestId"] for _ in range(2)]
        world.wait_for(lambda: out.read_bytes().count(b"REPORT RequestId") >= 3, 60, "what was logged meanwhile")
    finally:
        tail.terminate()
        tail.wait(20)
    text = out.read_text()
    assert text.count("REPORT RequestId") == 3 and all(text.count(f"START RequestId: {each}") == 1 for each in made), text
    done = server.aws("logs", "tail", "/aws/lambda/tailed", "--filter-pattern", "START", "--format", "short")
    assert done.stdout.count("START") == 3 and "REPORT" not in done.stdout, done.stderr
    described = json.loads(server.aws("logs", "describe-log-streams", "--log-group-name", "/aws/lambda/tailed").stdout)
    assert len(described["logStreams"]) == 1


# ---- large logs, against a model of them ----
@pytest.fixture(scope="module")
def large(server, logs):
    """Four segments with 50,000 lines, one of them larger than what one request reads."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    begin, lines = now_ms() - 4 * 86400000, []
    for day, (count, longest) in enumerate(((9000, 300), (30000, 700), (1000, 15000), (10000, 60))):
        ms = begin + day * 86400000
        segment = []
        for i in range(count):
            ms += chance.choice((0, 0, 0, 1, 5, 1700))
            word = chance.choice(("INFO", "WARN", "ERROR", "ERROR 500", "naïve \"quoted\"", "\t\x1b[31mred"))
            segment.append((ms, f"{word} line {day}-{i} " + "x" * chance.randrange(longest)))
        lines.append(segment)
    write_segments(server, "large", lines)
    logs.create_log_group(logGroupName="/aws/lambda/large")
    return lines


def expected(lines, **limits):
    start, end = limits.get("start", 0), limits.get("end", 1 << 60)
    return [(ms, text + "\n") for segment in lines for ms, text in segment if start <= ms <= end]


def plain(events):
    return [(event["timestamp"], event["message"]) for event in events]


def test_all_events_of_a_large_log_come_in_bounded_pages(logs, large):
    events = all_events(logs, "/aws/lambda/large")
    assert plain(events) == expected(large)
    assert len({event["eventId"] for event in events}) == len(events)
    page = logs.filter_log_events(logGroupName="/aws/lambda/large", filterPattern='"nowhere to be found"')
    assert page["events"] == [] and "nextToken" in page  # other callers wait while one request reads
    page = logs.filter_log_events(logGroupName="/aws/lambda/large")
    assert len(page["events"]) <= 10000 and sum(len(e["message"].encode()) + 26 for e in page["events"]) <= 1 << 20


@pytest.mark.parametrize("share", [(0.1, 0.2), (0.3, 0.301), (0.55, 0.9), (0.9999, 1), (-1, 0.05), (1.5, 2)])
def test_times_bound_what_is_found(logs, large, share):
    first, last = large[0][0][0], large[-1][-1][0]
    start, end = (max(0, int(first + each * (last - first))) for each in share)
    assert plain(all_events(logs, "/aws/lambda/large", startTime=start, endTime=end)) == expected(large, start=start, end=end)


def test_times_that_are_an_events_own_are_inclusive(logs, large):
    ms = large[1][5000][0]
    assert plain(all_events(logs, "/aws/lambda/large", startTime=ms, endTime=ms)) == expected(large, start=ms, end=ms) != []


@pytest.mark.parametrize("pattern, matches", [
    ("ERROR", lambda t: "ERROR" in t), ("error", lambda t: "error" in t), ('"ERROR 500"', lambda t: "ERROR 500" in t), ("ERROR -500", lambda t: "ERROR" in t and "500" not in t),
    ("?ERROR ?WARN", lambda t: "ERROR" in t or "WARN" in t), ("ERROR line -\"ERROR 500\"", lambda t: "ERROR" in t and "ERROR 500" not in t),
    ('"\\"quoted\\""', lambda t: '"quoted"' in t), ("naïve", lambda t: "naïve" in t), ("-INFO -WARN", lambda t: "INFO" not in t and "WARN" not in t), (" ", lambda t: True),
    ("ERROR ?WARN", lambda t: "ERROR" in t), ("?WARN -500", lambda t: "500" not in t), ('?"ERROR 500" ?WARN', lambda t: "ERROR 500" in t or "WARN" in t)])
def test_plain_filter_patterns(logs, large, pattern, matches):
    wanted = [(ms, text) for ms, text in expected(large[2:]) if matches(text)]
    assert plain(all_events(logs, "/aws/lambda/large", filterPattern=pattern, startTime=large[2][0][0])) == wanted


@pytest.mark.parametrize("pattern, message", [
    ('{ $.level = "ERROR" }', "JSON filter patterns are not supported by this version of Mayfly"),
    ("[ip, user]", "Filter patterns for space-delimited events are not supported by this version of Mayfly"),
    ("%err.*%", "Regular expressions in filter patterns are not supported by this version of Mayfly"),
    ('"open', "Invalid filter pattern: a quotation mark is not closed"), ("a - b", "Invalid filter pattern: a term is empty"),
    ("?Status: timeout", "Invalid character(s) in term ':'"), ("sub-group", "Invalid character(s) in term '-'"), ("a [b]", "Invalid character(s) in term '['"),
    ("a %b%", "Regular expressions in filter patterns are not supported by this version of Mayfly")])
def test_other_filter_patterns_are_refused_by_name(logs, large, pattern, message):
    assert refused(logs.filter_log_events, logGroupName="/aws/lambda/large", filterPattern=pattern) == (400, "InvalidParameterException", message)


def test_streams_of_a_large_log(logs, large):
    group = "/aws/lambda/large"
    streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime")["logStreams"]
    assert [(s["firstEventTimestamp"], s["lastEventTimestamp"]) for s in streams] == [(segment[0][0], segment[-1][0]) for segment in large]
    newest = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=3)
    rest = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, nextToken=newest["nextToken"])
    assert newest["logStreams"] + rest["logStreams"] == streams[::-1] and "nextToken" not in rest
    names = [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert names == sorted(names)
    one = streams[2]["logStreamName"]
    assert [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=one[:20])["logStreams"]] == [one]
    assert plain(all_events(logs, group, logStreamNames=[one])) == plain(all_events(logs, group, logStreamNamePrefix=one[:20])) == expected(large[2:3])
    assert refused(logs.describe_log_streams, logGroupName=group, orderBy="LastEventTime", logStreamNamePrefix="2")[1] == "InvalidParameterException"
    assert refused(logs.describe_log_streams, logGroupName=group, nextToken="x")[2] == "The specified nextToken is invalid."


@pytest.mark.parametrize("which, limit", [(0, 1000), (1, 10000), (2, 400), (3, 7777)])
def test_a_stream_is_read_forwards_and_backwards(logs, large, which, limit):
    group = "/aws/lambda/large"
    this = {"logGroupName": group, "logStreamName": logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime")["logStreams"][which]["logStreamName"]}
    page = logs.get_log_events(**this, startFromHead=True, limit=limit)
    forwards = page["events"]
    while True:
        again = logs.get_log_events(**this, nextToken=page["nextForwardToken"], limit=limit)
        if again["nextForwardToken"] == page["nextForwardToken"]:
            break
        forwards += again["events"]
        page = again
    assert again["events"] == [] and plain(forwards) == expected(large[which:which + 1])
    page = logs.get_log_events(**this, limit=limit)
    backwards = page["events"]
    assert 0 < len(backwards) <= limit
    while True:
        again = logs.get_log_events(**this, nextToken=page["nextBackwardToken"], limit=limit)
        if again["nextBackwardToken"] == page["nextBackwardToken"]:
            break
        backwards = again["events"] + backwards
        page = again
    assert again["events"] == [] and plain(backwards) == expected(large[which:which + 1])
    start, end = large[which][100][0], large[which][-100][0]
    within = logs.get_log_events(**this, startTime=start, endTime=end, startFromHead=True, limit=50)["events"]
    assert plain(within) == [(ms, text) for ms, text in expected(large[which:which + 1]) if start <= ms < end][:50]
    last = logs.get_log_events(**this, startTime=start, endTime=end, limit=50)["events"]
    assert plain(last) == [(ms, text) for ms, text in expected(large[which:which + 1]) if start <= ms < end][-len(last):] and len(last) > 10


def test_tokens_that_are_none_are_refused(logs, large):
    group = "/aws/lambda/large"
    this = {"logGroupName": group, "logStreamName": logs.describe_log_streams(logGroupName=group)["logStreams"][1]["logStreamName"]}
    invalid = (400, "InvalidParameterException", "The specified nextToken is invalid.")
    for token in ("x", "f/1/s", "f/" + "9" * 56 + "/s", "b/" + "0" * 55 + "x/s", "f/" + "0" * 56 + "/x"):
        assert refused(logs.get_log_events, **this, nextToken=token) == invalid, token
    good = logs.filter_log_events(logGroupName=group, limit=1)["nextToken"]
    logs.create_log_group(logGroupName="/other")
    for name, token in ((group, "x"), (group, "0" + good), (group, good[:-1] + ("0" if good[-1] != "0" else "1")), ("/other", good)):
        assert refused(logs.filter_log_events, logGroupName=name, nextToken=token) == invalid, token
    logs.delete_log_group(logGroupName="/other")


def test_a_stream_can_be_deleted(server, logs):
    write_segments(server, "cut", [[(now_ms() - 100000 * day, f"day {day}")] for day in (3, 2, 1)])
    logs.create_log_group(logGroupName="/aws/lambda/cut")
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/cut", orderBy="LastEventTime")["logStreams"]
    logs.delete_log_stream(logGroupName="/aws/lambda/cut", logStreamName=streams[1]["logStreamName"])
    assert [e["message"] for e in all_events(logs, "/aws/lambda/cut")] == ["day 3\n", "day 1\n"]
    assert refused(logs.delete_log_stream, logGroupName="/aws/lambda/cut", logStreamName=streams[1]["logStreamName"])[2] == "The specified log stream does not exist."


# ---- retention ----
def test_retention_deletes_and_hides():
    own = world.Server()
    logs, day, now = own.client(service="logs"), 86400000, now_ms()
    group = "/aws/lambda/kept"
    folder = write_segments(own, "kept", [[(now - 40 * day, "40 days")], [(now - 20 * day, "20 days")], [(now - 4 * day, "4 days")],
                                          [(now - 2 * day - 5000, "2 days"), (now - 1000, "now")]])
    logs.create_log_group(logGroupName=group)
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 30
    assert [e["message"] for e in all_events(logs, group)] == ["20 days\n", "4 days\n", "2 days\n", "now\n"] and len(list(folder.glob("*.log"))) == 3
    assert own.stop() == 0
    own.start()  # sweeps; 14 days are the default
    logs = own.client(service="logs")
    assert [e["message"] for e in all_events(logs, group)] == ["20 days\n", "4 days\n", "2 days\n", "now\n"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert [e["message"] for e in all_events(logs, group)] == ["now\n"] and len(list(folder.glob("*.log"))) == 1
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    assert [e["message"] for e in logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]] == ["now\n"]
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    assert [e["message"] for e in all_events(logs, group)] == ["2 days\n", "now\n"]
    assert refused(logs.put_retention_policy, logGroupName=group, retentionInDays=2)[1] == "InvalidParameterException"
    assert own.stop() == 0


# ---- groups ----
def test_groups_are_listed_in_pages_and_by_pattern():
    own = world.Server()
    logs = own.client(service="logs")
    names = sorted(f"/app/{i:02}" for i in range(60)) + ["/zoo/01"]
    for name in names:
        logs.create_log_group(logGroupName=name)
    own.client("eu-west-1", service="logs").create_log_group(logGroupName="/elsewhere")
    pages = list(logs.get_paginator("describe_log_groups").paginate())
    assert [len(page["logGroups"]) for page in pages] == [50, 11] and [g["logGroupName"] for p in pages for g in p["logGroups"]] == names
    pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/app/1", PaginationConfig={"PageSize": 4}))
    assert [g["logGroupName"] for p in pages for g in p["logGroups"]] == names[10:20]
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePattern="/01")["logGroups"]] == ["/app/01", "/zoo/01"]
    assert refused(logs.describe_log_groups, nextToken="x")[2] == "The specified nextToken is invalid."
    assert own.stop() == 0


def test_groups_are_as_aws_recorded_them(logs):
    recorded = lambda test: Recorded(test, "logs/test_logs_groups.json")
    logs.create_log_group(logGroupName="rec-1", tags={"env": "testing"})
    recorded("TestLogsGroups::test_create_log_group_duplicate_error").check("error-duplicate-log-group", logs.create_log_group, logGroupName="rec-1")
    recorded("TestLogsGroupsTags::test_create_log_group_with_tags").check("list-tags-after-create", logs.list_tags_log_group, logGroupName="rec-1")
    recorded("TestLogsGroups::test_describe_log_groups_prefix_and_pattern_error").check(
        "error-prefix-and-pattern", logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")
    for number in (2, 3):
        logs.create_log_group(logGroupName=f"rec-{number}")
    listed = recorded("TestLogsGroups::test_describe_log_groups_with_prefix")
    answer = listed.steps["describe-log-groups-prefix"]
    ours = raw(logs, "DescribeLogGroups", {"logGroupNamePrefix": "rec-"})
    for group in ours["logGroups"]:
        group["creationTime"] = "timestamp"
    listed.compare("describe-log-groups-prefix", {"logGroups": answer["logGroups"]}, ours)
    for number in (1, 2, 3):
        logs.delete_log_group(logGroupName=f"rec-{number}")


def raw(logs, operation, body):
    """The answer with members that this botocore does not know yet."""
    request = botocore.awsrequest.AWSRequest("POST", logs.meta.endpoint_url + "/", data=json.dumps(body).encode(), headers={
        "X-Amz-Target": f"Logs_20140328.{operation}", "Content-Type": "application/x-amz-json-1.1"})
    botocore.auth.SigV4Auth(logs._request_signer._credentials, "logs", "us-east-1").add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, request.data, dict(request.headers)), timeout=20) as answer:
        return json.load(answer)


def test_tags_are_as_aws_recorded_them(logs):
    recorded = Recorded("TestLogsGroupsTags::test_tag_resource_api", "logs/test_logs_groups.json")
    this, arn = {"logGroupName": "tagged"}, "arn:aws:logs:us-east-1:000000000000:log-group:tagged"
    logs.create_log_group(**this, tags={"env": "testing1"})
    recorded.check("list-tags-after-create", logs.list_tags_for_resource, resourceArn=arn)
    logs.tag_resource(resourceArn=arn, tags={"test1": "val1", "test2": "val2"})
    recorded.check("list-tags-log-group-after-tag-resource", logs.list_tags_log_group, **this)
    recorded.check("list-tags-for-resource-after-tag-resource", logs.list_tags_for_resource, resourceArn=arn)
    logs.tag_log_group(**this, tags={"test3": "val3"})
    recorded.check("list-tags-log-group-after-tag-log-group", logs.list_tags_log_group, **this)
    recorded.check("list-tags-for-resource-after-tag-log-group", logs.list_tags_for_resource, resourceArn=arn)
    logs.untag_log_group(**this, tags=["env", "test3"])
    logs.untag_resource(resourceArn=arn, tagKeys=["test1"])
    recorded.check("list-tags-log-group-after-untag", logs.list_tags_log_group, **this)
    recorded.check("list-tags-for-resource-after-untag", logs.list_tags_for_resource, resourceArn=arn)
    logs.delete_log_group(**this)


def test_errors_are_as_aws_recorded_them(logs, large):
    group = "/aws/lambda/large"
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    events = lambda test: Recorded(test, "logs/test_logs_events.json")
    events("TestLogsEventsErrors::test_resource_does_not_exist").check("error-log-group-does-not-exist", logs.get_log_events, logGroupName="absent", logStreamName="x")
    events("TestLogsEventsErrors::test_resource_does_not_exist").check("error-log-stream-does-not-exist", logs.get_log_events, logGroupName=group, logStreamName="x")
    events("TestLogsEvents::test_get_log_events_invalid_token").check("error-invalid-token", logs.get_log_events, logGroupName=group, logStreamName=stream, nextToken="invalid")
    events("TestLogsEvents::test_get_log_events_limit_validation").check("error-limit-exceeded", logs.get_log_events, logGroupName=group, logStreamName=stream, limit=10001)
    filtered = lambda test: Recorded(test, "logs/test_logs_filter_events.json")
    filtered("TestFilterLogEvents::test_filter_log_events_limit_validation").check("error-limit-exceeded", logs.filter_log_events, logGroupName=group, limit=10001)
    filtered("TestFilterLogEvents::test_filter_log_events_unknown_token").check("invalid-token", logs.filter_log_events, logGroupName=group, nextToken="invalid")
    Recorded("TestLogsStreams::test_describe_log_streams_with_log_group_identifier", "logs/test_logs_streams.json").check(
        "error-both-name-and-identifier", logs.describe_log_streams, logGroupName=group, logGroupIdentifier=group)


def test_what_is_not_there_is_refused_by_name(logs):
    assert refused(logs.put_log_events, logGroupName="a", logStreamName="b", logEvents=[])[::2] == (
        501, "The operation PutLogEvents of CloudWatch Logs is not supported by this version of Mayfly")
    assert refused(logs.create_log_group, logGroupName="k", kmsKeyId="x")[2] == "kmsKeyId is not supported by this version of Mayfly"
    assert refused(logs.create_log_group)[:2] == (400, "InvalidParameterException")
    assert refused(logs.create_log_group, logGroupName="a b")[1] == "InvalidParameterException"
    assert refused(logs.create_log_group, logGroupName=7)[1] == "SerializationException"
