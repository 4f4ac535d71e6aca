"""The cookie policy: which kinds of cookie are declared."""

from __future__ import annotations

import pytest

from judging import NOW, RuleCase, changed, fires, process, silent, transfer

CASES = [
    *(
        silent("cookie.undeclared", kind, process("set_cookie", cookie=kind))
        for kind in ("necessary", "functional", "third_party")
    ),
    fires("cookie.undeclared", "marketing", process("set_cookie", cookie="marketing")),
    fires("cookie.undeclared", "another spelling", process("set_cookie", cookie="Necessary")),
    fires("cookie.undeclared", "no kind", process("set_cookie")),
    fires(
        "cookie.undeclared",
        "declared by another company",
        process("set_cookie", cookie="third_party"),
        bundle=changed(cookies=frozenset({"necessary"})),
    ),
    silent("cookie.undeclared", "another operation", process("store", cookie="marketing")),
    silent("cookie.undeclared", "a transfer", transfer()),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(("kind", "says"), [("tracking", "of kind 'tracking'"), (None, "without a kind")])
def test_messages_state_the_kind(kind: str | None, says: str) -> None:
    finding = fires("cookie.undeclared", "", process("set_cookie", cookie=kind)).check()
    assert finding is not None
    assert finding.message == f"set_cookie at {NOW} {says}, which the policy does not declare"
