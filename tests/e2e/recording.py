"""AWS's recorded answers (LocalStack's snapshots, names masked), and how ours are compared with them: status, code, message, members.

A mask that bears a number or names something, "<function-name:1>", "<fn-name>", stands for one value: whatever has the same mask is the same,
and what has another number of the same kind is something else. Masks in ANYTHING stand for any value of their form."""
import datetime
import functools
import json
import pathlib
import re
import tarfile

ARCHIVE = pathlib.Path(__file__).resolve().parents[3] / "shared/aws-recorded.tar.xz"
MASK = re.compile(r"<([a-z][a-z0-9_-]*(?::\d+)?)>")
ACCOUNTS = ("111111111111", "000000000000")  # recorded, ours
ANYTHING = {"code-size": r"\d+", "location": r"https?://\S+", "user_arn": "arn:aws:.+"}
# What stands for a whole value of these members.
WHOLE = {"date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+0000|Z)", "lambda-url": r"https?://\S+"}
WHOLE_MEMBERS = {"LastModified", "LastModifiedTime", "CreationTime", "FunctionUrl"}


@functools.cache
def recorded_tests(file="lambda/test_lambda_api.json"):
    """Class::test -> {step: answer}, of one recorded file; {} when the archive is not there."""
    if not ARCHIVE.exists():
        return {}
    with tarfile.open(ARCHIVE) as archive:
        member = next(name for name in archive.getnames() if name.endswith(file))
        tests = json.load(archive.extractfile(member))
    return {name.split("::", 1)[1]: value["recorded-content"] for name, value in tests.items()}


class Recording:
    """One recorded test; `known` says what some of its masks are."""

    def __init__(self, steps, **known):
        self.steps = steps
        self.found = None  # while differences() looks
        self.known = {"partition": "aws", "region": "us-east-1", **{name.replace("_", "-"): value for name, value in known.items()}}

    def differences(self, where, theirs, ours):
        """What differs, in words; none: they agree, and what new masks stand for is known from now on."""
        before, self.found = dict(self.known), []
        self.compare(where, theirs, ours)
        found, self.found = self.found, None
        if found:
            self.known = before
        return found

    def compare(self, where, theirs, ours):
        """Adds what differs in this part to what was found."""
        if isinstance(theirs, dict) and isinstance(ours, str):  # a policy, recorded as the JSON that its text is
            ours = _parsed(ours)
        if isinstance(theirs, dict) and isinstance(ours, dict):
            self._compare_members(where, theirs, ours)
        elif isinstance(theirs, list) and isinstance(ours, list):
            if len(theirs) != len(ours):
                self.found.append(f"{where}: {len(ours)} elements {ours!r}, AWS: {len(theirs)} {theirs!r}")
            for i, (their, our) in enumerate(zip(theirs, ours)):
                self.compare(f"{where}[{i}]", their, our)
        elif isinstance(theirs, str) and self._is_same_text(where.rsplit(".", 1)[-1], theirs, ours):
            return
        elif ours != theirs or isinstance(ours, bool) != isinstance(theirs, bool):
            self.found.append(f"{where}: {ours!r}, AWS: {theirs!r}")

    def _compare_members(self, where, theirs, ours):
        if where.endswith("ResponseMetadata"):
            ours, theirs = ({"HTTPStatusCode": each["HTTPStatusCode"]} for each in (ours, theirs))
        for name in sorted({*theirs, *ours}):
            if name not in ours:
                self.found.append(f"{where}.{name}: absent, AWS: {theirs[name]!r}")
            elif name not in theirs:
                self.found.append(f"{where}.{name}: {ours[name]!r}, AWS: absent")
            else:
                self.compare(f"{where}.{name}", theirs[name], ours[name])

    def _is_same_text(self, member, theirs, ours):
        if theirs == "datetime" and member in WHOLE_MEMBERS:
            return isinstance(ours, datetime.datetime)
        if theirs in WHOLE and member in WHOLE_MEMBERS:
            return re.fullmatch(WHOLE[theirs], ours.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                                if isinstance(ours, datetime.datetime) else str(ours))
        theirs = re.sub(r"<a:len\((\d+)\)>", lambda match: "a" * int(match[1]), theirs.replace(*ACCOUNTS))
        if not isinstance(ours, str) and not MASK.fullmatch(theirs):
            return False
        pattern, names = self._pattern(theirs)
        found = re.fullmatch(pattern, str(ours), re.DOTALL)
        return found and all(self._stands_for(name, value) for name, value in zip(names, found.groups()))

    def _pattern(self, text):
        """A regular expression for a text with masks, and the masks whose values its groups are."""
        parts = MASK.split(text)
        pattern, names = re.escape(parts[0]), []
        for name, after in zip(parts[1::2], parts[2::2]):
            if name in ANYTHING:
                pattern += f"(?:{ANYTHING[name]})"
            elif name in self.known:
                pattern += re.escape(self.known[name])
            elif name in names:
                pattern += f"\\{names.index(name) + 1}"
            else:
                pattern += "(.+)"
                names.append(name)
            pattern += re.escape(after)
        return pattern, names

    def _stands_for(self, name, value):
        kind, numbered, _ = name.partition(":")
        if numbered and any(other.partition(":")[0] == kind and taken == value for other, taken in self.known.items() if other != name):
            return False
        self.known[name] = value
        return True


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text
