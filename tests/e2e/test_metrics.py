"""/metrics: read by a strict parser of Prometheus' text format (0.0.4), and compared with what clients counted."""
import base64
import collections
import json
import math
import re
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

import world
from world import create, invoke, scale_model, slow_model, zipped

ONE = {"x": [[1, 2, 3, 4]]}
NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}="(?:[^"\\\n]|\\["\\n])*",?)*)\}})? ([^ ]+)')
PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def number(text):
    return float(text.replace("Inf", "inf"))


def family(name, types):
    """The metric that a sample belongs to."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) == "histogram":
            return name[:-len(suffix)]
    return name


def parse(text):
    """{name: {sorted labels: value}}, {metric: type}. Whatever the format's text does not allow fails."""
    assert text.endswith("\n"), "the last line must end with a line feed"
    samples, types, helps, groups = collections.defaultdict(dict), {}, {}, []
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            _, keyword, name, rest = line.split(" ", 3)
            assert keyword in ("HELP", "TYPE") and re.fullmatch(NAME, name), line
            table = helps if keyword == "HELP" else types
            assert name not in table, f"a second {line}"
            assert keyword == "HELP" or rest in TYPES, line
            assert not any(family(each, types) == name for each in samples), f"{line} after a sample"
            table[name] = rest
            group = name
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            name, labels, value = match.groups()
            pairs = PAIR.findall(labels or "")
            assert "".join(f'{k}="{v}",' for k, v in pairs).rstrip(",") == (labels or "").rstrip(","), line
            key = tuple(sorted(pairs))
            assert len({k for k, _ in pairs}) == len(pairs) and key not in samples[name], f"twice: {line}"
            samples[name][key] = number(value)
            group = family(name, types)
            assert group in types and group in helps, f"{line}: no type"
        if not groups or groups[-1] != group:
            groups.append(group)
    assert len(set(groups)) == len(groups), "the lines of a metric must stand together"
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(name, samples)
        elif kind == "counter":
            assert all(value >= 0 for value in samples[name].values()) and name.endswith("_total")
    return samples, types


def check_histogram(name, samples):
    series = collections.defaultdict(list)
    for key, value in samples[name + "_bucket"].items():
        series[tuple(pair for pair in key if pair[0] != "le")].append((number(dict(key)["le"]), value))
    assert set(series) == set(samples[name + "_count"]) == set(samples[name + "_sum"]), name
    for labels, buckets in series.items():
        assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), f"{name}{labels}: not cumulative"
        assert buckets[-1] == (math.inf, samples[name + "_count"][labels])


