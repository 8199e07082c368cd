"""One line for each check, and the exit code at the end."""

import math
import sys


class Report:
    def __init__(self):
        self.count, self.failed = 0, 0

    def check(self, what, holds, detail=""):
        print("ok  " if holds else "FAIL", what, f"({detail})" if detail else "", flush=True)
        self.count += 1
        self.failed += not holds
        return bool(holds)

    def note(self, text):
        print("    ", text, flush=True)

    def end(self):
        print(f"{self.failed} of {self.count} checks failed" if self.failed else f"all {self.count} checks hold", flush=True)
        sys.exit(1 if self.failed or not self.count else 0)


def quantile(values, share):
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.nan
