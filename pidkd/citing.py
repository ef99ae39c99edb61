"""Citation of a number: estimator, settings, seed, version and certificate in one paragraph."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from pidkd._version import __version__
from pidkd.errors import Argument, InputError, UnknownNameError
from pidkd.estimator import Estimator
from pidkd.mi import MIResult
from pidkd.registry import get_estimator
from pidkd.result import Certificate, PIDResult
from pidkd.union_result import UnionResult

KINDS = {
    PIDResult: ("pid", "Partial information decomposition"),
    MIResult: ("mi", "Mutual information"),
    UnionResult: ("union", "Union information"),
}
"""Results, with the kind of their estimators and the quantity in words."""


def cite(result: PIDResult | MIResult | UnionResult) -> str:
    """One paragraph for a methods section: quantity, estimator and its source, settings, data, certificate, version.

    Parameters
    ----------
    result : PIDResult, MIResult or UnionResult
        Of an audit, ``report.cite()``.

    Examples
    --------
    >>> import numpy as np
    >>> from pidkd import cite, decompose
    >>> result = decompose(np.array([0, 0, 1, 1] * 50), np.array([0, 0, 1, 1] * 50), np.array([0, 1, 0, 1] * 50))
    >>> print(cite(result)[:112])
    Partial information decomposition by the estimator broja (BROJA; Bertschinger et al. 2014, "Quantifying Unique I
    """
    kind = KINDS.get(type(result))
    if kind is None:
        raise InputError(Argument("cite", "result"), "a result of pidkd", type(result).__name__)
    return f"{kind[1]} {'; '.join(_parts(result, kind[0]))}. Computed with pidkd {__version__}."


def reference_of(key: str) -> str:
    """Authors, year, title and place of an entry of ``references.bib``; the key itself where there is none."""
    entry = _entries().get(key)
    if entry is None:
        return key
    authors = [name.split(",")[0].strip() for name in entry.get("author", key).split(" and ")]
    who = " and ".join(authors) if len(authors) < 3 else f"{authors[0]} et al."
    where = entry.get("journal") or entry.get("booktitle") or entry.get("publisher")
    identifier = f"doi:{entry['doi']}" if "doi" in entry else f"arXiv:{entry['eprint']}" if "eprint" in entry else None
    rest = ", ".join(part for part in (where, identifier) if part)
    return f'{who} {entry.get("year", "")}, "{entry.get("title", "")}"{f", {rest}" if rest else ""}'


def _parts(result: Any, kind: str) -> Iterator[str]:
    try:
        cls = get_estimator(result.method, kind)
        source = f" ({cls.measure}; {reference_of(cls.reference)})"
    except UnknownNameError:  # an estimator of another package that is not installed here
        source = ""
    yield f"by the estimator {result.method}{source}{settings(result.params)}"
    yield f"of {result.n_samples:,} samples" if result.n_samples else "of a given distribution"
    seed = (result.provenance or {}).get("seed") if hasattr(result, "provenance") else None
    if seed is not None:
        yield f"seed {seed}"
    certificate: Certificate | None = getattr(result, "certificate", None)
    if certificate is not None:
        yield _certified(certificate, result.units)
    for one in (getattr(result, "provenance", None) or {}).get("uncertainty", ()):
        yield f"{one['method'].lower()} with {one['resamples']} resamples, level {one['level']:.0%}, seed {one['seed']}"


def settings(params: Mapping[str, Any]) -> str:
    """Parameters that shape numbers, in words; nothing where there are none."""
    shown = {name: value for name, value in params.items() if name not in Estimator.resources}
    return f" with {', '.join(f'{name} = {_value(value)}' for name, value in shown.items())}" if shown else ""


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        rest = {name: one for name, one in value.items() if name != "method"}
        return f"({str(value.get('method', '')) + settings(rest)})"
    return str(value)


def _certified(certificate: Certificate, units: str) -> str:
    if certificate.status in ("optimal", "exact"):
        return f"{certificate.status}, certified to within {certificate.gap:.1e} {units}"
    return f"status {certificate.status}: {certificate.message}"


@functools.cache
def _entries() -> Mapping[str, Mapping[str, str]]:
    """Entries of ``references.bib`` by key, without TeX's braces and accents."""
    text = resources.files("pidkd").joinpath("references.bib").read_text(encoding="utf-8")
    entries = {}
    for key, body in re.findall(r"@\w+\{([\w-]+),\n(.*?)\n\}", text, re.DOTALL):
        one_line = re.sub(r"\n(?!\s*\w+\s*=)\s*", " ", body)  # a field per line
        fields = re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", one_line, re.MULTILINE)
        entries[key] = {name: _plain_text(value) for name, value in fields}
    return entries


ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", ".": "\u0307"}
"""TeX's accents as combining characters."""


def _plain_text(value: str) -> str:
    value = re.sub(r"\\([\"'`^~.])(\w)", lambda accent: accent[2] + ACCENTS[accent[1]], value)
    value = value.replace("\\l", "ł").replace("\\&", "&").replace("--", "-")
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", value))
