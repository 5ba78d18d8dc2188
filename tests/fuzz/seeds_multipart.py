"""Seeds of fuzz_multipart: a Content-Type, a newline, a body."""


def seeds():
    part = b'Content-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    forms = [
        (b"multipart/form-data; boundary=x", b"--x\r\n" + part + b"bytes\r\n--x--\r\n"),
        (b'multipart/form-data; charset=a; boundary="x y"', b'pre\r\n--x y\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x y  \r\n' + part +
         b"\r\n--x y\r\n" + part + b"b\r\n\r\n--x\r\n--x y--"),
        (b"multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x\r\n\r\na\r\n--x--"),
        (b"multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; filename*=UTF-8\'\'a; name="q\\"u"\r\n\r\nz\r\n--x--'),
        (b"multipart/form-data", b""), (b"multipart/form-data; boundary=", b"--"),
    ]
    for number, (kind, body) in enumerate(forms):
        yield f"{number:02}", kind + b"\n" + body
