"""SARIF 2.1.0: the properties that the standard requires, and that a finding can be found again."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from ansvar.policy.canonical import canonical
from ansvar.policy.lint import CHECKS, lint
from ansvar.policy.lint.sarif import Language, to_sarif
from ansvar.policy.loader import read_source
from ansvar.sample import SAMPLE_BUNDLE

SOURCE = read_source(canonical(SAMPLE_BUNDLE))
TODAY = date(2026, 11, 23)
FINDINGS = lint(SOURCE, TODAY)


def log(root: str = "policy", language: Language = "en") -> dict[str, Any]:
    made = to_sarif(
        FINDINGS, root=root, language=language, as_of=TODAY, policy=SOURCE.sha256, version="1.2.3"
    )
    return json.loads(json.dumps(made))  # type: ignore[no-any-return] # what a reader gets


def test_the_log_has_what_the_standard_requires() -> None:
    whole = log()
    assert whole["version"] == "2.1.0"
    assert whole["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = whole["runs"]
    assert run["tool"]["driver"]["name"] == "ansvar policy lint"
    assert run["tool"]["driver"]["semanticVersion"] == "1.2.3"
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    assert run["properties"] == {"asOf": "2026-11-23", "policySha256": SOURCE.sha256.hex()}


def test_every_check_is_described_found_or_not() -> None:
    rules = log()["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [check.id for check in CHECKS]
    assert len({rule["name"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        assert rule["properties"].keys() == {"clause", "article", "tags"}


def test_a_result_names_its_rule_and_its_place() -> None:
    run = log()["runs"][0]
    assert len(run["results"]) == len(FINDINGS) > 0
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.check
        assert result["level"] == finding.level
        assert finding.message["en"] in result["message"]["text"]
        assert finding.remedy["en"] in result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == f"policy/{finding.file}"
        assert place["region"] == {"startLine": finding.line}


def test_a_fingerprint_tells_findings_apart_in_any_language_and_place() -> None:
    def fingerprints(**options: Any) -> list[str]:
        results = log(**options)["runs"][0]["results"]
        return [result["partialFingerprints"]["ansvarFinding/v1"] for result in results]

    assert len(set(fingerprints())) == len(FINDINGS)
    assert fingerprints() == fingerprints(root="elsewhere", language="sv")


def test_places_are_uris() -> None:
    for root, start in (("", "statement.yaml"), ("file:///etc/policy", "file:///etc/policy/statement.yaml")):
        uris = {
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for result in log(root)["runs"][0]["results"]
        }
        assert start in uris
        assert {urlsplit(uri).scheme for uri in uris} == {urlsplit(start).scheme}


def test_swedish() -> None:
    run = log(language="sv")["runs"][0]
    assert run["language"] == "sv-SE"
    assert "skyddsåtgärd" in run["results"][0]["message"]["text"]
    assert "skyddsåtgärd" in run["tool"]["driver"]["rules"][1]["shortDescription"]["text"]
