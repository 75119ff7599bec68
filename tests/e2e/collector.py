"""tests/e2e/collector.py: an OTLP/HTTP collector that takes nothing on trust: every field of every span is checked."""
import json
import re
import time

from leat import await_true

HEX = {16: re.compile(r"[0-9a-f]{16}"), 32: re.compile(r"[0-9a-f]{32}")}
SERVER, CLIENT, INTERNAL = 2, 3, 1


def value_of(value):
    assert len(value) == 1, value
    kind, held = next(iter(value.items()))
    if kind == "intValue":
        assert isinstance(held, str) and re.fullmatch(r"-?\d+", held), value  # 64-bit numbers are texts in OTLP's JSON
        return int(held)
    assert kind == "stringValue" and isinstance(held, str), value
    return held


def attributes_of(pairs):
    names = [pair["key"] for pair in pairs]
    assert len(names) == len(set(names)), names
    assert all(set(pair) == {"key", "value"} for pair in pairs), pairs
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


def identity(text, size):
    assert HEX[size].fullmatch(text) and set(text) != {"0"}, text
    return text


class Span:
    def __init__(self, raw, resource):
        assert set(raw) <= {"traceId", "spanId", "parentSpanId", "traceState", "flags", "kind", "name",
                            "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"}, raw
        self.resource = resource
        self.trace, self.id = identity(raw["traceId"], 32), identity(raw["spanId"], 16)
        self.parent = identity(raw["parentSpanId"], 16) if "parentSpanId" in raw else None
        self.state, self.kind, self.name = raw.get("traceState"), raw["kind"], raw["name"]
        assert raw["flags"] == 1 and self.kind in (INTERNAL, SERVER, CLIENT) and self.name
        assert isinstance(raw["startTimeUnixNano"], str) and isinstance(raw["endTimeUnixNano"], str)
        self.start, self.end = int(raw["startTimeUnixNano"]), int(raw["endTimeUnixNano"])
        now = time.time_ns()
        assert now - 600 * 10**9 < self.start <= self.end <= now + 10**9, raw
        self.attributes = attributes_of(raw["attributes"])
        status = raw.get("status", {})
        assert status == {} or (status["code"] == 2 and set(status) <= {"code", "message"}), status
        self.failed, self.problem = bool(status), status.get("message")


class Collector:
    """A handler of a Backend: collector = Collector(); backend(collector)."""

    def __init__(self, answers=()):
        self.spans, self.posts, self.answers = [], [], list(answers)

    def __call__(self, call):
        assert call.method == "POST" and call.headers["content-type"] == "application/json"
        assert "traceparent" not in call.headers  # who tells is not told of
        status = self.answers.pop(0) if self.answers else 200
        self.posts.append((call.path, call.headers, status))
        if status == 200:
            self.take(json.loads(call.body))
        call.json({}, status=status)

    def take(self, body):
        assert set(body) == {"resourceSpans"} and len(body["resourceSpans"]) == 1
        group = body["resourceSpans"][0]
        assert set(group) == {"resource", "scopeSpans"} and len(group["scopeSpans"]) == 1
        resource = attributes_of(group["resource"]["attributes"])
        scope = group["scopeSpans"][0]
        assert set(scope) == {"scope", "spans"} and scope["scope"] == {"name": "leat"} and scope["spans"]
        self.spans += [Span(raw, resource) for raw in scope["spans"]]

    def await_spans(self, n):
        await_true(lambda: len(self.spans) >= n, what=f"{n} spans")
        assert len(self.spans) == n, [(s.kind, s.name) for s in self.spans]
        return self.spans

    def one(self, **wanted):
        found = [s for s in self.spans if all(getattr(s, key) == value for key, value in wanted.items())]
        assert len(found) == 1, (wanted, [(s.kind, s.name) for s in self.spans])
        return found[0]
