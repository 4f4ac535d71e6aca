"""Findings as SARIF 2.1.0, so that a policy's repository can show them where a pull request changed them.

Invariants: a pure function of its arguments (no time, no machine's name); every rule that was run is
described, found or not; a place is a URI relative to `root`. Source: OASIS SARIF 2.1.0 (section numbers are
its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

from ansvar.policy.lint import CHECKS, Finding
from ansvar.policy.lint.check import Check
from ansvar.policy.rule import Language

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TAGS = {"en": "en-US", "sv": "sv-SE"}  # 3.14.7: a language with its region


def to_sarif(
    findings: Sequence[Finding], *, root: str, language: Language, as_of: date, policy: bytes, version: str
) -> dict[str, Any]:
    """The log file's content. `root`: URI of the bundle without a last `/`; '' = the log's own."""
    rules = [_rule(check, language) for check in CHECKS]
    index = {check.id: i for i, check in enumerate(CHECKS)}
    run = {
        "tool": {"driver": {"name": "ansvar policy lint", "semanticVersion": version, "rules": rules}},
        "language": _TAGS[language],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index[finding.check], root, language) for finding in findings],
        "properties": {"asOf": as_of.isoformat(), "policySha256": policy.hex()},
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def _rule(check: Check, language: Language) -> dict[str, Any]:
    """A reportingDescriptor (3.49). Its full description is English, as the code says it."""
    return {
        "id": check.id,
        "name": "".join(word.capitalize() for word in check.id.partition(".")[2].split("_")),
        "shortDescription": {"text": check.title[language]},
        "fullDescription": {"text": check.meaning},
        "help": {"text": check.remedy[language]},
        "defaultConfiguration": {"level": check.level},
        "properties": {"clause": check.clause, "article": check.article, "tags": ["privacy", "gdpr"]},
    }


def _result(finding: Finding, index: int, root: str, language: Language) -> dict[str, Any]:
    """A result (3.27). Its fingerprint names what was found and not the line, which moves."""
    named = "\0".join((finding.check, finding.file, finding.field, finding.message["en"]))
    uri = f"{root}/{finding.file}" if root else finding.file
    message = (
        f"{finding.message[language]} ({finding.clause}; {finding.article}). {finding.remedy[language]}."
    )
    return {
        "ruleId": finding.check,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": finding.line},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.field, "kind": "member"}],
            }
        ],
        "partialFingerprints": {"ansvarFinding/v1": sha256(named.encode()).hexdigest()},
        "properties": {"clause": finding.clause, "article": finding.article},
    }
