"""Restriction of processing (Art. 18): a right that the policy does not state and the law grants."""

from __future__ import annotations

from ansvar.policy.case import Case, moment
from ansvar.policy.pattern import RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_FREE = RIGHTS_OPERATIONS | {"store"}


def _could_be_restricted(pattern: Pattern) -> bool:
    return pattern.operation not in _FREE and pattern.purpose != "legal_obligation"


@rule(
    "processing.restricted",
    "Art. 18",
    "GDPR Art. 18(2)",
    "deny",
    en="Data are used while their processing is restricted",
    sv="Uppgifter används trots att behandlingen är begränsad",
    concerns=_could_be_restricted,
)
def restricted(case: Case) -> None:
    """From the day a restriction is granted until it is lifted, the data lie still.

    Storing them, what the law demands and steps that serve the subject's rights stay free.
    """
    if not case.state.requests:
        return
    since = case.state.restricted_since(case.at)
    if since is not None:
        case.find(
            restricted,
            f"{case.pattern.act} at {moment(case.at)}, processing restricted since {moment(since)}",
        )


CHAPTER = Chapter(USES_OF_DATA, (restricted,))
