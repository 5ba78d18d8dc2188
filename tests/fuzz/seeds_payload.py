"""Seeds of fuzz_payload: one byte for the model, then a payload of each form."""


def seeds():
    payloads = [
        (0, b'{"x": [[1, 2.5, -3e-2], ["NaN", "Infinity", "-Infinity"]]}'), (0, b"[[1,2,3]]"), (0, b'{"instances": [[1, 2, 3], [4, 5, 6]]}'),
        (0, b'{"inputs": [[[1, 2, 3]], [[4, 5, 6]]]}'), (0, b'{"inputs": {"x": [[0.1, 1e38, 1e-45]]}}'), (0, b'{"x": []}'),
        (0, b"\x89PNG\r\n\x1a\n"), (0, b'{"x": [[123456789012345678901234567890, 0.30000000000000004, 5e-324]]}'),
        (1, b'{"x": [[1, 2]], "ids": [9223372036854775807, -9223372036854775808]}'), (1, b'{"instances": [{"x": [1, 2], "ids": [1, 2.0]}, {"ids": [3, 4e0], "x": [5, 6]}]}'),
        (2, '{"text": ["é", "\\u00e9\\ud83d\\ude00", "\\"\\\\\\/\\b\\f\\n\\r\\t", {"b64": "/wA="}]}'.encode()), (2, b'"x"'),
        (3, b"raw bytes"), (3, b'{"b64": "aGVsbG8="}'), (3, b'{"bytes": {"b64": "aGVs\\u0062G8="}}'), (3, b'{"instances": [{"b64": "YQ=="}, {"b64": ""}]}'),
        (4, b'{"flags": [[[true, false], [1, 0]]], "half": [1, 65504, 6e-8]}'), (5, b'{"any": [[[[[[[[1]]]]]]]]}'), (5, b"7"), (5, b"[[1],[2]]"),
    ]
    event = b'{"version":"2.0","routeKey":"$default","rawPath":"/","headers":{"content-type":"%s"},"requestContext":{"http":{}},"body":"%s","isBase64Encoded":%s}'
    payloads += [
        (0, event % (b"application/json", b'{\\"x\\": [[1, 2, 3]]}', b"false")), (0, event % (b"text/plain", b"W1sxLDIsM11d", b"true")),
        (3, event % (b"multipart/form-data; boundary=x", b'--x\\r\\nContent-Disposition: form-data; filename=a\\r\\n\\r\\nraw\\r\\n--x--', b"false")),
        (3, event % (b"application/x-www-form-urlencoded", b"YT0x", b"true")), (3, event % (b"", b"", b"true")),
    ]
    for number, (model, payload) in enumerate(payloads):
        yield f"{number:02}", bytes([model]) + payload
