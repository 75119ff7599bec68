"""tests/e2e/prometheus.py: a strict reader of Prometheus' text format 0.0.4, with the rules of `promtool check metrics`.

What is not exactly as the format has it is an error, and so is what promtool would complain about.
"""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SERIES = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)')
NOT_BASE_UNITS = ("_milliseconds", "_ms", "_microseconds", "_us", "_minutes", "_hours", "_kilobytes", "_kib", "_percent")


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type, self.series = name, text, None, {}

    def belongs(self, name):
        if self.type == "histogram":
            return name in (self.name + "_bucket", self.name + "_sum", self.name + "_count")
        return name == self.name


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"not a label: {text[at:]!r}"
        assert match[1] not in labels, f"label {match[1]} twice"
        assert not match[1].startswith("__"), match[1]
        labels[match[1]] = match[2].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
        at = match.end()
        assert match[3] != "," or at < len(text), "a comma behind the last label"
    return labels


def number_of(text):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text.replace("Inf", "inf"))
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text), f"not a number: {text!r}"
    return float(text)


def check_name(family):
    name = family.name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name) and "__" not in name, name
    assert (family.type == "counter") == name.endswith("_total"), f"{name} is a {family.type}"
    assert not name.endswith(("_bucket", "_count", "_sum", "_info")) or name == "leat_build_info", name
    bare = name.removesuffix("_total")
    assert not bare.endswith(NOT_BASE_UNITS), f"{name}: not a base unit"
    assert family.type not in ("counter", "gauge", "histogram") or f"_{family.type}" not in name, name


def check_histogram(family):
    groups = {}
    for (name, labels), value in family.series.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        group = groups.setdefault(rest, {"buckets": []})
        if name.endswith("_bucket"):
            group["buckets"].append((number_of(dict(labels)["le"]), value))
        else:
            assert len(rest) == len(labels), "le outside of a bucket"
            group[name.removeprefix(family.name)] = value
    for rest, group in groups.items():
        bounds = [bound for bound, _ in group["buckets"]]
        counts = [count for _, count in group["buckets"]]
        assert set(group) == {"buckets", "_sum", "_count"}, (family.name, rest, set(group))
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf and len(bounds) > 2, (family.name, bounds)
        assert counts == sorted(counts) and counts[-1] == group["_count"], (family.name, rest, counts)
        assert group["_sum"] >= 0 and (group["_sum"] > 0 or group["_count"] == 0), (family.name, rest)


def parse(text):
    """{name: Family}; an AssertionError where anything is wrong."""
    assert text.endswith("\n") and "\r" not in text and "\t" not in text
    families, family = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, said = line[7:].partition(" ")
            assert re.fullmatch(NAME, name) and said and said.endswith("."), line
            assert name not in families, f"{name} twice"
            family = families[name] = Family(name, said)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert family and family.name == name and family.type is None and not family.series, line
            assert kind in ("counter", "gauge", "histogram"), line
            family.type = kind
        else:
            match = SERIES.fullmatch(line)
            assert match, f"not a series: {line!r}"
            assert family and family.type and family.belongs(match[1]), f"outside of its family: {line!r}"
            assert match[2] != "", f"no labels in braces: {line!r}"
            key = (match[1], tuple(sorted(labels_of(match[2] or "").items())))
            assert key not in family.series, f"twice: {line!r}"
            value = number_of(match[3])
            assert family.type == "gauge" or (value >= 0 and not math.isnan(value)), line
            family.series[key] = value
    for family in families.values():
        assert family.type, family.name
        check_name(family)
        if family.type == "histogram":
            check_histogram(family)
    return families


class Metrics:
    def __init__(self, text):
        self.families = parse(text)

    def value(self, name, **labels):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = self.families.get(name) or self.families[base]
        return family.series[(name, tuple(sorted(labels.items())))]

    def names(self, family, label):
        return {dict(labels)[label] for _, labels in self.families[family].series}
