#!/usr/bin/python3
"""Events of function URLs: what real requests become, against AWS's published sample and its rules.

Usage: test_url_event.py PATH-OF-url_event_server [unittest arguments]
"""
import base64
import http.client
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import time
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials

SERVER = sys.argv.pop(1)
RECORDED = pathlib.Path(__file__).resolve().parents[4] / "shared/aws-recorded.tar.xz"


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.port = int(cls.process.stdout.readline())

    @classmethod
    def tearDownClass(cls):
        cls.process.stdin.close()
        assert cls.process.wait(10) == 0
        cls.process.stdout.close()

    def event(self, method="POST", path="/my/path?q=1", body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read()
        self.id = answer.headers["x-amzn-RequestId"]
        connection.close()
        return json.loads(text)

    def test_members_are_those_of_awss_sample(self):
        if not RECORDED.exists():
            self.skipTest(f"AWS's samples are not at {RECORDED}")
        with tarfile.open(RECORDED) as archive:
            sample = json.load(archive.extractfile("aws-recorded/event-samples/lambda-urls-request.json"))
        event = self.event(path="/my/path?parameter1=value1&parameter1=value2&parameter2=value", body=b"Hello from client!", headers=[
            ("Header1", "value1"), ("header2", "value1"), ("HEADER2", "value2"), ("Cookie", "cookie1; cookie2"), ("User-Agent", "agent"),
            ("Content-Type", "text/plain")])
        for name in ("version", "rawPath", "rawQueryString", "cookies", "queryStringParameters", "body", "isBase64Encoded"):
            self.assertEqual(event[name], sample[name], name)
        self.assertEqual(set(sample) - set(event), set())
        for name, value in sample["headers"].items():
            self.assertEqual(event["headers"][name], value)
        ours, theirs = event["requestContext"], sample["requestContext"]
        self.assertEqual(set(theirs) - set(ours), {"authorizer"})
        self.assertEqual(set(ours["http"]), set(theirs["http"]))
        self.assertEqual({**ours["http"], "sourceIp": ""}, {**theirs["http"], "sourceIp": ""})
        self.assertRegex(ours["time"], r"^\d\d/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/\d{4}:\d\d:\d\d:\d\d \+0000$")

    def test_the_context_is_of_this_request(self):
        context = self.event()["requestContext"]
        identity = "0123456789abcdefghijklmnopqrstuv"
        self.assertEqual((context["accountId"], context["apiId"], context["domainName"], context["domainPrefix"]),
                         ("anonymous", identity, identity + ".lambda-url.eu-west-1.on.aws", identity))
        self.assertEqual((context["routeKey"], context["stage"], context["requestId"]), ("$default", "$default", self.id))
        self.assertEqual(context["http"], {"method": "POST", "path": "/my/path", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""})
        self.assertLess(abs(context["timeEpoch"] / 1000 - time.time()), 60)
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(context["timeEpoch"] / 1000))
        self.assertEqual(context["time"], stamp)

    def test_a_signed_request_names_its_signer(self):
        request = botocore.awsrequest.AWSRequest("GET", f"http://127.0.0.1:{self.port}/", headers={"X-A": "b"})
        key = botocore.credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        botocore.auth.SigV4Auth(key, "lambda", "eu-west-1").add_auth(request)
        event = self.event("GET", "/", headers=list(request.headers.items()))
        self.assertEqual(event["requestContext"]["accountId"], "000000000000")
        self.assertEqual(event["requestContext"]["authorizer"], {"iam": {
            "accessKey": "AKIDEXAMPLE", "accountId": "000000000000", "callerId": "000000000000", "cognitoIdentity": None, "principalOrgId": None,
            "userArn": "arn:aws:iam::000000000000:root", "userId": "000000000000"}})
        self.assertNotIn("authorization", event["headers"])
        self.assertEqual(event["headers"]["x-a"], "b")

    def test_headers_of_ours_cannot_be_forged(self):
        headers = self.event(headers=[("X-Amzn-Trace-Id", "mine"), ("x-amzn-tls-version", "mine"), ("X-Forwarded-For", "1.2.3.4"),
                                      ("X-Forwarded-Host", "mine"), ("Connection", "close"), ("Authorization", "Bearer t")])["headers"]
        self.assertRegex(headers["x-amzn-trace-id"], r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$")
        self.assertEqual((headers["x-forwarded-for"], headers["x-forwarded-proto"], headers["x-forwarded-port"]), ("127.0.0.1", "http", str(self.port)))
        self.assertEqual(set(headers), {"host", "authorization", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"})
        self.assertEqual(headers["authorization"], "Bearer t")

    def test_paths_stay_encoded_and_parameters_are_decoded(self):
        event = self.event(path="/pa2%Fth/%20/..?b=%2F+x&a=1&b=%C3%A9&&c&a=")
        self.assertEqual((event["rawPath"], event["rawQueryString"]), ("/pa2%Fth/%20/..", "b=%2F+x&a=1&b=%C3%A9&&c&a="))
        self.assertEqual(event["queryStringParameters"], {"a": "1,", "b": "/ x,é", "c": ""})

    def test_what_is_empty_is_absent(self):
        event = self.event("GET", "/")
        self.assertEqual((event["rawQueryString"], event["isBase64Encoded"]), ("", False))
        for name in ("body", "cookies", "queryStringParameters"):
            self.assertNotIn(name, event)

    def test_bodies_are_text_by_their_type_only(self):
        text = '{"a": "\u00e9\U0001f600\\\n\x01"}'
        for content_type, is_text in (("text/plain", 1), ("text/x", 1), ("application/json", 1), ("Application/JSON ; charset=utf-8", 1),
                                      ("application/xml", 1), ("application/javascript", 1), ("application/jsonp", 0), (None, 0),
                                      ("application/x-www-form-urlencoded", 0), ("image/png", 0), ("multipart/form-data; boundary=x", 0),
                                      ("text/", 0), ("application/vnd.api+json", 0)):
            event = self.event(body=text.encode(), headers=[("Content-Type", content_type)] if content_type else [])
            self.assertEqual(event["isBase64Encoded"], not is_text, content_type)
            self.assertEqual(event["body"], text if is_text else base64.b64encode(text.encode()).decode())

    def test_bytes_that_are_no_utf8_are_base64(self):
        body = bytes(range(256))
        event = self.event(body=body, headers=[("Content-Type", "text/plain")])
        self.assertEqual((event["isBase64Encoded"], base64.b64decode(event["body"])), (True, body))

    def test_odd_headers_are_still_json(self):
        event = self.event(headers=[("X-Odd", 'q"\\\t'), ("X-Latin", b"\xe9"), ("X-Utf8", "é".encode()), ('X-"', "1"), ("Cookie", ";; a=1;"),
                                    ("Cookie", "b=2")])
        self.assertEqual((event["headers"]["x-odd"].rstrip(), event["headers"]["x-latin"], event["headers"]["x-utf8"]), ('q"\\', "é", "é"))
        self.assertEqual((event["headers"]['x-"'], event["cookies"]), ("1", ["a=1", "b=2"]))
        self.assertFalse(re.search("cookie", " ".join(event["headers"])))


unittest.main(argv=sys.argv)
