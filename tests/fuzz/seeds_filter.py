"""Seeds of fuzz_filter: the pattern's length, the pattern, a line."""


def seeds():
    pairs = [("ERROR", "an ERROR"), ('"a b" -c', "a b d"), ("?x ?y", "y"), ('"\\"q\\\\" z', '"q\\ z'), ("{ $.a = 1 }", "{}"), ("[a, b]", "1 2"), ("%x%", "x"), ('-"', "x"), ("a ?b -c", "a")]
    for number, (pattern, line) in enumerate(pairs):
        yield f"{number:02}", bytes([len(pattern)]) + pattern.encode() + line.encode()
