"""Cookies: the cookie policy declares their kinds (Act 2022:482 9:28, GDPR Art. 13)."""

from __future__ import annotations

from ansvar.events.model import ProcessingEvent
from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.rule import Chapter, rule


@rule(
    "cookie.undeclared",
    "cookie policy",
    "Act 2022:482 9:28; GDPR Art. 13(1)",
    "deny",
    en="A cookie of a kind that is not declared",
    sv="En kaka av ett slag som inte är deklarerat",
    concerns=lambda p: p.operation == "set_cookie",
)
def undeclared(case: Case) -> None:
    """Visitors are told which kinds of cookie the site sets; a cookie of no stated kind is none of them."""
    event = case.event
    if isinstance(event, ProcessingEvent) and event.cookie not in case.pattern.bundle.cookies:
        stated = "without a kind" if event.cookie is None else f"of kind {quoted(event.cookie)}"
        case.find(undeclared, f"set_cookie at {moment(case.at)} {stated}, which the policy does not declare")


CHAPTER = Chapter(frozenset({"processing"}), (undeclared,))
