"""Seeds of fuzz_url_response: answers of each form."""


def seeds():
    answers = [
        b'{"statusCode":200,"headers":{"content-type":"text/html","x":7,"y":true,"z":null},"cookies":["a=1","b=2"],"body":"<p>"}',
        b'{"statusCode":"404","isBase64Encoded":true,"body":"aGVsbG8="}', b'{"statusCode":200,"body":"\\u00e9\\ud83d\\ude00\\n\\""}',
        b'{"hello":"world"}', b'"hello"', b'[1,{"statusCode":2}]', b'{"a":[{"b":"]}"}],"statusCode":201}', b'', b'{"statusCode":200,"headers":{"Content-Length":"1"}}',
    ]
    for number, answer in enumerate(answers):
        yield f"{number:02}", answer