def fetch(server):
    with urllib.request.urlopen(server.endpoint + "/metrics", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return parse(answer.read().decode())[0]


def of(name, region="us-east-1"):
    return (("function", name), ("region", region))


@pytest.fixture
def own():
    running = world.Server("--keep-alive", "60")
    yield running
    assert running.stop() == 0, running.log.read_text()


def test_a_server_that_did_nothing_has_metrics(own):
    samples = fetch(own)
    assert samples["mayfly_invocations_total"] == {} and samples["mayfly_init_duration_seconds_count"] == {(): 0}
    assert samples["mayfly_concurrency_limit"] == {(): 1000}
    assert 1 << 20 < samples["process_resident_memory_bytes"][()] < 1 << 30


def test_counts_are_those_of_the_clients(own):
    client = own.client()
    for name, factor in (("a", 2.0), ("b", 3.0)):
        create(client, name, zipped(scale_model(factor)))
    cold = 0
    for name, good, bad in (("a", 5, 2), ("b", 3, 0)):
        for i in range(good + bad):
            answer, _ = invoke(client, name, ONE if i < good else {"wrong": 1}, LogType="Tail")
            cold += "x-mayfly-init-ns" in answer["ResponseMetadata"]["HTTPHeaders"]
            assert ("FunctionError" in answer) == (i >= good)
    client.put_function_concurrency(FunctionName="b", ReservedConcurrentExecutions=0)
    for _ in range(4):
        with pytest.raises(botocore.exceptions.ClientError, match="TooManyRequests"):
            invoke(client, "b", ONE)
    samples = fetch(own)
    assert samples["mayfly_invocations_total"] == {of("a"): 7, of("b"): 3}
    assert samples["mayfly_errors_total"] == {of("a"): 2, of("b"): 0}
    assert samples["mayfly_throttles_total"] == {of("a"): 0, of("b"): 4}
    assert sum(samples["mayfly_cold_starts_total"].values()) == cold == samples["mayfly_init_duration_seconds_count"][()] > 0
    assert samples["mayfly_duration_seconds_count"] == {of("a"): 7, of("b"): 3}
    rows = own.rows()
    assert {name: row["invocations"] for name, row in rows.items()} == {"a": 7, "b": 3}
    assert samples["mayfly_instances"][(("state", "idle"),)] == sum(row["instances_idle"] for row in rows.values())
    assert samples["mayfly_pool_bytes"][()] > 1 << 20


def test_durations_are_those_that_reports_say(own):
    client = own.client()
    create(client, "slow", zipped(slow_model()), Timeout=60)
    durations = []
    for _ in range(3):
        answer, _ = invoke(client, "slow", {"x": [1]}, LogType="Tail")
        durations.append(float(re.search(r"\tDuration: ([0-9.]+) ms", base64.b64decode(answer["LogResult"]).decode())[1]) / 1000)
    samples = fetch(own)
    assert samples["mayfly_duration_seconds_sum"][of("slow")] == pytest.approx(sum(durations), abs=0.0001)
    for end in (0.025, 0.1, 0.5, 1, 5):
        key = tuple(sorted((*of("slow"), ("le", f"{end:g}"))))
        assert samples["mayfly_duration_seconds_bucket"][key] == sum(each <= end for each in durations)


def test_events_are_counted(own):
    client = own.client()
    create(client, "later", zipped())
    for _ in range(6):
        assert client.invoke(FunctionName="later", InvocationType="Event", Payload=json.dumps(ONE).encode())["StatusCode"] == 202
    world.wait_for(lambda: fetch(own)["mayfly_events_done_total"].get(()) == 6, what="six events")
    samples = fetch(own)
    assert samples["mayfly_events_accepted_total"] == {(): 6} and samples["mayfly_invocations_total"] == {of("later"): 6}
    assert samples["mayfly_events"] == {(("state", state),): 0 for state in ("waiting", "running", "retrying", "failed")}
    client.put_function_concurrency(FunctionName="later", ReservedConcurrentExecutions=0)
    client.put_function_event_invoke_config(FunctionName="later", MaximumRetryAttempts=0)
    client.invoke(FunctionName="later", InvocationType="Event", Payload=b"{}")
    samples = world.wait_for(lambda: (s := fetch(own)) and s["mayfly_events_accepted_total"][()] == 7 and s, what="the seventh")
    assert sum(samples["mayfly_events"].values()) <= 1


def test_failed_deliveries_are_counted(own):
    client = own.client()
    target = "arn:aws:lambda:us-east-1:000000000000:function:told"
    for name in ("teller", "told"):
        create(client, name, zipped())
    failing, names = {"wrong": 1}, ("delivered", "delivery_failures", "dead_letter_errors")
    client.put_function_event_invoke_config(FunctionName="teller", MaximumRetryAttempts=0, DestinationConfig={
        "OnFailure": {"Destination": target}, "OnSuccess": {"Destination": target}})
    client.update_function_configuration(FunctionName="teller", DeadLetterConfig={"TargetArn": target})
    client.get_waiter("function_updated_v2").wait(FunctionName="teller")

    def counts(after, payload, expected):
        client.invoke(FunctionName="teller", InvocationType="Event", Payload=json.dumps(payload).encode())
        deliveries = lambda: [fetch(own)[f"mayfly_events_{each}_total"][()] for each in names]
        world.wait_for(lambda: sum(deliveries()) >= after, what="deliveries")
        assert deliveries() == expected
    counts(2, failing, [2, 0, 0])
    client.delete_function(FunctionName="told")
    counts(4, failing, [2, 1, 1])
    counts(5, ONE, [2, 2, 1])
    assert fetch(own)["mayfly_events"][(("state", "failed"),)] == 2


def test_many_functions_share_a_series(own):
    client = own.client()
    package = zipped()
    names = [f"f{i:03}" for i in range(140)]
    for name in names:
        create(client, name, package, wait=False)
    for name in names:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        invoke(client, name, ONE)
    samples = fetch(own)
    assert len(samples["mayfly_invocations_total"]) == 129 and sum(samples["mayfly_invocations_total"].values()) == 140
    assert samples["mayfly_invocations_total"][of("(others)", "(others)")] == 12
    assert samples["mayfly_duration_seconds_count"][of("(others)", "(others)")] == 12


def send(server, method, path, body, region):
    request = botocore.awsrequest.AWSRequest(method, server.endpoint + path, data=body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(server.access_key, server.secret), "lambda", region).add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, body, dict(request.headers), method=method), timeout=20) as answer:
        return answer.read()


def test_regions_are_labels(own):
    regions = ("us-east-1", "eu-west-1")
    for region in regions:
        send(own, "PUT", "/_mayfly/functions/same", zipped(), region)
        world.wait_for(lambda: b'"Active"' in send(own, "GET", "/_mayfly/functions/same", b"", region), what="the function")
        send(own, "POST", "/2015-03-31/functions/same/invocations", json.dumps(ONE).encode(), region)
    assert fetch(own)["mayfly_invocations_total"] == {of("same", region): 1 for region in regions}


def test_elsewhere_than_on_loopback_metrics_want_a_signature():
    own = world.Server("--insecure", "--listen", "0.0.0.0:0")
    port = own.endpoint.rsplit(":", 1)[1]
    url = f"http://127.0.0.1:{port}/metrics"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=20)
    assert caught.value.code == 403
    request = botocore.awsrequest.AWSRequest("GET", url)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(own.access_key, own.secret), "lambda", "us-east-1").add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)), timeout=20) as answer:
        parse(answer.read().decode())
    assert own.stop() == 0


@pytest.mark.parametrize("text", ["a 1", "# TYPE a counter\na 1\n", "a{b=c} 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
                                  "# HELP a x\n# TYPE a gauge\na x\n", '# HELP a x\n# TYPE a gauge\na{b="\n"} 1\n',
                                  "# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\na{x=\"y\"} 1\n",
                                  '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'])
def test_the_parser_refuses(text):
    with pytest.raises((AssertionError, ValueError)):
        parse(text)
