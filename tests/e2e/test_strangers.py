"""What somebody tries who holds less than a key of Lambda's: another service's signature, floods, headers that lie."""
import contextlib
import json
import os
import pathlib
import socket
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import pytest

from test_function_urls import exchange
from test_functions import refused
import world
from world import Server, create, invoke, zipped


def sent(server, method, url, body=None, headers=None):
    """(status, type of error, body)"""
    request = urllib.request.Request(url if "://" in url else server.endpoint + url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, None, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("x-amzn-ErrorType"), error.read()


def signed(server, method, path, body=b"", service="lambda", auth=botocore.auth.SigV4Auth, **headers):
    request = botocore.awsrequest.AWSRequest(method, server.endpoint + path, data=body, headers=headers)
    auth(botocore.credentials.Credentials(server.access_key, server.secret), service, "us-east-1").add_auth(request)
    return sent(server, method, request.url, body, dict(request.headers))


@pytest.mark.parametrize("service", ["s3", "iam", "logs", "sts", "sqs"])
def test_mayflys_own_paths_take_signatures_for_lambda_alone(server, service):
    for method, path in (("PUT", "/_mayfly/functions/viaOther"), ("GET", "/_mayfly/functions"), ("GET", "/_mayfly/keys"), ("POST", "/_mayfly/keys"),
                         ("GET", "/_mayfly/logs/f"), ("DELETE", "/_mayfly/events/x")):
        status, error, body = signed(server, method, path, zipped() if method == "PUT" else b"", service)
        assert (status, error) == (403, "InvalidSignatureException") and b"scoped to correct service: 'lambda'" in body, (path, status, body)


def test_a_presigned_upload_to_s3_deploys_nothing(server, client):
    s3 = server.client(service="s3", config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "_mayfly", "Key": "functions/viaS3"})
    assert "/_mayfly/functions/viaS3?" in url
    assert sent(server, "PUT", url, zipped())[:2] == (403, "InvalidSignatureException")
    status, error, _ = signed(server, "PUT", "/_mayfly/functions/viaS3", zipped(), **{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert (status, error) == (403, "InvalidSignatureException")
    assert refused(client.get_function, FunctionName="viaS3")[0] == 404
    assert signed(server, "GET", "/_mayfly/functions", auth=botocore.auth.SigV4QueryAuth)[0] == 200  # presigned for Lambda


@pytest.fixture
def with_small_files():
    """A server none of whose files may be longer than 40 MB, as a shell's or a service's limits may say."""
    running = Server(prefix=("sh", "-c", 'ulimit -f 80000; exec "$@"', "sh"))
    yield running
    if running.process.poll() is None:
        running.stop()


def test_a_file_that_may_not_grow_is_a_full_disk_and_no_death(with_small_files):
    client, front = with_small_files.client(), with_small_files.health()["pid"]
    create(client, "fits")
    for _ in range(2):
        status, error, _ = signed(with_small_files, "PUT", "/_mayfly/functions/big", bytes(55 << 20))
        assert (status, error) == (507, "ServiceException")
    assert with_small_files.health()["pid"] == front
    assert json.loads(invoke(client, "fits", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    assert with_small_files.stop() == 0


def test_a_deploy_without_a_package_is_refused_at_once(server, client):
    status, error, body = signed(server, "PUT", "/_mayfly/functions/nothing")
    assert (status, error) == (400, "InvalidParameterValueException") and b"no body" in body
    assert refused(client.get_function, FunctionName="nothing")[0] == 404


def test_a_service_that_is_not_served_is_refused_in_xml_without_an_empty_namespace(server):
    status, _, body = signed(server, "GET", "/bucket", service="s3", **{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    root = xml.etree.ElementTree.fromstring(body)
    assert status == 501 and b"xmlns" not in body
    assert (root.tag, root.findtext("Error/Code")) == ("ErrorResponse", "NotImplementedException") and "'s3' is not supported" in root.findtext("Error/Message")
    status, _, body = signed(server, "POST", "/", b"Action=GetRole", "iam", **{"content-type": "application/x-www-form-urlencoded"})
    assert status == 400 and xml.etree.ElementTree.fromstring(body).tag == "{https://iam.amazonaws.com/doc/2010-05-08/}ErrorResponse"


def files_of(server):
    """How many unlinked files front has open in the data directory: bodies."""
    found = 0
    for link in pathlib.Path(f"/proc/{server.health()['pid']}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            name = os.readlink(link)
            found += name.startswith(str(server.data)) and name.endswith("(deleted)")
    return found


@pytest.fixture(scope="module")
def a_public_url(server, client):
    """(address, Host) of a URL that anybody may call."""
    create(client, "public")
    client.add_permission(FunctionName="public", StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    config = client.create_function_url_config(FunctionName="public", AuthType="NONE", Cors={"AllowOrigins": ["*"]})
    return server.endpoint.removeprefix("http://"), urllib.parse.urlsplit(config["FunctionUrl"]).hostname


def test_bodies_of_strangers_that_never_end_keep_nobody_out(server, client, a_public_url):
    """They take what front holds in memory of bodies that nobody is known to have signed: what comes then passes through files."""
    where, host = a_public_url
    address, port = where.split(":")
    payload = b'{"x": [[1, 2, 3, 4]]}'.ljust(20_000)
    with contextlib.ExitStack() as held:
        for _ in range(300):
            stranger = held.enter_context(socket.create_connection((address, int(port)), 20))
            stranger.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 65000\r\n\r\n".encode() + bytes(64_900))
        before = world.wait_for(lambda: files_of(server), 5, "bodies in files")
        assert exchange(where, "POST", "/", payload, {"Host": host})[::2] == (200, b'{"y":[[2.0,4.0,6.0,8.0]]}')
        assert client.invoke(FunctionName="public", Payload=payload)["Payload"].read() == b'{"y":[[2.0,4.0,6.0,8.0]]}'
        assert client.invoke(FunctionName="public", Payload=payload, InvocationType="Event")["StatusCode"] == 202
        create(client, "meanwhile", zipped(padding=8_000))
        assert signed(server, "PUT", "/_mayfly/functions/also", zipped(padding=8_000))[0] == 201
        iam, trust = server.client(service="iam"), {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName="meanwhile", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::b{i}/{'x' * 200}" for i in range(25)]}]}
        iam.put_role_policy(RoleName="meanwhile", PolicyName="long", PolicyDocument=json.dumps(policy))
        assert iam.get_role_policy(RoleName="meanwhile", PolicyName="long")["PolicyDocument"] == policy
        assert files_of(server) >= before


def test_a_stranger_s_origin_writes_no_line_into_the_server_s_log(server, a_public_url):
    where, host = a_public_url
    before = server.log.read_text()
    for origin in ("https://a.example\x01", "\x7f", "https://a.example/\x1b[2J"):
        status, headers, _ = exchange(where, "POST", "/", b'{"x": [[1, 2, 3, 4]]}', {"Host": host, "Origin": origin})
        assert status == 200 and "access-control-allow-origin" not in {name.lower() for name in headers}
    assert server.log.read_text() == before
