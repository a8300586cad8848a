"""Core: format.<name>(), and what is wrong with a text by it.

`validate` and `format.named` give optional values, which no function of ours can: rewriting.py has these two
called instead, which give what an optional value is made of, or an empty one.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/format.go
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date, datetime

from apiserver.cel.library import urls
from apiserver.cel.library.function import Function
from apiserver.registry import names
from kube.api import label_syntax

TYPE = "kubernetes.NamedFormat"
UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DATETIME = re.compile(
    rf"({DATE.pattern})[Tt](\d{{2}}:\d{{2}}:\d{{2}})(?:\.\d+)?([Zz]|[+-]\d{{2}}:\d{{2}})", re.ASCII
)
Rule = Callable[[str], list[str]]


def _prefix(rule: Rule) -> Rule:
    """The same for what a random end is put to: it may end with a dash."""
    return lambda text: rule(text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    return [] if urls.is_url(text) else [f'parse "{text}": invalid URI for request']


def _uuid(text: str) -> list[str]:
    return [] if UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return [] if text else ["invalid base64"]


def _date(text: str) -> list[str]:
    return [] if DATE.fullmatch(text) and _is_moment(text, date.fromisoformat) else ["invalid date"]


def _datetime(text: str) -> list[str]:
    found = DATETIME.fullmatch(text)
    is_one = found is not None and _is_moment(f"{found[1]}T{found[2]}", datetime.fromisoformat)
    return [] if is_one else ["invalid datetime"]


def _is_moment(text: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


FORMATS: dict[str, Rule] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": _prefix(names.dns_label),
    "dns1123SubdomainPrefix": _prefix(names.dns_subdomain),
    "dns1035LabelPrefix": _prefix(names.dns_1035_label),
    "labelValue": label_syntax.value_problems,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _datetime,
}


def _named(name: str) -> str:
    return name if name in FORMATS else ""


FUNCTIONS = (
    *(
        Function(f"format.{name}", f"format.{name}", (), TYPE, lambda name=name: name, False)
        for name in FORMATS
    ),
    Function("@named", "@named", ("string",), TYPE, _named, is_member=False),
    Function(
        "@problems", "@problems", (TYPE, "string"), "list(string)", lambda name, text: FORMATS[name](text)
    ),
)
