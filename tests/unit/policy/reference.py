"""The hybrid histogram policy once more, in numpy: written from the paper (Shahrad et al., USENIX ATC 2020, section 4.2) and from what
docs/design.md adds, for tests that compare."""
import numpy

MINUTE = 60 * 10**9
STANDARD, HISTOGRAM, FORECAST = range(3)


class Reference:
    def __init__(self):
        self.bins, self.beyond, self.gaps = numpy.zeros(240, dtype=numpy.int64), 0, []

    def count(self, minute, times):
        """One by one: a full counter halves all of them."""
        times = min(times, 16 * 65536)
        while times:
            value = self.bins[minute] if minute < 240 else self.beyond
            step = min(times, 65535 - value)
            if step == 0:
                self.bins //= 2
                self.beyond //= 2
                continue
            if minute < 240:
                self.bins[minute] += step
            else:
                self.beyond += step
            times -= step

    def note(self, idle, times):
        if idle < 0 or times == 0:
            return
        minute = idle // MINUTE
        self.count(minute, times)
        if minute >= 240:
            self.gaps = (self.gaps + [min(minute, 65535)])[-8:]

    def representative(self):
        total = self.bins.sum()
        return total >= 10 and self.bins.std() / self.bins.mean() >= 2 - 1e-12

    def histogram(self):
        # The percentiles of the single idle times, each at its bin, as numpy has them without interpolation.
        cumulative = numpy.cumsum(self.bins)
        head = int(numpy.argmax(cumulative * 100 >= cumulative[-1] * 5))
        tail = int(numpy.argmax(cumulative * 100 >= cumulative[-1] * 99)) + 1
        before, after = round(head * 0.9 * MINUTE), round(tail * 1.1 * MINUTE)
        return HISTOGRAM, before, after - before

    def decide(self):
        if self.beyond > self.bins.sum() and len(self.gaps) >= 4:
            middle = numpy.median(self.gaps)
            return FORECAST, round(middle * 0.85 * MINUTE), round(middle * 0.30 * MINUTE)
        return self.histogram() if self.representative() else (STANDARD, 0, 240 * MINUTE)

    def next_call(self, idle):
        minute = idle // MINUTE
        gaps = numpy.array(self.gaps, dtype=numpy.int64)
        share = self.beyond / len(gaps) if len(gaps) else 0
        possible = 1 + self.bins[minute:].sum() + share * (gaps >= minute).sum()
        soon = 15 / (minute + 15) + self.bins[minute:minute + 15].sum() + share * ((gaps >= minute) & (gaps < minute + 15)).sum()
        return soon / possible
