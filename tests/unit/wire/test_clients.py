#!/usr/bin/python3
"""wire against independent clients: botocore's own signer over random requests, and raw sockets for what no decent client sends.

Usage: test_clients.py PATH-OF-wire_echo_server [unittest arguments]
"""
import contextlib
import hashlib
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import datetime, timedelta
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVER = sys.argv.pop(1)
KEY = Credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')
SEED = int(os.environ.get('MAYFLY_TEST_SEED', '20261125'))


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([SERVER, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.host = f'127.0.0.1:{self.port}'

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


def signed(server, method, path, body=b'', headers=None, key=KEY, service='lambda', region='us-east-1', shift=0, presign=False):
    """A request as botocore signs it; path is percent-encoded already. shift: seconds that the client's clock is wrong."""
    request = AWSRequest(method=method, url=f'http://{server.host}{path}', data=body, headers=headers or {})

    class ShiftedClock(datetime):
        @classmethod
        def utcnow(cls):
            return datetime.utcnow() + timedelta(seconds=shift)

    with mock.patch.object(botocore.auth.datetime, 'datetime', ShiftedClock):
        (SigV4QueryAuth(key, service, region, expires=60) if presign else SigV4Auth(key, service, region)).add_auth(request)
    target = request.url.split(server.host, 1)[1]
    return method, target, body, dict(request.headers.items())


def ask(server, request, connection=None):
    method, target, body, headers = request
    if connection is None:
        with contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)) as own:
            return ask(server, request, own)
    connection.putrequest(method, target, skip_host='host' in {h.lower() for h in headers}, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if 'content-length' not in {h.lower() for h in headers} and 'transfer-encoding' not in {h.lower() for h in headers}:
        connection.putheader('Content-Length', str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()


def raw(server, data, timeout=10):
    with socket.create_connection(('127.0.0.1', server.port), timeout) as s:
        s.sendall(data)
        out = b''
        while True:
            piece = s.recv(65536)
            if not piece:
                return out
            out += piece


def begin_large(server, size):
    """A connection on which an answer of this size was asked for, and that buffers little of it."""
    method, target, _, headers = signed(server, 'GET', f'/large?bytes={size}')
    lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.settimeout(20)
    s.connect(('127.0.0.1', server.port))
    s.sendall(f'{method} {target} HTTP/1.1\r\nHost: {server.host}\r\n{lines}\r\n'.encode())
    return s


def random_request(rng, server, presign):
    text = lambda n, letters: ''.join(rng.choice(letters) for _ in range(rng.randrange(n)))
    letters = "abzAZ09-_.~ !$'()*,;:@/?&=+%#é漢\"<>|"
    path = '/echo' + ''.join(rng.choice(['/', '//', '/./']) + quote(text(8, letters), safe='') for _ in range(rng.randrange(4)))
    query = '&'.join(quote(text(6, letters), safe='-_.~') + '=' + quote(text(9, letters), safe='-_.~') for _ in range(rng.randrange(5)))
    headers = {}
    for _ in range(rng.randrange(4)):
        headers['X-Amz-' + rng.choice(['Meta', 'log-type', 'Z', 'a-b']) + str(rng.randrange(5))] = '  ' + text(12, 'ab  \t"=,;') + ' '
    if rng.random() < 0.5:
        headers['Content-Type'] = rng.choice(['application/json', 'application/x-amz-json-1.1', 'text/plain; charset=utf-8'])
    body = b'' if presign else rng.randbytes(rng.choice([0, 1, 200, 4000, 70000]))  # botocore's presigner reads a body as a form
    method = rng.choice(['POST', 'PUT', 'PATCH', 'DELETE']) if body else rng.choice(['GET', 'POST', 'DELETE'])
    # botocore drops equal parameters of a URL that is presigned, so give it none
    return signed(server, method, path + ('?' + query if query and not presign else ''), body, headers,
                  service=rng.choice(['lambda', 'sqs', 'execute-api']), region=rng.choice(['us-east-1', 'eu-central-1']), presign=presign)


class Signatures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def expect(self, request, status, error=None, text=None):
        got, headers, body = ask(self.server, request)
        self.assertEqual((got, headers.get('x-amzn-errortype')), (status, error), (request, body))
        if text:
            self.assertIn(text, body.decode())
        self.assertRegex(headers['x-amzn-requestid'], r'^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')
        return body

    def test_what_botocore_signs_is_accepted(self):
        rng = random.Random(SEED)
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=20)
        self.addCleanup(connection.close)
        for i in range(400):
            request = random_request(rng, self.server, presign=i % 4 == 3)
            status, _, body = ask(self.server, request, connection)
            self.assertEqual(status, 200, (SEED, i, request, body))
            expected = request[2] if len(request[2]) <= 65536 else b'file of %d bytes' % len(request[2])
            self.assertEqual(body, expected)

    def test_what_was_changed_after_signing_is_refused(self):
        rng = random.Random(SEED + 1)
        for i in range(120):
            method, target, body, headers = random_request(rng, self.server, presign=i % 4 == 3)
            change = rng.randrange(4)
            if change == 0:
                body += b'x'
            elif change == 1:
                target = target.replace('/echo', '/echox', 1)
            elif change == 2:
                target += ('&' if '?' in target else '?') + 'more=1'
            else:
                headers['X-Amz-Added'] = '1'
            status, got, text = ask(self.server, (method, target, body, headers))
            self.assertEqual((status, got.get('x-amzn-errortype')), (403, 'InvalidSignatureException'), (SEED, i, change, text))

    def test_no_signature(self):
        self.expect(('POST', '/echo', b'1', {}), 403, 'MissingAuthenticationTokenException', 'Missing Authentication Token')

    def test_unknown_key(self):
        self.expect(signed(self.server, 'POST', '/echo', b'1', key=Credentials('AKIDOTHER', 'x')), 403, 'UnrecognizedClientException',
                    'The security token included in the request is invalid.')

    def test_session_token_is_not_ours(self):
        key = Credentials(KEY.access_key, KEY.secret_key, 'token')
        self.expect(signed(self.server, 'POST', '/echo', b'1', key=key), 403, 'UnrecognizedClientException')

    def test_wrong_secret(self):
        self.expect(signed(self.server, 'POST', '/echo', b'1', key=Credentials('AKIDEXAMPLE', 'x')), 403, 'InvalidSignatureException',
                    'does not match the signature you provided')

    def test_clock_that_is_wrong(self):
        self.expect(signed(self.server, 'POST', '/echo', b'1', shift=-890), 200)
        self.expect(signed(self.server, 'POST', '/echo', b'1', shift=890), 200)
        self.expect(signed(self.server, 'POST', '/echo', b'1', shift=-910), 403, 'InvalidSignatureException', 'Signature expired: ')
        self.expect(signed(self.server, 'POST', '/echo', b'1', shift=910), 403, 'InvalidSignatureException', 'Signature not yet current: ')

    def test_presigned_url_expires(self):
        self.expect(signed(self.server, 'GET', '/echo', shift=-50, presign=True), 200)
        self.expect(signed(self.server, 'GET', '/echo', shift=-70, presign=True), 403, 'ExpiredTokenException')

    def test_body_hash_header(self):
        import hashlib
        good = {'x-amz-content-sha256': hashlib.sha256(b'1').hexdigest()}
        self.expect(signed(self.server, 'POST', '/echo', b'1', good), 200)
        self.expect(signed(self.server, 'POST', '/echo', b'1', {'x-amz-content-sha256': 'UNSIGNED-PAYLOAD'}), 403, 'InvalidSignatureException')
        method, target, _, headers = signed(self.server, 'POST', '/echo', b'1', good)
        self.expect((method, target, b'2', headers), 403, 'InvalidSignatureException')

    def test_a_route_for_one_service_takes_no_other_s_signature(self):
        self.expect(signed(self.server, 'POST', '/strict', b'1'), 200)
        self.expect(signed(self.server, 'POST', '/strict', presign=True), 200)
        for service in ('s3', 'lambda-x', 'iam', 'Lambda'):
            self.expect(signed(self.server, 'POST', '/strict', b'1', service=service), 403, 'InvalidSignatureException',
                        "Credential should be scoped to correct service: 'lambda'.")
        unsigned = {'x-amz-content-sha256': 'UNSIGNED-PAYLOAD'}
        self.expect(signed(self.server, 'POST', '/strict', b'1', unsigned, service='s3'), 403, 'InvalidSignatureException')
        self.expect(signed(self.server, 'POST', '/strict', b'1', unsigned), 403, 'InvalidSignatureException')

    def test_dates_in_a_date_header(self):
        self.expect(signed(self.server, 'POST', '/echo', b'1', {'Date': 'any'}), 200)

    def test_bad_key_is_refused_before_the_body_is_sent(self):
        method, target, _, headers = signed(self.server, 'POST', '/echo', b'', key=Credentials('AKIDOTHER', 'x'))
        lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        answer = raw(self.server, f'POST {target} HTTP/1.1\r\nHost: {self.server.host}\r\n{lines}Content-Length: 5000000\r\n\r\n'.encode())
        self.assertTrue(answer.startswith(b'HTTP/1.1 403 '), answer)

    def test_parameters_are_decoded(self):
        value = 'a b/ü+%'
        body = self.expect(signed(self.server, 'GET', '/parameter?x=1&name=' + quote(value, safe='')), 200)
        self.assertEqual(body.decode(), value)


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server('--idle', '2', '--connections', '50')

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def post(self, rest, body=b''):
        return f'POST /anonymous HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n'.encode() + body

    def test_foreign_host(self):
        status, _, body = ask(self.server, ('GET', '/anonymous', b'', {'Host': 'evil.example'}))
        self.assertEqual(status, 403, body)
        self.assertIn(b'Host', body)

    def test_names_and_ports_of_a_host(self):
        good = ('127.0.0.1', '127.0.0.1:18102', '127.0.0.1:', '[::1]', '[::1]:80', '[::ffff:127.0.0.1]:1', 'localhost:65535', 'LOCALHOST', 'a.localhost:1', 'localhost.:8',
                'lambda.us-east-1.amazonaws.com:443', 'x.lambda-url.us-east-1.on.aws', '')
        bad = ('127.0.0.1:18102.evil.com', '127.0.0.1:80:80', '127.0.0.1:8o', '127.0.0.1:123456', '127.0.0.1:-1', '127.0.0.1: 80', '127.0.0.1.evil.com', '[::1]evil',
               '[::1]:evil', '[::1]80', '[::1]:80.evil.com', '[::1', '[::1].evil.com', '[127.0.0.1]', '::1', 'localhost:1.evil.com', 'localhost:80@evil', 'evil.com:80',
               'evillocalhost', 'amazonaws.com.evil.com', '@127.0.0.1')
        for host in (*good, *bad):
            status, _, body = ask(self.server, ('GET', '/anonymous', b'', {'Host': host}))
            self.assertEqual(status, 200 if host in good else 403, (host, body))

    def test_too_large_is_refused_and_the_answer_arrives_while_the_client_still_sends(self):
        for path, limit in (('/small', 100), ('/echo', 8 << 20)):
            status, headers, _ = ask(self.server, signed(self.server, 'POST', path, b'x' * (limit + 3_000_000)))
            self.assertEqual((status, headers['x-amzn-errortype']), (413, 'RequestEntityTooLargeException'))

    def test_too_large_without_a_length(self):
        piece = b'10000\r\n' + b'x' * 65536 + b'\r\n'
        answer = raw(self.server, self.post('Connection: close\r\nTransfer-Encoding: chunked\r\n', piece * 140 + b'0\r\n\r\n'))
        self.assertTrue(answer.startswith(b'HTTP/1.1 413 '), answer[:200])

    def test_chunked_bodies_in_memory_and_in_a_file(self):
        for size, expected in ((3, b'xxx'), (65536, b'x' * 65536), (65537, b'file of 65537 bytes'), (1 << 20, b'file of 1048576 bytes')):
            body = b'%x\r\n' % size + b'x' * size + b'\r\n0\r\n\r\n'
            answer = raw(self.server, self.post('Connection: close\r\nTransfer-Encoding: chunked\r\n', body))
            self.assertTrue(answer.endswith(b'\r\n\r\n' + expected), answer[-300:])

    def test_length_beside_chunked(self):
        answer = raw(self.server, self.post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', b'0\r\n\r\n'))
        self.assertTrue(answer.startswith(b'HTTP/1.1 400 '), answer)

    def test_lengths_that_stand_there_twice(self):
        for rest in ('Content-Length: 3\r\nContent-Length: 0\r\n', 'Content-Length: 0\r\ncontent-length: 3\r\n', 'Content-Length: 3\r\nContent-Length: 3\r\n',
                     'Content-Length: 3, 3\r\n', 'Content-Length:\r\n', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'):
            answer = raw(self.server, self.post(rest, b'abc'))
            self.assertTrue(answer.startswith(b'HTTP/1.1 400 '), (rest, answer))

    def refused(self, data, word):
        """One 400 and the end of the connection, well before the idle timeout: what follows is not taken for a request."""
        start = time.monotonic()
        answer = raw(self.server, data + b'GET /anonymous HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        self.assertTrue(answer.startswith(b'HTTP/1.1 400 '), (data, answer))
        self.assertEqual(answer.count(b'HTTP/1.1 '), 1, (data, answer))
        self.assertIn(word, answer)
        self.assertLess(time.monotonic() - start, 1.5, data)

    def test_header_names_with_blanks_or_control_characters(self):
        smuggled = b'GET /echo HTTP/1.1\r\n\r\n'
        for line in (b'Content-Length : 22', b'Content-Length\t: 22', b'Content Length: 22', b'Transfer-Encoding : chunked', b'X\x01: 1', b'X\x7f: 1',
                     b'X\x0b: 1', b'X-Y : 1', b'X: 1\r\n Content-Length: 22', b'X: 1\rContent-Length: 22'):
            self.refused(b'POST /anonymous HTTP/1.1\r\nHost: localhost\r\n' + line + b'\r\n\r\n' + smuggled, b'blank or a control')

    def test_a_nul_in_the_request_line(self):
        for line in (b'GET /anonymous\0/echo HTTP/1.1', b'GET /anonymous?a=\0b HTTP/1.1', b'GET \0/anonymous HTTP/1.1', b'GET /anonymous\0 HTTP/1.1',
                     b'GE\0T /anonymous HTTP/1.1', b'GET\0 /anonymous HTTP/1.1'):
            self.refused(line + b'\r\nHost: localhost\r\n\r\n', b'NUL')
        for target in ('/anonymous', ' /anonymous', '/anonymous?a=b', 'http://localhost/anonymous'):
            self.assertTrue(raw(self.server, f'GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'.encode()).startswith(b'HTTP/1.1 200 '))

    def test_hosts_that_stand_there_twice(self):
        for second in ('localhost', 'evil.example', ''):
            self.refused(self.post(f'hOST: {second}\r\nContent-Length: 0\r\n'), b'Host stands there twice')

    def test_targets_that_are_no_paths(self):
        for method, target in (('OPTIONS', '*'), ('GET', 'anonymous'), ('GET', 'localhost:80'), ('GET', '?a=b'), ('GET', '*')):
            self.refused(f'{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode(), b'neither a path nor a URL')

    def test_no_tunnels_and_no_echoes(self):
        for method, target in (('CONNECT', 'localhost:443'), ('CONNECT', '/anonymous'), ('TRACE', '/anonymous'), ('TRACE', '*')):
            answer = raw(self.server, f'{method} {target} HTTP/1.1\r\nHost: localhost\r\nCookie: secret\r\n\r\nGET /anonymous HTTP/1.1\r\n\r\n'.encode())
            self.assertTrue(answer.startswith(b'HTTP/1.1 405 '), (method, target, answer))
            self.assertIn(b'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n', answer)
            self.assertEqual((answer.count(b'HTTP/1.1 '), b'secret' in answer), (1, False), answer)

    def test_a_transfer_encoding_in_http_1_0(self):
        self.refused(b'POST /anonymous HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n3\r\nabc\r\n0\r\n\r\n', b'HTTP/1.0')

    def test_lengths_in_doubt_end_the_connection(self):
        self.refused(self.post('Content-Length: 3\r\nContent-Length: 0\r\n', b'abc'), b'twice')
        self.refused(self.post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', b'0\r\n\r\n'), b'beside')

    def test_transfer_encodings_other_than_chunked(self):
        for encoding in ('identity', 'gzip, chunked', 'gzip', 'chunked, identity'):
            start = time.monotonic()
            answer = raw(self.server, self.post(f'Transfer-Encoding: {encoding}\r\n', b'3\r\nabc\r\n0\r\n\r\n'))
            self.assertTrue(answer.startswith(b'HTTP/1.1 501 '), (encoding, answer))
            self.assertLess(time.monotonic() - start, 1.5, encoding)
        self.assertEqual(ask(self.server, ('POST', '/anonymous', b'1', {}))[0], 200)

    def test_broken_lengths(self):
        for length in ('-1', '+11', 'x', '1x', '0xb', '11, 11', '1 1', '', '1' + '0' * 23, '18446744073709551615', '18446744073709551616'):
            head = self.post(f'Content-Length: {length}\r\n')
            self.refused(head, b'Content-Length is malformed')
            with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:  # in the form of all other refusals
                s.sendall(head + bytes(100_000))
                answer = http.client.HTTPResponse(s)
                answer.begin()
                self.assertEqual((answer.status, answer.headers['x-amzn-errortype'], answer.headers['connection']), (400, 'BadRequest', 'close'))
                self.assertIn('message', json.loads(answer.read()))
                self.assertIn('date', answer.headers)
        self.assertEqual(ask(self.server, ('POST', '/anonymous', b'1', {}))[0], 200)

    def test_a_host_that_is_missing(self):
        self.refused(b'GET /anonymous HTTP/1.1\r\n\r\n', b'Host is missing')
        self.assertTrue(raw(self.server, b'GET /anonymous HTTP/1.0\r\n\r\n').startswith(b'HTTP/1.1 200 '))

    def test_cookies_are_headers_like_all_others(self):
        for cookies in ('a=b; ' * 1000, 'x' * 9000, ''):
            self.assertEqual(ask(self.server, ('GET', '/anonymous', b'', {'Cookie': cookies}))[0], 200)

    def test_expect_continue_is_answered_at_once(self):
        with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:
            start = time.monotonic()
            s.sendall(self.post('Expect: 100-continue\r\nContent-Length: 2\r\n'))
            self.assertTrue(s.recv(100).startswith(b'HTTP/1.1 100 '))
            self.assertLess(time.monotonic() - start, 0.5)
            s.sendall(b'ok')
            self.assertTrue(s.recv(1000).endswith(b'ok'))

    def test_expectations_that_nobody_meets(self):
        for lines in ('Expect: tea\r\n', 'Expect: 100-continue, tea\r\n', 'Expect: 100-continue\r\nExpect: tea\r\n', 'Expect:\r\n'):
            answer = raw(self.server, self.post(lines + 'Connection: close\r\nContent-Length: 2\r\n', b'ok'))
            self.assertTrue(answer.startswith(b'HTTP/1.1 417 '), (lines, answer))
            self.assertEqual(answer.count(b'HTTP/1.1 '), 1, answer)
        for version, expected in (('1.0', b'HTTP/1.1 200 '), ('1.1', b'HTTP/1.1 100 ')):  # 1.0 knows no interim answers
            answer = raw(self.server, f'POST /anonymous HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-Continue\r\n'
                         'Content-Length: 2\r\n\r\nok'.encode())
            self.assertTrue(answer.startswith(expected) and answer.endswith(b'ok'), answer)

    def test_what_is_refused_by_its_headers_is_not_continued(self):
        for target, length, status in (('/small', 2, b'403'), ('/anonymous', 1 << 40, b'413')):
            answer = raw(self.server, f'POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n'
                         f'Content-Length: {length}\r\n\r\n'.encode())
            self.assertTrue(answer.startswith(b'HTTP/1.1 ' + status), answer)

    def test_keep_alive(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=5)
        self.addCleanup(connection.close)
        for i in range(20):
            self.assertEqual(ask(self.server, ('POST', '/anonymous', b'%d' % i, {}), connection)[2], b'%d' % i)
        self.assertIsNotNone(connection.sock)

    def test_pipelined_requests_are_answered_in_order(self):
        data = self.post('Content-Length: 1\r\n', b'1') + self.post('Content-Length: 1\r\n', b'2') + self.post('Connection: close\r\nContent-Length: 1\r\n', b'3')
        bodies = [part[:1] for part in raw(self.server, data).split(b'\r\n\r\n')[1:]]
        self.assertEqual(bodies, [b'1', b'2', b'3'])

    def test_oversized_headers(self):
        answer = raw(self.server, self.post('X-Big: ' + 'x' * 100_000 + '\r\n'))
        self.assertRegex(answer[:16], rb'^(HTTP/1.1 4\d\d|$)')
        answer = raw(self.server, self.post(''.join(f'X-{i}: 1\r\n' for i in range(200)) + 'Connection: close\r\n'))
        self.assertTrue(answer.startswith(b'HTTP/1.1 431 '), answer[:200])
        self.assertTrue(raw(self.server, b'GET /' + b'a' * 100_000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n')[:12] in (b'HTTP/1.1 414', b'HTTP/1.1 431'))

    def test_request_lines_that_fill_the_memory_of_a_connection(self):
        for length in range(32500, 32800, 20):  # leaks show when the server ends under AddressSanitizer
            with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:
                s.sendall(b'GET /echo?' + b'a' * length + b' HTTP/1.1\r\n')
        self.assertEqual(ask(self.server, ('POST', '/anonymous', b'1', {}))[0], 200)

    def test_half_closed_client_gets_its_answer(self):
        method, target, body, headers = signed(self.server, 'POST', '/later?ms=600', b'hello')
        lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:
            s.sendall(f'POST {target} HTTP/1.1\r\nHost: {self.server.host}\r\n{lines}Content-Length: 5\r\n\r\nhello'.encode())
            s.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(s)
            answer.begin()
            self.assertEqual((answer.status, answer.read()), (200, b'hello'))

    def test_connections_that_end_early_are_let_go_at_once(self):
        for data in (b'', b'POST', self.post('Content-Length: 5\r\n')[:-3], self.post('Content-Length: 5\r\n', b'ab'), self.post('')):
            for pause in (0, 0.05):
                with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:
                    start = time.monotonic()
                    s.send(data, 0 if pause else socket.MSG_MORE)  # without a pause the FIN comes in the same segment
                    time.sleep(pause)
                    s.shutdown(socket.SHUT_WR)
                    with contextlib.suppress(ConnectionResetError):
                        while s.recv(4096):
                            pass
                    self.assertLess(time.monotonic() - start, 1, (data, pause))

    def test_client_that_leaves_is_noticed(self):
        method, target, body, headers = signed(self.server, 'POST', '/later?ms=8000', b'hello')
        lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        s = socket.create_connection(('127.0.0.1', self.server.port), 5)
        s.sendall(f'POST {target} HTTP/1.1\r\nHost: {self.server.host}\r\n{lines}Content-Length: 5\r\n\r\nhello'.encode())
        time.sleep(0.1)
        start = time.monotonic()
        s.close()
        self.assertEqual(self.server.process.stdout.readline(), 'gone\n')
        self.assertLess(time.monotonic() - start, 1)

    def test_suspended_connection_outlives_the_idle_timeout(self):
        status, _, body = ask(self.server, signed(self.server, 'POST', '/later?ms=3500', b'hello'))
        self.assertEqual((status, body), (200, b'hello'))

    def test_slow_clients_are_cut_off(self):
        start = time.monotonic()
        dribble = [socket.create_connection(('127.0.0.1', self.server.port), 15) for _ in range(3)]
        dribble[1].sendall(self.post('Content-Length: 1000\r\n'))  # a body that dribbles; 0: headers that dribble; 2: silence
        ended = {}
        while len(ended) < 3 and time.monotonic() - start < 12:
            for i, s in enumerate(dribble):
                if i in ended:
                    continue
                try:
                    if i < 2:
                        s.send(b'P' if i == 0 else b'x')
                    s.settimeout(0.1)
                    if s.recv(1000) == b'':
                        ended[i] = time.monotonic() - start
                except (socket.timeout, TimeoutError):
                    pass
                except OSError:
                    ended[i] = time.monotonic() - start
        for s in dribble:
            s.close()
        self.assertEqual(sorted(ended), [0, 1, 2], ended)
        self.assertLess(max(ended.values()), 9)

    def test_an_answer_that_is_taken_too_slowly_is_given_up(self):
        size = 96 * 1024  # 2 s idle and 6 s at the slowest pace
        s = begin_large(self.server, size)
        self.addCleanup(s.close)
        start, got = time.monotonic(), 0
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(1024):  # at 4 KiB a second, so that there is progress all the time
                got += len(piece)
                time.sleep(0.25)
        self.assertLess(got, size)
        self.assertTrue(6 < time.monotonic() - start < 20, (got, time.monotonic() - start))

    def test_an_answer_that_is_taken_at_a_bearable_pace_is_sent_whole(self):
        s = begin_large(self.server, 96 * 1024)
        self.addCleanup(s.close)
        answer = http.client.HTTPResponse(s)
        answer.begin()
        self.assertEqual(sum(len(answer.read(8192)) for _ in range(12) if time.sleep(0.4) is None), 96 * 1024)

    def test_connections_of_one_peer_are_bounded(self):
        held = []
        for _ in range(70):
            s = socket.create_connection(('127.0.0.1', self.server.port), 5)
            held.append(s)
        time.sleep(0.2)
        refused = 0
        for s in held:
            s.settimeout(0.05)
            try:
                refused += s.recv(1) == b''
            except (socket.timeout, TimeoutError):
                pass
            except ConnectionResetError:
                refused += 1
        for s in held:
            s.close()
        self.assertGreaterEqual(refused, 20)
        self.assertLess(refused, 70)
        time.sleep(0.2)
        self.assertEqual(ask(self.server, ('POST', '/anonymous', b'1', {}))[0], 200)

    def test_garbage_does_not_end_the_server(self):
        rng = random.Random(SEED)
        for _ in range(100):
            data = bytearray(self.post('Content-Length: 3\r\nConnection: close\r\n', b'abc'))
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            try:
                with socket.create_connection(('127.0.0.1', self.server.port), 5) as s:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
            except OSError:
                pass
        self.assertEqual(ask(self.server, ('POST', '/anonymous', b'1', {}))[0], 200)


class Crowd(unittest.TestCase):
    """A server with few places, and strangers that take them all and send nothing more."""

    def setUp(self):
        self.server = Server('--idle', '60', '--most', '40')
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def half_sent(self, n, text=b'GET /anonymous HTTP/1.1\r\nHost: localhost\r\nX: '):
        held = []
        for _ in range(n):
            s = socket.create_connection(('127.0.0.1', self.server.port), 5)
            self.addCleanup(s.close)
            s.sendall(text)
            held.append(s)
        return held

    def is_closed(self, s):
        s.settimeout(0.05)
        try:
            return s.recv(1) == b''
        except (socket.timeout, TimeoutError):
            return False
        except ConnectionResetError:
            return True

    def test_strangers_keep_nobody_out(self):
        kept = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=5)
        self.addCleanup(kept.close)
        self.assertEqual(ask(self.server, signed(self.server, 'POST', '/echo', b'first'), kept)[0], 200)
        for text in (b'', b'GET /anonymous HTTP/1.1\r\nHost: localhost\r\nX: ', b'POST /anonymous HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n'):
            with self.subTest(text):
                held = self.half_sent(100, text)
                start = time.monotonic()
                for i in range(5):
                    status, _, body = ask(self.server, signed(self.server, 'POST', '/echo', b'%d' % i))
                    self.assertEqual((status, body), (200, b'%d' % i))
                self.assertLess(time.monotonic() - start, 2)
                closed = [self.is_closed(s) for s in held]
                self.assertGreaterEqual(sum(closed), 60)
                self.assertFalse(any(closed[-20:]), 'the oldest go first')
        sock = kept.sock
        self.assertEqual(ask(self.server, signed(self.server, 'POST', '/echo', b'last'), kept)[2], b'last')
        self.assertIs(kept.sock, sock, 'a client that showed its key was cut off')

    def test_a_stranger_has_ten_seconds_for_its_headers(self):
        held = self.half_sent(2)
        start = time.monotonic()
        while not all(self.is_closed(s) for s in held):
            self.assertLess(time.monotonic() - start, 14)
        self.assertGreater(time.monotonic() - start, 8)


class Unverified(unittest.TestCase):
    """Bodies whose signatures cannot be checked yet, of 1 MB at most."""
    MOST = 1_000_000

    def setUp(self):
        self.server = Server('--unverified', str(self.MOST), '--idle', '2')
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def begin(self, size, sent, key=Credentials(KEY.access_key, 'guessed'), hashed=False):
        """A connection with the head of a signed upload and so much of its body."""
        body = bytes(size)
        more = {'x-amz-content-sha256': hashlib.sha256(body).hexdigest()} if hashed else {}
        method, target, _, headers = signed(self.server, 'POST', '/echo', body, more, key)
        lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        s = socket.create_connection(('127.0.0.1', self.server.port), 20)
        self.addCleanup(s.close)
        s.sendall(f'{method} {target} HTTP/1.1\r\nHost: {self.server.host}\r\n{lines}Content-Length: {size}\r\n\r\n'.encode() + body[:sent])
        return s

    def in_files(self):
        folder, total = f'/proc/{self.server.process.pid}/fd', 0
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if 'memfd:body' in os.readlink(f'{folder}/{fd}'):
                    total += os.stat(f'{folder}/{fd}').st_size
        return total

    def test_whoever_knows_a_key_s_name_fills_no_disk_and_keeps_nobody_out(self):
        held = []
        for _ in range(20):
            held.append(self.begin(400_000, 300_000))
            self.assertLessEqual(self.in_files(), self.MOST)
        for _ in range(3):
            deadline = time.monotonic() + 8  # the others sent as fast a moment ago
            while (got := ask(self.server, signed(self.server, 'POST', '/echo', bytes(900_000)))[::2])[0] != 200 and time.monotonic() < deadline:
                self.assertIn(b'Try again later', got[1])
            self.assertEqual(got, (200, b'file of 900000 bytes'))
        held[0].sendall(bytes(100_000))
        answer = http.client.HTTPResponse(held[0])
        answer.begin()
        self.assertEqual((answer.status, answer.headers['x-amzn-errortype']), (503, 'ServiceUnavailableException'))
        self.assertRegex(json.loads(answer.read())['message'], 'Try again later')
        self.assertEqual(ask(self.server, signed(self.server, 'POST', '/echo', bytes(self.MOST + 1)))[0], 507)

    def test_a_hash_in_the_head_is_judged_before_the_body_comes(self):
        self.assertTrue(self.begin(8_000_000, 0, hashed=True).recv(100).startswith(b'HTTP/1.1 403 '))
        s = self.begin(4_000_000, 4_000_000, KEY, hashed=True)  # which is not bounded, since it is known whose it is
        self.assertTrue(s.recv(100).startswith(b'HTTP/1.1 200 '))
        s = self.begin(200_000, 199_999, KEY, hashed=True)
        s.sendall(b'x')
        self.assertTrue(s.recv(100).startswith(b'HTTP/1.1 403 '))

    def test_what_came_fast_does_not_let_the_rest_dribble(self):
        steady, dribbles = self.begin(200_000, 0, KEY), self.begin(700_000, 600_000)
        start, ended = time.monotonic(), None
        steady.settimeout(20)
        for i in range(20):  # at 40 kB a second
            steady.sendall(bytes(10_000))
            time.sleep(0.25)
            try:
                if ended is None:
                    dribbles.sendall(b'x')
            except OSError:
                ended = time.monotonic() - start
        self.assertTrue(steady.recv(100).startswith(b'HTTP/1.1 200 '))
        self.assertIsNotNone(ended, 'a body of 600 kB, and a byte now and then, is waited for')


class Flood(unittest.TestCase):
    """Short bodies of strangers that are never complete, on one connection each."""
    ANONYMOUS = b'POST /anonymous HTTP/1.1\r\nHost: localhost\r\n'

    def begin(self, *options):
        self.server = Server(*options)
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def hold(self, n, size, sent, chunked=False):
        held = []
        for _ in range(n):
            s = socket.create_connection(('127.0.0.1', self.server.port), 20)
            self.addCleanup(s.close)
            s.sendall(self.ANONYMOUS + (b'Transfer-Encoding: chunked\r\n\r\n%x\r\n' % size if chunked else b'Content-Length: %d\r\n\r\n' % size) + bytes(sent))
            held.append(s)
        return held

    def post(self, size, path='/echo'):
        status, _, body = ask(self.server, signed(self.server, 'POST', path, b'y' * size))
        return status, 'file' if body == b'file of %d bytes' % size else 'memory' if body == b'y' * size else body

    def ends(self, held, rest):
        """(status, body) of each once the rest is sent."""
        for s in held:
            s.sendall(rest)
            answer = http.client.HTTPResponse(s)
            answer.begin()
            yield answer.status, answer.read()

    def resident(self):
        with open(f'/proc/{self.server.process.pid}/status') as status:
            return int(next(line for line in status if line.startswith('VmRSS')).split()[1]) << 10

    def test_bodies_in_memory_are_bounded_in_sum(self):
        self.begin('--memory', '1000000')
        self.assertEqual(self.post(60_000), (200, 'memory'))
        for chunked in (False, True):
            with self.subTest(chunked=chunked):
                held = self.hold(40, 60_000, 59_999, chunked)
                self.assertEqual(self.post(60_000), (200, 'file'))
                self.assertEqual(self.post(4096), (200, 'memory'), 'a short one always is')
                got = list(self.ends(held, b'z\r\n0\r\n\r\n' if chunked else b'z'))
                self.assertEqual({status for status, _ in got}, {200})
                in_memory = sum(body == bytes(59_999) + b'z' for _, body in got)
                self.assertEqual(in_memory + sum(body == b'file of 60000 bytes' for _, body in got), 40)
                self.assertLessEqual(in_memory, 16)
                self.assertGreater(in_memory, 0 if chunked else 10)  # one that grows holds what it grew out of
                self.assertEqual(self.post(60_000), (200, 'memory'))

    def test_what_is_known_to_be_signed_is_not_counted(self):
        self.begin('--memory', '10000')
        body = b'y' * 60_000
        self.assertEqual(ask(self.server, signed(self.server, 'POST', '/echo', body, {'x-amz-content-sha256': hashlib.sha256(body).hexdigest()}))[2], body)
        self.assertEqual(self.post(60_000), (200, 'file'))

    def test_the_slowest_make_room_when_files_are_many(self):
        self.begin('--memory', '10000', '--most', '160')  # 20 files
        held = self.hold(60, 20_000, 15_000)
        for _ in range(3):
            self.assertEqual(self.post(20_000), (200, 'file'))
        statuses = [status for status, _ in self.ends(held, bytes(5_000))]
        self.assertEqual(set(statuses), {200, 503})
        self.assertLessEqual(statuses.count(200), 20)

    def test_memory_is_given_back_after_a_flood(self):
        self.begin()
        with open(f'/proc/{self.server.process.pid}/maps') as maps:
            if 'libasan' in maps.read():
                self.skipTest('AddressSanitizer keeps what was freed')
        self.hold(1, 10, 10)
        before = self.resident()
        held = self.hold(700, 65_000, 64_900)
        self.assertEqual(self.post(60_000), (200, 'file'))
        self.assertLess(self.resident() - before, (16 << 20) + 700 * 30_000)
        for s in held:
            s.close()
        deadline = time.monotonic() + 8
        while (more := self.resident() - before) > 8 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLess(more, 8 << 20)


class Waiting(unittest.TestCase):
    """Answers that their clients do not take, of 300 kB at most."""

    def setUp(self):
        self.server = Server('--waiting', '300000')
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def large(self, size):
        status, headers, body = ask(self.server, signed(self.server, 'GET', f'/large?bytes={size}'))
        return status, headers.get('x-amzn-errortype'), body if status != 200 else len(body)

    def test_answers_that_wait_are_bounded_in_sum(self):
        self.assertEqual(self.large(300_000)[::2], (200, 300_000))
        self.assertEqual(self.large(300_001)[0], 503)
        held = [begin_large(self.server, 100_000) for _ in range(2)]
        self.assertTrue(all(s.recv(12) == b'HTTP/1.1 200' for s in held))
        status, error, body = self.large(100_001)
        self.assertEqual((status, error), (503, 'ServiceUnavailableException'))
        self.assertEqual(json.loads(body)['Type'], 'Service')
        self.assertIn('not taken yet', json.loads(body)['message'])
        self.assertEqual(self.large(100_000)[::2], (200, 100_000))
        held += [begin_large(self.server, 100_000)]
        self.assertEqual(held[-1].recv(12), b'HTTP/1.1 200')
        self.assertEqual(self.large(65_536)[::2], (200, 65_536), 'a small one always fits')
        for s in held:
            s.close()
        deadline = time.monotonic() + 5
        while (status := self.large(300_000)[0]) != 200 and time.monotonic() < deadline:
            self.assertEqual(status, 503)
        self.assertEqual(status, 200, 'what nobody waits for counts no longer')


class Stop(unittest.TestCase):
    def begin(self, server, ms):
        method, target, _, headers = signed(server, 'POST', f'/later?ms={ms}', b'hello')
        lines = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        s = socket.create_connection(('127.0.0.1', server.port), 5)
        s.sendall(f'POST {target} HTTP/1.1\r\nHost: {server.host}\r\n{lines}Content-Length: 5\r\n\r\nhello'.encode())
        time.sleep(0.1)
        return s

    def test_graceful_stop_answers_what_is_under_way(self):
        server = Server()
        kept = http.client.HTTPConnection('127.0.0.1', server.port, timeout=5)
        self.assertEqual(ask(server, ('POST', '/anonymous', b'1', {}), kept)[0], 200)
        with self.begin(server, 500) as s:
            server.process.stdin.write('stop\n')
            server.process.stdin.flush()
            time.sleep(0.1)
            with self.assertRaises(ConnectionRefusedError):
                raw(server, b'')
            status, headers, body = ask(server, ('POST', '/anonymous', b'2', {}), kept)  # kept alive: answered, then closed
            self.assertEqual((status, headers['connection'], body), (200, 'close', b'2'))
            out = b''
            while piece := s.recv(4096):
                out += piece
            self.assertTrue(out.startswith(b'HTTP/1.1 200 ') and out.endswith(b'hello'), out)
        self.assertEqual(server.process.wait(5), 0)
        server.stop()

    def test_destroying_tells_the_handlers_of_requests_under_way(self):
        server = Server()
        with self.begin(server, 8000), self.begin(server, 8000):
            server.process.stdin.close()
            self.assertEqual(server.process.stdout.read(), 'gone\ngone\n')
            self.assertEqual(server.process.wait(5), 0)
        server.process.stdout.close()


class Tls(unittest.TestCase):
    def test_requests_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = folder + '/key.pem', folder + '/cert.pem'
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                            '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
                           check=True, capture_output=True)
            server = Server('--tls', certificate, key)
            context = ssl.create_default_context(cafile=certificate)
            connection = http.client.HTTPSConnection('127.0.0.1', server.port, timeout=5, context=context)
            for path in ('/echo', '/later?ms=100'):
                status, _, body = ask(server, signed(server, 'POST', path, b'hello'), connection)
                self.assertEqual((status, body), (200, b'hello'))
            connection.close()
            self.assertEqual(server.stop(), 0)


if __name__ == '__main__':
    unittest.main()
