"""Function URLs as HTTP clients see them: who may call, CORS, bodies of every kind, and answers."""
import base64
import contextlib
import http.client
import io
import json
import re
import socket
import subprocess
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from test_functions import refused
from world import Recorded, create, slow_model, zipped

FORBIDDEN = {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
                        "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}
CORS = {"AllowCredentials": True, "AllowHeaders": ["content-type", "x-a"], "AllowMethods": ["GET", "POST"],
        "AllowOrigins": ["https://a.example", "http://b.example:8080"], "ExposeHeaders": ["x-c", "date"], "MaxAge": 600}
X = b'{"x": [[1, 2, 3, 4]]}'
Y = b'{"y":[[2.0,4.0,6.0,8.0]]}'


class Url:
    def __init__(self, server, config):
        self.server = server
        self.id = urllib.parse.urlsplit(config["FunctionUrl"]).hostname.split(".")[0]
        self.host = urllib.parse.urlsplit(config["FunctionUrl"]).hostname
        self.where = urllib.parse.urlsplit(server.endpoint).netloc

    def send(self, method="POST", path="/", body=X, headers=None, host=None):
        """(status, headers, body) by the Host header."""
        return exchange(self.where, method, path, body, {"Host": host or self.host, **(headers or {})})

    def send_to_path(self, method="POST", path="/", body=X, headers=None):
        return exchange(self.where, method, f"/_url/{self.id}{path}", body, headers or {})

    def signed(self, body=X, service="lambda", region="us-east-1", secret=None, path="/"):
        request = botocore.awsrequest.AWSRequest("POST", f"http://{self.host}{path}", data=body)
        credentials = botocore.credentials.Credentials(self.server.access_key, secret or self.server.secret)
        botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
        return self.send(path=path, body=body, headers=dict(request.headers))


def exchange(where, method, path, body, headers):
    with contextlib.closing(http.client.HTTPConnection(where, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def open_to_all(client, name, qualifier=None):
    more = {"Qualifier": qualifier} if qualifier else {}
    client.add_permission(FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE",
                          **more)


def a_url(server, client, name, package=None, auth_type="NONE", is_open=True, **more):
    create(client, name, package)
    url = Url(server, client.create_function_url_config(FunctionName=name, AuthType=auth_type, **more))
    if is_open:
        open_to_all(client, name)
    return url


@pytest.fixture(scope="module")
def scale(server, client):
    return a_url(server, client, "scale")


def bright_model():
    """labels dark and bright of a picture, by its mean."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0), helper.make_node("Neg", ["mean"], ["minus"]),
             helper.make_node("Unsqueeze", ["minus", "one"], ["a"]), helper.make_node("Unsqueeze", ["mean", "one"], ["b"]),
             helper.make_node("Concat", ["a", "b"], ["y"], axis=1)]
    graph = helper.make_graph(nodes, "bright", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
                              [numpy_helper.from_array(numpy.int64([1]), "one")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()


BRIGHT = json.dumps({"picture": {"size": {"width": 8, "height": 8}, "scale": 1 / 255, "mean": [0.5] * 3, "std": [0.1] * 3},
                     "output": {"labels": ["dark", "bright"], "softmax": True}})


@pytest.fixture(scope="module")
def bright(server, client):
    return a_url(server, client, "bright", zipped(bright_model(), mayfly_json=BRIGHT), Cors={"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"]})


def picture(shade, kind="PNG", size=(64, 48), noisy=False):
    out = io.BytesIO()
    pixels = numpy.full((size[1], size[0], 3), shade, numpy.uint8)
    if noisy:
        pixels = pixels // 2 + numpy.random.default_rng(1).integers(0, 64, pixels.shape, numpy.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def best_label(answer):
    status, _, body = answer
    assert status == 200, body
    return json.loads(body)[0]["label"] if body.startswith(b"[") else json.loads(body)


# ---- who may ----

def test_a_url_answers_by_host_and_by_path(scale):
    for answer in (scale.send(), scale.send(host=scale.host.upper()), scale.send(host=scale.host + ":8443"), scale.send_to_path(),
                   scale.send_to_path(path=""), scale.send(path="/any/path?q=1"), scale.send(host=f"{scale.id}.lambda-url.us-east-1.localhost")):
        assert (answer[0], answer[2]) == (200, Y)
        assert answer[1]["Content-Type"] == "application/json"
        assert re.fullmatch(r"[0-9a-f-]{36}", answer[1]["x-amzn-RequestId"])
        assert answer[1]["X-Amzn-Trace-Id"].startswith("Root=1-")


def test_unknown_urls_are_answered_as_aws_answers(scale):
    for answer in (scale.send(host="a" * 32 + ".lambda-url.us-east-1.on.aws"), scale.send(host=scale.host.replace("us-east-1", "eu-west-1")),
                   scale.send(host="x.lambda-url.us-east-1.on.aws"), exchange(scale.where, "GET", "/_url/" + "a" * 32, None, {}),
                   exchange(scale.where, "GET", "/_url/", None, {}), exchange(scale.where, "GET", "/_url/%00", None, {})):
        assert (answer[0], answer[1]["x-amzn-ErrorType"], json.loads(answer[2])) == (403, "AccessDeniedException", {"Message": None})


def test_names_of_others_under_on_aws_are_refused(scale):
    status, headers, _ = scale.send(host="evil.example.on.aws.example.com")
    assert (status, headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")


def test_a_url_without_a_policy_is_forbidden(server, client):
    url = a_url(server, client, "shut", is_open=False)
    assert (url.send()[0], json.loads(url.send()[2])) == (403, FORBIDDEN)
    client.add_permission(FunctionName="shut", StatementId="iam", Action="lambda:InvokeFunctionUrl", Principal="*",
                          FunctionUrlAuthType="AWS_IAM")
    client.add_permission(FunctionName="shut", StatementId="s3", Action="lambda:InvokeFunctionUrl", Principal="s3.amazonaws.com")
    assert json.loads(url.send()[2]) == FORBIDDEN
    assert url.send(body=b"x" * 100_000)[0] == 403
    open_to_all(client, "shut")
    assert url.send()[2] == Y
    client.remove_permission(FunctionName="shut", StatementId="url")
    assert json.loads(url.send_to_path()[2]) == FORBIDDEN


def test_iam_urls_want_a_signature(server, client):
    url = a_url(server, client, "signed", auth_type="AWS_IAM", is_open=False)
    assert url.signed()[::2] == (200, Y)
    assert (url.send()[0], json.loads(url.send()[2])) == (403, FORBIDDEN)
    assert url.send(headers={"Authorization": "Bearer token"})[0] == 403
    assert url.signed(secret="wrong")[0] == 403
    for more in ({"service": "execute-api"}, {"region": "eu-west-1"}):
        assert url.signed(**more)[0] == 403
    client.update_function_url_config(FunctionName="signed", AuthType="NONE")
    assert json.loads(url.send()[2]) == FORBIDDEN


def test_aliases_have_urls_of_their_own(server, client):
    url = a_url(server, client, "aliased")
    version = client.publish_version(FunctionName="aliased")["Version"]
    client.create_alias(FunctionName="aliased", Name="live", FunctionVersion=version)
    live = Url(server, client.create_function_url_config(FunctionName="aliased", Qualifier="live", AuthType="NONE"))
    assert live.id != url.id
    assert json.loads(live.send()[2]) == FORBIDDEN
    open_to_all(client, "aliased", "live")
    assert live.send()[::2] == (200, Y)
    client.delete_alias(FunctionName="aliased", Name="live")
    recorded = Recorded("TestLambdaURL::test_lambda_url_persists_after_alias_delete", file="lambda/test_lambda.json")
    status, headers, body = live.send()
    theirs = recorded.steps["invoke_deleted_alias_url_response_delayed"]
    assert (status, json.loads(body), headers["x-amzn-ErrorType"]) == (
        theirs["status_code"], theirs["content"], theirs["headers"]["x-amzn-ErrorType"])
    assert client.get_function_url_config(FunctionName="aliased", Qualifier="live")["FunctionUrl"].startswith("https://" + live.id)
    assert json.loads(live.send()[2]) == FORBIDDEN
    assert url.send()[::2] == (200, Y)


def test_the_url_of_a_deleted_alias_waits_for_another_one_without_its_permissions(server, client):
    create(client, "waiting", Publish=True)
    urls, target = {}, {"FunctionName": "waiting", "FunctionVersion": "1"}
    for name, auth_type in (("open", "NONE"), ("signed", "AWS_IAM")):
        client.create_alias(**target, Name=name)
        urls[name] = Url(server, client.create_function_url_config(FunctionName="waiting", Qualifier=name, AuthType=auth_type, Cors=CORS))
    open_to_all(client, "waiting", "open")
    assert (urls["open"].send()[0], urls["signed"].signed()[0]) == (200, 200)
    for name in urls:
        client.delete_alias(FunctionName="waiting", Name=name)
    for answer in (urls["open"].send(), urls["open"].send_to_path(), urls["signed"].send(), urls["signed"].signed()):
        assert (answer[0], json.loads(answer[2])) == (403, FORBIDDEN)
    missing = {"FunctionName": "waiting", "Qualifier": "open"}
    assert refused(client.get_policy, **missing)[:2] == (404, "ResourceNotFoundException")
    assert refused(open_to_all, client=client, name="waiting", qualifier="open")[2].startswith("Cannot find alias arn: ")
    assert refused(client.update_function_url_config, **missing, AuthType="AWS_IAM")[2] == "Function does not exist"
    for name in urls:
        client.create_alias(**target, Name=name)
    assert (urls["open"].send()[0], urls["signed"].signed()[0]) == (403, 200)
    open_to_all(client, "waiting", "open")
    assert urls["open"].send()[0] == 200
    client.delete_alias(FunctionName="waiting", Name="open")
    client.delete_function_url_config(**missing)
    assert json.loads(urls["open"].send()[2]) == {"Message": None}
    client.delete_function(FunctionName="waiting")
    assert json.loads(urls["signed"].signed()[2]) == {"Message": None}


def test_a_deleted_url_is_unknown(server, client):
    url = a_url(server, client, "deleted")
    assert url.send()[0] == 200
    client.delete_function_url_config(FunctionName="deleted")
    assert json.loads(url.send()[2]) == {"Message": None}
    again = Url(server, client.create_function_url_config(FunctionName="deleted", AuthType="NONE"))
    assert again.send()[0] == 200 and url.send()[0] == 403
    client.delete_function(FunctionName="deleted")
    assert json.loads(again.send()[2]) == {"Message": None}


def test_describe_shows_an_address_that_works(server, scale):
    url, = json.loads(server.run("describe", "scale", "--json").stdout)["urls"]
    assert (url["AuthType"], url["alias"]) == ("NONE", "")
    address = server.endpoint + url["path"]
    done = subprocess.run(["curl", "-sS", "-d", X, address], capture_output=True, timeout=60)
    assert done.stdout == Y, done


# ---- CORS ----

@pytest.fixture(scope="module")
def cors(server, client):
    return a_url(server, client, "cors", Cors=CORS)


def cors_headers(answer):
    return {name.lower(): value for name, value in answer[1].items() if name.lower().startswith("access-control") or name.lower() == "vary"}


def preflight(url, origin):
    return url.send("OPTIONS", body=None, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})


def test_preflights_are_answered_from_the_configuration(cors):
    answer = preflight(cors, "http://b.example:8080")
    assert (answer[0], answer[2]) == (200, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": "http://b.example:8080", "access-control-allow-credentials": "true", "access-control-max-age": "600",
        "access-control-allow-methods": "GET,POST", "access-control-allow-headers": "content-type,x-a", "vary": "Origin"}
    for foreign in ("https://evil.example", "null", "https://a.example.evil"):
        answer = preflight(cors, foreign)
        assert (answer[0], answer[2], cors_headers(answer)) == (200, b"", {})


def test_answers_carry_what_the_configuration_says(cors):
    answer = cors.send(headers={"Origin": "https://a.example"})
    assert answer[::2] == (200, Y)
    assert cors_headers(answer) == {"access-control-allow-origin": "https://a.example", "access-control-allow-credentials": "true",
                                    "access-control-expose-headers": "x-c,date", "vary": "Origin"}
    assert cors_headers(cors.send(body=b"no JSON", headers={"Origin": "https://a.example"}))["access-control-allow-origin"] == "https://a.example"
    for headers in ({}, {"Origin": "https://evil.example"}):
        answer = cors.send(headers=headers)
        assert answer[::2] == (200, Y) and cors_headers(answer) == {}


def test_a_star_echoes_the_origin_and_no_configuration_leaves_options_to_the_function(bright, scale):
    assert cors_headers(preflight(bright, "https://any.example"))["access-control-allow-origin"] == "https://any.example"
    answer = preflight(scale, "https://any.example")
    assert answer[0] == 400 and cors_headers(answer) == {}


# ---- what no decent client sends ----
def test_tunnels_echoes_and_two_hosts_end_before_the_function(scale):
    """The function would answer 200, after which a client that asked for a tunnel waits for ever."""
    head = f"HTTP/1.1\r\nHost: {scale.host}\r\n"
    for text, status in ((f"CONNECT {scale.host}:443 {head}", 405), (f"CONNECT / {head}", 405), (f"TRACE / {head}", 405),
                         (f"POST / {head}Host: {scale.host}\r\n", 400), (f"OPTIONS * {head}", 400), (f"POST / {head}Expect: more\r\n", 417)):
        where, port = scale.where.split(":")
        with socket.create_connection((where, int(port)), 10) as connection:
            connection.sendall(f"{text}Connection: close\r\nContent-Length: {len(X)}\r\n\r\n".encode() + X)
            assert connection.makefile("rb").read().startswith(b"HTTP/1.1 %d " % status), text
    assert scale.send("PATCH")[::2] == (200, Y)


# ---- bodies ----

@pytest.mark.parametrize("content_type", [None, "application/json", "APPLICATION/JSON; charset=utf-8", "text/plain", "application/octet-stream",
                                          "application/x-www-form-urlencoded"])
def test_json_is_read_whatever_it_is_called(scale, content_type):
    assert scale.send(headers={"Content-Type": content_type} if content_type else {})[::2] == (200, Y)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_posted_picture_is_classified(bright, kind):
    assert best_label(bright.send(body=picture(230, kind), headers={"Content-Type": f"image/{kind.lower()}"})) == "bright"
    assert best_label(bright.send(body=picture(20, kind))) == "dark"


def test_curl_posts_a_picture(bright, tmp_path):
    (tmp_path / "photo.png").write_bytes(picture(240))
    address = f"{bright.server.endpoint}/_url/{bright.id}/"
    for arguments in (["--data-binary", f"@{tmp_path}/photo.png"], ["-T", tmp_path / "photo.png"],
                      ["-F", "note=hello", "-F", f"picture=@{tmp_path}/photo.png"], ["-F", f"picture=@{tmp_path}/photo.png;type=image/png"]):
        done = subprocess.run(["curl", "-sS", *arguments, address], capture_output=True, timeout=60)
        assert b"bright" in done.stdout.split(b",")[0], (arguments, done)


def form(*parts, boundary="----WebKitFormBoundaryAbC123", end=b"--\r\n"):
    out = b""
    for headers, content in parts:
        out += b"--" + boundary.encode() + b"\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"
    return out + b"--" + boundary.encode() + end, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def file_part(content, name="f.png", field="file"):
    return f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: application/octet-stream', content


def test_a_browsers_form_is_classified(bright):
    text = ('Content-Disposition: form-data; name="note"', b"some text")
    for parts in ([file_part(picture(240))], [text, file_part(b"", ""), file_part(picture(240), 'a "b"; filename=c')]):
        body, headers = form(*parts)
        assert best_label(bright.send(body=body, headers=headers)) == "bright"
    quoted = {"Content-Type": 'multipart/form-data; boundary="----WebKitFormBoundaryAbC123"'}
    assert best_label(bright.send(body=b"preamble\r\n" + form(file_part(picture(9)))[0] + b"epilogue", headers=quoted)) == "dark"


@pytest.mark.parametrize("body, headers, words", [
    (*form(('Content-Disposition: form-data; name="a"', b"1")), "holds no file"),
    (*form(file_part(b"")), "holds no file"),
    (*form(end=b"--"), "holds no file"),
    (b"no form", {"Content-Type": "multipart/form-data; boundary=x"}, "its boundary does not occur"),
    (b"no form", {"Content-Type": "multipart/form-data"}, "names no boundary"),
    (b"no form", {"Content-Type": "multipart/form-data; boundary=" + "x" * 71}, "1 to 70 characters"),
    (b"--x\r\nA: b\r\n\r\n1", {"Content-Type": "multipart/form-data; boundary=x"}, "not ended by its boundary"),
    (b"--x\r\nA: b\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "headers do not end"),
    (b"--xy\r\nA: b\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "does not end its line"),
    (b"a=1&b=%20", {"Content-Type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded"),
    (b"", {}, "the payload is empty"),
    (b"\x89PNG\r\n\x1a\nbroken", {}, "PNG"),
])
def test_what_cannot_be_read_is_refused_with_its_reason(bright, body, headers, words):
    status, answer_headers, answer = bright.send(body=body, headers=headers)
    problem = json.loads(answer)
    assert status == 400 and answer_headers["Content-Type"] == "application/json"
    assert words in problem["errorMessage"] and problem["errorType"].startswith("Mayfly.Invalid"), problem


def test_large_bodies_go_through_files(scale, bright):
    blanks = b'{"x": [[1, 2, 3, 4]]' + b" " * 1_000_000 + b"}"
    assert scale.send(body=blanks, headers={"Content-Type": "application/json"})[::2] == (200, Y)
    assert scale.send(body=blanks)[::2] == (200, Y)
    large = picture(250, "PNG", (1200, 1000), noisy=True)
    assert len(large) > 2_000_000
    assert best_label(bright.send(body=large)) == "bright"
    body, headers = form(file_part(large))
    assert best_label(bright.send(body=body, headers=headers)) == "bright"


def test_an_event_has_at_most_six_megabytes(scale):
    too_large = {"Message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"}
    for size, headers in ((6_291_457, {}), (4_800_000, {}), (6_291_000, {"Content-Type": "text/plain"})):
        status, _, body = scale.send(body=b"x" * size, headers=headers)
        assert (status, json.loads(body)) == (413, too_large), size
    assert scale.send(body=X + b" " * 4_700_000)[::2] == (200, Y)
    assert scale.send(body=X + b" " * 6_200_000, headers={"Content-Type": "application/json"})[::2] == (200, Y)


def test_text_that_is_no_utf8_arrives_whole(scale):
    status, _, body = scale.send(body=b'{"x": [[1, 2, 3, 4]], "\xff": 1}', headers={"Content-Type": "text/plain"})
    assert status == 400 and "UTF-8" in json.loads(body)["errorMessage"]


def test_odd_requests_do_no_harm(scale):
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert scale.send(method, body=X)[0] == 200, method
    headers = {"X-Odd": 'q"\\\t\xff', "Cookie": "a=1; b=2;;", "X-Amzn-Trace-Id": "mine", "X-Forwarded-For": "1.2.3.4"}
    for path in ("/", "/%2F%00%ff/..;?a&b=&=c&a=%", "/?" + "&".join(f"k{i % 7}=v+{i}" for i in range(200)), "/?" + "a&" * 200):
        assert scale.send(path=path, headers=headers)[::2] == (200, Y), path


def test_an_event_given_to_invoke_is_unwrapped_too(client, scale):
    event = {"version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": {"content-type": "application/json"},
             "requestContext": {"http": {"method": "POST"}}, "body": X.decode(), "isBase64Encoded": False}
    assert client.invoke(FunctionName="scale", Payload=json.dumps(event))["Payload"].read() == Y
    event.update(body=base64.b64encode(X).decode(), isBase64Encoded=True)
    assert client.invoke(FunctionName="scale", Payload=json.dumps(event))["Payload"].read() == Y
    event.update(body="?", isBase64Encoded=True)
    assert json.loads(client.invoke(FunctionName="scale", Payload=json.dumps(event))["Payload"].read())["statusCode"] == 400
    for change in ({"version": "1.0"}, {"requestContext": None}):
        answer = client.invoke(FunctionName="scale", Payload=json.dumps({**event, **change}))
        assert answer["FunctionError"] == "Unhandled"


# ---- errors of functions ----

def test_a_timeout_is_a_bad_gateway(server, client):
    create(client, "late", zipped(slow_model(2000, 40)), Timeout=1)
    url = Url(server, client.create_function_url_config(FunctionName="late", AuthType="NONE"))
    open_to_all(client, "late")
    status, headers, body = url.send(body=b'{"x": [1]}')
    assert (status, body) == (502, b"Internal Server Error")
    assert "x-amz-function-error" not in {name.lower() for name in headers}


def test_throttled_requests_are_told_why(server, client):
    url = a_url(server, client, "throttled")
    client.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    status, _, body = url.send()
    assert status == 429
    assert json.loads(body) == {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}


def test_failed_and_pending_functions_are_no_hang(server, client):
    client.create_function(FunctionName="failing", Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": zipped(b"no model")})
    url = Url(server, client.create_function_url_config(FunctionName="failing", AuthType="NONE"))
    open_to_all(client, "failing")
    end = time.monotonic() + 20
    while (status := url.send()[0]) != 502:
        assert status == 503 and time.monotonic() < end


def test_requests_are_logged_and_counted_like_others(server, client, scale):
    before = server.rows()["scale"]["invocations"]
    status, headers, _ = scale.send()
    assert status == 200 and server.rows()["scale"]["invocations"] == before + 1
    log = server.run("logs", "scale").stdout.decode()
    assert f"REPORT RequestId: {headers['x-amzn-RequestId']}" in log
