"""Judging events in order without recording them: for `ansvar evaluate`, tests and the CI of services.

Invariants: starts from an empty state and judges each event before it enters the state; one person named by
one identifier in two spellings is one subject; nothing leaves the object but verdicts.

Not handled here: reading and writing (`cli.evaluate`), several identifiers of one person.
"""

from __future__ import annotations

from datetime import datetime

from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import ContractEvent, DisclosureEvent, Event, Identifier, RightsEvent
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import ENGINE, decide
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import Verdict

_NOTHING = SubjectState()  # read by `decide`, never written


class Evaluator:
    """Judges a sequence of events by one bundle.

    `as_of` is the time at which all of them count as recorded; without it each counts as recorded when it
    occurred. Not for use by several threads at once.
    """

    def __init__(self, bundle: Bundle, *, as_of: datetime | None = None, engine: int = ENGINE) -> None:
        self._bundle = bundle
        self._as_of = as_of
        self.engine = engine
        self._subjects: dict[Identifier, SubjectState] = {}

    def judge(self, event: Event) -> Verdict:
        """The verdict on the next event. Raises `InvalidEvent`, and is then as if it had not been called."""
        event = normalise_event(event)
        if event.aliases:
            raise InvalidEvent("further identifiers", "none: aliases are not supported yet", field="aliases")
        subject = event.subject
        state = _NOTHING if subject is None else self._subjects.get(subject, _NOTHING)
        own_request = False
        request = contract = None
        if type(event) is DisclosureEvent:
            own_request = event.reference is not None and state.requested(
                "portability", event.reference.encode(), event.occurred_at
            )
        elif type(event) is RightsEvent:
            request = event.request_id.encode()
        elif type(event) is ContractEvent:
            contract = event.contract_id.encode()
        verdict = decide(
            event,
            state,
            self._bundle,
            self.engine,
            recorded_at=self._as_of or event.occurred_at,
            own_request=own_request,
        )
        fact = fact_of(event, verdict, request, contract)
        if fact is not None and subject is not None:
            observe(self._subjects.setdefault(subject, SubjectState()), fact)
        return verdict
