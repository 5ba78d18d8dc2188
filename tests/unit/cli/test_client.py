#!/usr/bin/python3
"""The client commands against a server made of Python's http.server, which checks every signature with botocore's own signer.

Usage: test_client.py PATH-OF-mayfly [unittest arguments]
"""
import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import pty
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile
from datetime import datetime
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MAYFLY = os.path.abspath(sys.argv.pop(1))
KEY = Credentials('MFROOT', 'secret/+')
COMMANDS = 'serve deploy ls describe rm invoke logs env aws keys compile inspect run check bench'.split()


def signature_is_right(handler, body):
    """Signs the same request again with botocore and compares."""
    wanted = handler.headers['Authorization']
    names = wanted.split('SignedHeaders=')[1].split(',')[0].split(';')
    request = AWSRequest(method=handler.command, url=f"http://{handler.headers['Host']}{handler.path}", data=body,
                         headers={n: handler.headers[n] for n in names if n not in ('host', 'x-amz-date')})

    class ThatMoment(datetime):
        @classmethod
        def utcnow(cls):
            return datetime.strptime(handler.headers['X-Amz-Date'], '%Y%m%dT%H%M%SZ')

    with mock.patch.object(botocore.auth.datetime, 'datetime', ThatMoment):
        SigV4Auth(KEY, 'lambda', 'us-east-1').add_auth(request)
    return request.headers['Authorization'] == wanted


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self):
        world = self.server.world
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        split = urlsplit(self.path)
        path, query = unquote(split.path), {k: v[0] for k, v in parse_qs(split.query).items()}
        if not signature_is_right(self, body):
            return self.answer(403, {'message': 'signature'}, x_amzn_ErrorType='InvalidSignatureException')
        world.requests.append((self.command, path, query, body, dict(self.headers)))
        world.reply(self, self.command, path, query, body)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


class World:
    def __init__(self):
        self.requests = []
        self.states = ['Active']
        self.folder = tempfile.TemporaryDirectory()
        self.data = self.folder.name + '/data'
        os.mkdir(self.data)
        self.httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.httpd.world = self
        self.url = f'http://127.0.0.1:{self.httpd.server_port}'
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        self.write('data/endpoint', self.url + '\n')
        self.write('data/root-key', json.dumps({'AccessKeyId': KEY.access_key, 'SecretAccessKey': KEY.secret_key}))

    def write(self, name, content):
        path = f'{self.folder.name}/{name}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        self.folder.cleanup()

    def configuration(self, name):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {'FunctionName': name, 'State': state, 'StateReason': "node 3 'x' (Foo, domain ai.foo): no such operator",
                'MemorySize': 256, 'Timeout': 3}

    def reply(self, handler, method, path, query, body):
        parts = path.strip('/').split('/')
        if parts[0] == '_mayfly' and parts[1] == 'functions':
            if method == 'PUT':
                return handler.answer(201, self.configuration(parts[2]))
            if len(parts) == 2:
                return handler.answer(200, [{'name': 'reader', 'state': 'Active', 'instances_idle': 1, 'instances_busy': 0, 'invocations': 7, 'errors': 0,
                                             'throttles': 0, 'cold_starts': 2, 'billed_ms': 31, 'memory_mb': 256, 'last_modified': 'today'}])
            return handler.answer(200, {'configuration': self.configuration(parts[2]), 'counters': {'invocations': 7},
                                        'description': {'inputs': [{'name': 'x', 'type': 'float32', 'shape': ['N', 3]}], 'outputs': []}})
        if parts[0] == '_mayfly' and parts[1] == 'logs':
            lines = ['START\n', 'END \x1b[31m\n', '']
            at = int(query['position'])
            return handler.answer(200, {'position': min(at + 1, 2), 'text': lines[at]})
        if parts[0] == '_mayfly' and parts[1] == 'keys':
            if method == 'GET':
                return handler.answer(200, [{'AccessKeyId': 'MFROOT'}])
            return handler.answer(200, {'AccessKeyId': 'MFNEW', 'SecretAccessKey': 'x'}) if method == 'POST' else handler.answer(204, b'')
        if parts[-1] == 'configuration':
            return handler.answer(200, self.configuration(parts[2]))
        if parts[-1] == 'invocations':
            log = {'X_Amz_Log_Result': base64.b64encode(b'START a\nEND\x07\n').decode()} if handler.headers.get('X-Amz-Log-Type') else {}
            if parts[2] == 'broken':
                return handler.answer(200, {'errorType': 'Mayfly.InvalidInput'}, X_Amz_Function_Error='Unhandled', **log)
            if parts[2] == 'absent':
                return handler.answer(404, {'Type': 'User', 'Message': 'Function not found: absent'}, x_amzn_ErrorType='ResourceNotFoundException')
            return handler.answer(200, body, **log)
        return handler.answer(204, b'') if method == 'DELETE' else handler.answer(404, {'message': path})


