"""Seeds for fuzz_http: whole requests, as clients of AWS send them and as they should not."""

SCOPE = b"Credential=AKIDEXAMPLE/20150830/us-east-1/lambda/aws4_request"
AUTHORIZATION = (b"Authorization: AWS4-HMAC-SHA256 " + SCOPE + b", SignedHeaders=host;x-amz-date, "
                 b"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\nX-Amz-Date: 20150830T123600Z\r\n")
QUERY = (b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Flambda%2Faws4_request"
         b"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + b"5f" * 32)


def request(line, headers=b"", body=b""):
    return line + b" HTTP/1.1\r\nHost: 127.0.0.1:4566\r\n" + headers + b"\r\n" + body


def seeds():
    yield "signed", request(b"POST /2015-03-31/functions/f/invocations", AUTHORIZATION + b"Content-Length: 7\r\n", b'{"a":1}')
    yield "presigned", request(b"GET /echo?a=b%20c&x&" + QUERY)
    yield "both", request(b"GET /echo?" + QUERY, AUTHORIZATION)
    yield "date-header", request(b"GET /", AUTHORIZATION.replace(b"X-Amz-Date: 20150830T123600Z", b"Date: Sun, 30 Aug 2015 12:36:00 GMT"))
    yield "payload-hash", request(b"PUT /a//b/../c%2fd/.", AUTHORIZATION + b"x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nContent-Length: 0\r\n")
    yield "anonymous", request(b"GET /anonymous?name=%41%zz%")
    yield "chunked", request(b"POST /anonymous", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n")
    yield "large", request(b"POST /anonymous", b"Content-Length: 70000\r\n", b"x" * 70000)
    yield "too-large", request(b"POST /anonymous", b"Content-Length: 99999999999\r\n")
    yield "smuggled", request(b"POST /anonymous", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")
    yield "expect", request(b"POST /anonymous", b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"ab")
    yield "pipelined", request(b"GET /anonymous") * 3
    yield "later", request(b"POST /later", b"Content-Length: 1\r\n", b"1")
    yield "absolute", b"GET http://localhost/anonymous HTTP/1.0\r\n\r\n"
    yield "no-host", b"GET / HTTP/1.1\r\n\r\n"
    yield "long-line", b"GET /echo?" + b"a" * 32630
    yield "foreign", b"GET /anonymous HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    yield "ipv6", b"GET /anonymous HTTP/1.1\r\nHost: [::1]:4566\r\n\r\n"
    yield "many-headers", request(b"GET /anonymous", b"".join(b"X-%d: y\r\n" % i for i in range(120)))
    yield "duplicate-headers", request(b"GET /", AUTHORIZATION.replace(b"host;", b"host;x-a;") + b"X-A: 1\r\nX-A:  2   3 \r\n")
