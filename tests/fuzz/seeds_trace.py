"""Seeds of fuzz_trace: one byte for the kind of file, then a small file of each."""


def calls(*rows):
    head = "HashOwner,HashApp,HashFunction,Trigger," + ",".join(map(str, range(1, 1441)))
    return "\n".join([head] + [f"o{owner},a,f{owner},http," + ",".join(str(counts.get(minute, 0)) for minute in range(1440)) for owner, counts in rows]) + "\n"


def seeds():
    yield "calls", b"\0" + calls((1, {0: 1, 700: 3}), (2, dict.fromkeys(range(0, 1440, 30), 2)), (3, {1439: 4000000000})).encode()
    yield "few", b"\x10" + calls((1, {5: 1}), (2, {6: 1}), (3, {7: 1})).encode()
    yield "twice", b"\0" + calls((1, {5: 1}), (1, {6: 1})).encode()
    yield "durations", b"\1HashOwner,HashApp,HashFunction,Average,Count\no,a,f,12.5,3\no,a,g,-1,0\r\n"
    yield "memory", b"\2HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,7,140\no,b,7,1e3"