class Client(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def run_mayfly(self, *args, data=None, env=None, **kwargs):
        environment = {**os.environ, 'MAYFLY_DATA': self.world.data, 'http_proxy': 'http://127.0.0.1:1', **(env or {})}
        done = subprocess.run([MAYFLY, *args], input=data, capture_output=True, env=environment, timeout=30, **kwargs)
        return done.returncode, done.stdout, done.stderr.decode()

    def test_every_command_explains_itself(self):
        status, out, _ = self.run_mayfly('--help')
        self.assertEqual(status, 0)
        for command in COMMANDS:
            self.assertIn(f'\n  {command} '.encode(), out)
            for how in ([command, '--help'], ['help', command]):
                status, text, err = self.run_mayfly(*how)
                self.assertEqual((status, err), (0, ''))
                self.assertTrue(text.startswith(f'usage: mayfly {command}'.encode()))
        self.assertEqual(self.run_mayfly('--version')[0], 0)

    def test_wrong_usage_exits_with_2(self):
        for args in ([], ['nonsense'], ['ls', '--colour'], ['rm'], ['deploy'], ['invoke'], ['deploy', 'x', '--memory', '1'], ['keys', 'what'],
                     ['deploy', 'x', '--memory'], ['aws'], ['ls', 'x']):
            status, _, err = self.run_mayfly(*args)
            self.assertEqual(status, 2, args)
            if args:
                self.assertRegex(err, r'^mayfly: error: .*')

    def test_deploy_sends_the_file_and_waits(self):
        self.world.states = ['Pending', 'Pending', 'Active']
        content = os.urandom(3_000_000)
        path = self.world.write('price tag/model.onnx', content)
        status, out, err = self.run_mayfly('deploy', path, '--memory', '512', '--timeout', '9')
        self.assertEqual((status, err), (0, ''))
        method, target, query, body, headers = self.world.requests[0]
        self.assertEqual((method, target, query), ('PUT', '/_mayfly/functions/price-tag', {'memory': '512', 'timeout': '9'}))
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(content).digest())
        self.assertEqual(headers['x-amz-content-sha256'], hashlib.sha256(content).hexdigest(), 'judged before the body is taken')
        self.assertIn(';x-amz-content-sha256;', headers['Authorization'])
        self.assertEqual(len(self.world.requests), 3)
        self.assertEqual(json.loads(out)['State'], 'Active')

    def test_deploy_that_fails_says_why(self):
        self.world.states = ['Pending', 'Failed']
        status, out, err = self.run_mayfly('deploy', self.world.write('a.onnx', b'x'), '--name', 'n')
        self.assertEqual((status, out), (1, b''))
        self.assertIn("node 3 'x' (Foo, domain ai.foo)", err)
        self.assertIn('nothing was deployed', err)
        self.assertEqual(self.world.requests[-1][:2], ('DELETE', '/2015-03-31/functions/n'))

    def test_deploy_that_fails_removes_only_what_it_made(self):
        self.world.states = ['Failed']  # as it was before: no Pending
        status, _, err = self.run_mayfly('deploy', self.world.write('a.onnx', b'x'), '--name', 'n')
        self.assertEqual(status, 1)
        self.assertNotIn('nothing was deployed', err)
        self.assertEqual([r[0] for r in self.world.requests if r[0] == 'DELETE'], [])

    def test_deploy_zips_a_folder_the_same_every_time(self):
        for name in ('b/model.onnx', 'a.txt', '.hidden', 'b/.git/x', 'z.json'):
            self.world.write('folder/' + name, 'content of ' + name)
        os.symlink('../a.txt', self.world.folder.name + '/folder/b/link.txt')
        own = self.world.folder.name + '/tmp'
        os.mkdir(own)
        for _ in range(2):
            self.assertEqual(self.run_mayfly('deploy', self.world.folder.name + '/folder', env={'TMPDIR': own})[0], 0)
        first, second = (r for r in self.world.requests if r[0] == 'PUT')
        self.assertEqual(first[1], '/_mayfly/functions/folder')
        self.assertEqual(first[3], second[3])
        archive = zipfile.ZipFile(io.BytesIO(first[3]))
        self.assertEqual({n: archive.read(n).decode() for n in archive.namelist()},
                         {'a.txt': 'content of a.txt', 'b/link.txt': 'content of a.txt', 'b/model.onnx': 'content of b/model.onnx',
                          'z.json': 'content of z.json'})
        self.assertEqual(os.listdir(own), [])

    def test_deploy_refuses_what_is_no_package(self):
        self.world.write('empty/readme', 'x')
        for path, text in ((self.world.folder.name + '/empty', 'holds no model'), ('/nowhere', 'No such file'),
                           (self.world.write('zero.onnx', b''), 'is empty')):
            status, _, err = self.run_mayfly('deploy', path)
            self.assertEqual(status, 1)
            self.assertIn(text, err)
        self.assertEqual(self.world.requests, [])

    def test_invoke_takes_json_a_file_or_standard_input(self):
        picture = bytes(range(256)) * 10
        path = self.world.write('photo.jpg', picture)
        self.assertEqual(self.run_mayfly('invoke', 'echo', '{"a": 1}')[:2], (0, b'{"a": 1}\n'))
        self.assertEqual(self.run_mayfly('invoke', 'echo', '@' + path)[:2], (0, picture + b'\n'))
        self.assertEqual(self.run_mayfly('invoke', 'echo', '-', data=b'[1]')[:2], (0, b'[1]\n'))
        self.assertEqual(self.run_mayfly('invoke', 'echo')[:2], (0, b''))
        for number in ('-5', '-0.5e3'):
            self.assertEqual(self.run_mayfly('invoke', 'echo', number, '--log')[:2], (0, number.encode() + b'\n'))
        self.assertEqual(self.run_mayfly('invoke', 'echo', '-x')[0], 2)
        status, _, err = self.run_mayfly('invoke', 'echo', '-', data=b'x' * 6291457)
        self.assertEqual(status, 1)
        self.assertIn('larger than a payload may be', err)

    def test_invoke_tells_failures_apart(self):
        status, out, err = self.run_mayfly('invoke', 'broken', '1')
        self.assertEqual((status, json.loads(out)), (1, {'errorType': 'Mayfly.InvalidInput'}))
        self.assertIn('Unhandled', err)
        status, out, err = self.run_mayfly('invoke', 'absent', '1')
        self.assertEqual((status, out), (1, b''))
        self.assertIn('Function not found: absent (ResourceNotFoundException', err)

    def test_invoke_shows_the_log_with_control_characters_escaped(self):
        status, out, err = self.run_mayfly('invoke', 'echo', '1', '--log')
        self.assertEqual((status, out, err), (0, b'1\n', 'START a\nEND\\x07\n'))

    def test_logs(self):
        status, out, _ = self.run_mayfly('logs', 'reader')
        self.assertEqual((status, out), (0, b'START\nEND \\x1b[31m\n'))

    def test_ls_and_describe_give_json_to_programs(self):
        self.assertEqual(json.loads(self.run_mayfly('ls')[1])[0]['billed_ms'], 31)
        self.assertEqual(json.loads(self.run_mayfly('describe', 'reader')[1])['counters'], {'invocations': 7})

    def on_terminal(self, *args):
        master, slave = pty.openpty()
        process = subprocess.Popen([MAYFLY, *args], stdout=slave, stderr=slave, env={**os.environ, 'MAYFLY_DATA': self.world.data})
        os.close(slave)
        out = b''
        with contextlib.suppress(OSError):
            while piece := os.read(master, 65536):
                out += piece
        os.close(master)
        self.assertEqual(process.wait(20), 0)
        return out.decode().replace('\r\n', '\n')

    def test_ls_and_describe_give_tables_to_people(self):
        head, row = self.on_terminal('ls').splitlines()
        self.assertEqual(head.split()[:3], ['NAME', 'STATE', 'MEMORY'])
        self.assertEqual(row.split(), ['reader', 'Active', '256', '1', '0', '7', '2', '0', '0', '31', 'today'])
        self.assertRegex(self.on_terminal('describe', 'reader'), r'inputs\n  x +float32\[N, 3\]\n')

    def test_rm_and_names_that_need_encoding(self):
        self.assertEqual(self.run_mayfly('rm', 'a b/c:1')[0], 0)
        self.assertEqual(self.world.requests[0][:2], ('DELETE', '/2015-03-31/functions/a b/c:1'))

    def test_keys(self):
        self.assertEqual(json.loads(self.run_mayfly('keys')[1]), [{'AccessKeyId': 'MFROOT'}])
        self.assertEqual(json.loads(self.run_mayfly('keys', 'new')[1])['AccessKeyId'], 'MFNEW')
        self.assertEqual(self.run_mayfly('keys', 'rm', 'MFNEW')[0], 0)
        self.assertEqual(self.world.requests[-1][:2], ('DELETE', '/_mayfly/keys/MFNEW'))

    def test_env_is_for_a_shell(self):
        script = f'eval "$({MAYFLY} env)"; printf "%s|%s|%s|%s|%s" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_DEFAULT_REGION" "$AWS_REGION" "$AWS_ENDPOINT_URL"'
        for shell in ('sh', 'bash'):
            done = subprocess.run([shell, '-c', script], capture_output=True, text=True, env={**os.environ, 'MAYFLY_DATA': self.world.data})
            self.assertEqual((done.stdout, done.stderr), (f'MFROOT|secret/+|us-east-1|us-east-1|{self.world.url}', ''))

    def test_env_wraps_an_aws_that_ignores_the_endpoint(self):
        tool = self.world.write('bin/aws', '#!/bin/sh\necho "$@"\n')
        os.chmod(tool, stat.S_IRWXU)
        script = f'eval "$({MAYFLY} env)"; aws lambda list-functions'
        done = subprocess.run(['sh', '-c', script], capture_output=True, text=True,
                              env={**os.environ, 'MAYFLY_DATA': self.world.data, 'PATH': os.path.dirname(tool) + ':' + os.environ['PATH']})
        self.assertEqual(done.stdout, f'--endpoint-url {self.world.url} lambda list-functions\n')

    def test_aws_runs_aws_cli(self):
        tool = self.world.write('bin/aws', '#!/bin/sh\necho "$@ $AWS_ACCESS_KEY_ID $AWS_SESSION_TOKEN"\nexit 7\n')
        os.chmod(tool, stat.S_IRWXU)
        status, out, _ = self.run_mayfly('aws', 'lambda', 'x', '--help', '--data', 'y',
                                         env={'PATH': os.path.dirname(tool), 'AWS_SESSION_TOKEN': 'old'})
        self.assertEqual((status, out.decode()), (7, f'--endpoint-url {self.world.url} lambda x --help --data y MFROOT \n'))

    def test_no_server(self):
        status, _, err = self.run_mayfly('ls', '--data', '/nowhere')
        self.assertEqual(status, 1)
        self.assertIn('mayfly serve', err)
        status, _, err = self.run_mayfly('ls', '--endpoint', 'http://127.0.0.1:1')
        self.assertEqual(status, 1)
        self.assertIn('no server answers at 127.0.0.1:1', err)
        self.assertEqual(self.run_mayfly('ls', '--endpoint', 'ftp://x')[0], 1)

    def test_endpoint_and_key_from_the_environment(self):
        own = {'AWS_ACCESS_KEY_ID': KEY.access_key, 'AWS_SECRET_ACCESS_KEY': KEY.secret_key, 'MAYFLY_DATA': '/nowhere'}
        self.assertEqual(self.run_mayfly('ls', '--endpoint', self.world.url + '/', env=own)[0], 0)
        status, _, err = self.run_mayfly('ls', '--endpoint=' + self.world.url, env={**own, 'AWS_SECRET_ACCESS_KEY': 'wrong'})
        self.assertEqual(status, 1)
        self.assertIn('InvalidSignatureException', err)


if __name__ == '__main__':
    unittest.main()
