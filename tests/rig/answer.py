"""What a client saw of one exchange."""

import json


class Answer:
    """A final response head and what came behind it. `cut` says how it broke off where it is not whole."""

    def __init__(self, status, headers):
        self.status, self.headers = status, headers
        self.body, self.trailers, self.cut = b"", [], None
        self.seconds = 0.0

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def get(self, name):
        """The first field of this name; an empty text where there is none."""
        return next(iter(self.all(name)), "")

    def problem(self):
        """The problem document (RFC 9457) of the gateway's own answer, or None."""
        if self.get("content-type") != "application/problem+json":
            return None
        try:
            document = json.loads(self.body)
        except ValueError:
            return None
        return document if document.get("status") == self.status else None

    def __repr__(self):
        return f"{self.status} {self.get('content-type')} {len(self.body)} bytes {self.body[:120]!r} cut={self.cut} {self.headers}"


class Lost(Exception):
    """No final response head came. `unprocessed`: the server promised that it did nothing with the request. `broken`: it
    broke off this exchange, and no other, before a byte of the head had left."""

    def __init__(self, why, unprocessed=False, broken=False):
        super().__init__(why)
        self.unprocessed, self.broken = unprocessed, broken


class Wrong(Exception):
    """What came is not HTTP as the RFCs have it: never the upstream's fault, always the gateway's."""
