"""Judging events in order without recording them: for `ansvar evaluate`, tests and the CI of services.

Invariants: starts from an empty state and judges each event before it enters the state; one person named by
one identifier in two spellings is one subject, and identifiers are different subjects until an event names
them together (`aliases`), which sees the union as all later ones do; words that look like personal data are
masked or refused as the bundle says; nothing leaves the object but verdicts.

Not handled here: reading and writing (`cli.evaluate`), what a union is (`joining`).
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce

from ansvar.events.identifiers import normalise_event
from ansvar.events.minimisation import minimised
from ansvar.events.model import ContractEvent, DisclosureEvent, Event, Identifier, RightsEvent
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import ENGINE, decide
from ansvar.policy.joining import join
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
        self._subjects: dict[Identifier, SubjectState] = {}  # by the one identifier that stands for a person
        self._joined: dict[Identifier, Identifier] = {}  # to one of the same person, on the way to that one

    def judge(self, event: Event) -> Verdict:
        """The verdict on the next event. Raises `InvalidEvent`, and is then as if it had not been called."""
        event = normalise_event(event)
        subject = event.subject
        if self._joined and subject is not None:
            subject = self._person(subject)
        state = _NOTHING if subject is None else self._subjects.get(subject, _NOTHING)
        joined: set[Identifier] | None = None
        if event.aliases:
            joined = {person for alias in event.aliases if (person := self._person(alias)) != subject}
        if joined:
            state = reduce(join, (self._subjects.get(other, _NOTHING) for other in joined), state)
        own_request = False
        request = contract = keyed = None
        if type(event) is DisclosureEvent and event.reference is not None:
            key = event.reference.encode()
            own_request = state.requested("portability", key, event.occurred_at)
            keyed = "reference" if any(key in known for known in state.requests.values()) else None
        elif type(event) is RightsEvent:
            request = event.request_id.encode()
        elif type(event) is ContractEvent:
            contract = event.contract_id.encode()
        event, _ = minimised(event, self._bundle.settings.personal_data_in_words, keyed=keyed)
        verdict = decide(
            event,
            state,
            self._bundle,
            self.engine,
            recorded_at=self._as_of or event.occurred_at,
            own_request=own_request,
        )
        if joined and subject is not None:
            self._join(subject, joined, state)
        fact = fact_of(event, verdict, request, contract)
        if fact is not None and subject is not None:
            observe(self._subjects.setdefault(subject, SubjectState()), fact)
        return verdict

    def _person(self, identifier: Identifier) -> Identifier:
        """The identifier that stands for whom this one names."""
        while identifier in self._joined:
            identifier = self._joined[identifier]
        return identifier

    def _join(self, subject: Identifier, joined: set[Identifier], union: SubjectState) -> None:
        for other in joined:
            self._joined[other] = subject
            self._subjects.pop(other, None)
        self._subjects[subject] = union
