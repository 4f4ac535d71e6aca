"""Hypothesis strategies for what rules look at: an event of any kind, and what is known of its subject.

A situation is mostly one that could be permitted (a purpose on its usual basis, known words, known
recipients), so that a verdict has room to get worse; each word is also drawn wrong now and then. Facts enter
the state as if nothing had denied them: a property of `decide` is about the state, not about how it came to
be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import ContractEvent, DisclosureEvent, Event, RightsEvent
from ansvar.policy.bundle import PROFILES, Bundle
from ansvar.policy.decide import decide
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT, Verdict
from ansvar.sample import sample_bundle
from judging import changed, collect, contract, disclose, objection, process, rights, transfer

ENGINE = 2  # every rule of the policy
SAMPLE = sample_bundle()
STRICT = changed(settings=PROFILES["strict"])

MOMENTS = (
    "2014-05-01", "2016-07-12", "2020-07-15 23:59", "2020-07-16", "2021-06-28", "2023-08-31 12:00",
    "2024-02-29 23:30", "2025-01-31", "2025-02-28 08:00", "2025-06-01", "2026-01-31 15:00",
    "2026-03-02 14:00",
)  # fmt: skip
moments = st.sampled_from(MOMENTS)

_USUAL = tuple((basis.id, purpose) for basis in SAMPLE.bases.values() for purpose in sorted(basis.purposes))
_words = st.sampled_from(_USUAL) | st.tuples(
    st.sampled_from([None, "because", *SAMPLE.bases]), st.sampled_from([None, "resale", *SAMPLE.purposes])
)
categories = st.lists(
    st.sampled_from(["name", "email", "phone_number", "customer_number", "address", "personnummer", "age"]),
    unique=True,
    min_size=1,
    max_size=4,
) | st.sampled_from([[], ["name", "shoe_size"]])
_roles = st.sampled_from([{}, {"role": "processor", "controller": "Alfa AB"}, {"role": "processor"}])
_recipients = st.sampled_from([*SAMPLE.recipients, "nobody"])

# What may be drawn of an event beside its defaults. The words go together: a basis with a purpose of its own.
_Aspects = Mapping[str, st.SearchStrategy[Mapping[str, Any]]]


def _one(name: str, *values: Any) -> st.SearchStrategy[Mapping[str, Any]]:
    return st.sampled_from([{name: value} for value in values])


_ANY: _Aspects = {
    "when": st.fixed_dictionaries({"when": moments}),
    "words": _words.map(lambda pair: {"legal_basis": pair[0], "purpose": pair[1]}),
    "categories": st.fixed_dictionaries({"data_categories": categories}),
    "system": _one("system", "billing", "pricing_engine", "legacy_backup", "somewhere"),
    "grounds": _one("compelling_grounds", "G-1"),
    "role": _roles,
}
_PROCESSED: _Aspects = {
    **_ANY,
    "source": _one("source", "data_subject", "partner"),
    "informed": _one("subject_informed", True),
    "aggregate": _one("aggregated", True),
    "deidentified": _one("deidentified", True),
    "automated": _one("automated_decision", True),
    "cookie": _one("cookie", "necessary", "tracking"),
}
_HANDED: _Aspects = {
    **_ANY,
    "via": st.fixed_dictionaries({"via": _recipients}),
    "country": _one("country", "SE", "US", "IN", "CH", "GB", "UK", "NC"),
    "safeguard": _one(
        "safeguard", "adequacy", "scc", "bcr", "certification", "derogation", "privacy_shield", "none"
    ),
    "reference": _one("safeguard_reference", "SCC-2023-04", "SCC-2024-02", "BCR-CH-1", "2000/518/EC"),
}
_DISCLOSED: _Aspects = {
    **_HANDED,
    "ground": _one("ground", None, "legal_request", "service_delivery"),
    "type": _one("recipient_type", "partner", "authority"),
    "request": _one("reference", "R1"),
}
RIGHTS = ("access", "rectification", "restriction", "erasure", "portability", "objection", "complaint")
PHASES = ("received", "identified", "extended", "fulfilled", "refused", "withdrawn")
SCOPES = (None, "direct_marketing", "marketing", "evaluation", "security", "spam")


@st.composite
def calls(draw: st.DrawFn, nix_listed: bool | None = None) -> Event:
    """A call for marketing after a check against NIX that holds, with what the check said."""
    return process(
        "call",
        "2025-06-01",
        purpose="marketing",
        legal_basis="legitimate_interest",
        nix_checked_at=draw(st.sampled_from(["2025-05-20", "2025-06-01"])),
        nix_listed=nix_listed,
        nix_exemption=draw(st.sampled_from([None, "consent", "existing_customer", "survey"])),
        **draw(_some({name: _ANY[name] for name in ("categories", "role")})),
    )


@st.composite
def _some(draw: st.DrawFn, aspects: _Aspects, most: int = 3) -> dict[str, Any]:
    """A few of the aspects; what is not drawn is harmless."""
    changes: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(sorted(aspects)), unique=True, max_size=most)):
        changes |= draw(aspects[name])
    return changes


@st.composite
def _processing(draw: st.DrawFn) -> Event:
    operation = draw(
        st.sampled_from(["store", "use", "collect", "analyse", "profile", "decide", "set_cookie", "erase"])
    )
    return process(operation, **draw(_some(_PROCESSED)))


@st.composite
def interests(draw: st.DrawFn) -> Event:
    """Processing or a disclosure on a legitimate interest, which can be objected to."""
    words = {
        "legal_basis": "legitimate_interest",
        "purpose": draw(
            st.sampled_from(["marketing", "customer_service", "recruitment", "security", "evaluation"])
        ),
    }
    changes = draw(_some({name: _ANY[name] for name in ("when", "categories", "grounds", "role")}, 2))
    if draw(st.booleans()):
        return process(draw(st.sampled_from(["store", "use", "email"])), **words, **changes)
    return disclose(draw(_recipients), **words, **changes)


@st.composite
def handovers(draw: st.DrawFn) -> Event:
    """A transfer or a disclosure."""
    if draw(st.booleans()):
        return transfer(draw(_recipients), **draw(_some(_HANDED)))
    return disclose(draw(_recipients), **draw(_some(_DISCLOSED)))


def uses() -> st.SearchStrategy[Event]:
    """A processing, transfer or disclosure event."""
    return st.one_of(_processing(), interests(), handovers())


def requests() -> st.SearchStrategy[Event]:
    """A step of a request."""
    return st.builds(
        rights,
        st.sampled_from(RIGHTS),
        st.sampled_from(PHASES),
        moments,
        st.sampled_from(["R1", "R2"]),
        reason=st.sampled_from([None, "as the law says"]),
        method=st.sampled_from([None, "bankid", "phone"]),
        fee=st.sampled_from([None, None, 100]),
        scope=st.sampled_from(SCOPES),
    )


def contracts() -> st.SearchStrategy[Event]:
    """A step of one of two contracts."""
    return st.builds(
        contract,
        st.sampled_from(["started", "started", "ended"]),
        moments,
        st.sampled_from(["C1", "C2"]),
        customer_type=st.sampled_from([None, "consumer", "company"]),
    )


def events() -> st.SearchStrategy[Event]:
    """An event of any kind that is about a subject."""
    return st.one_of(uses(), uses(), calls(False), requests(), contracts())


def facts() -> st.SearchStrategy[Event]:
    """Something that leaves a trace in the state."""
    collects = st.builds(
        collect, moments, st.sampled_from(sorted(SAMPLE.purposes)), categories.map(tuple)
    ).filter(lambda event: bool(event.data_categories))
    erased = st.builds(rights, st.just("erasure"), st.just("fulfilled"), moments)
    objected = st.builds(objection, moments, st.sampled_from(SCOPES), st.sampled_from(PHASES))
    return st.one_of(contracts(), contracts(), collects, objected, requests(), erased)


histories = st.lists(facts(), max_size=5)


def after(history: Iterable[Event]) -> SubjectState:
    """The state once facts have arrived in this order, none of them denied."""
    state = SubjectState()
    for event in history:
        request = event.request_id.encode() if isinstance(event, RightsEvent) else None
        key = event.contract_id.encode() if isinstance(event, ContractEvent) else None
        fact = fact_of(event, PERMIT, request, key)
        assert fact is not None
        observe(state, fact)
    return state


@dataclass(frozen=True)
class Situation:
    """An event, what happened before it, the bundle, and how long after it happened it was recorded."""

    event: Event
    history: tuple[Event, ...] = ()
    bundle: Bundle = field(default=SAMPLE, repr=False)
    delay: timedelta = timedelta()

    def but(self, *more: Event, **changes: Any) -> Situation:
        """The same with further facts, which arrive last, or with other parts."""
        return dataclasses.replace(self, **{"history": self.history, **changes}).arriving(more)

    def arriving(self, more: tuple[Event, ...]) -> Situation:
        """The same after further facts."""
        return dataclasses.replace(self, history=(*self.history, *more))

    def stating(self, **changes: Any) -> Situation:
        """The same, with an event that states something else."""
        return self.but(event=replace(self.event, **changes))

    def verdict(self) -> Verdict:
        """What the newest engine says."""
        event, state = self.event, after(self.history)
        own_request = (
            isinstance(event, DisclosureEvent)
            and event.reference is not None
            and state.requested("portability", event.reference.encode(), event.occurred_at)
        )
        return decide(
            event,
            state,
            self.bundle,
            ENGINE,
            recorded_at=event.occurred_at + self.delay,
            own_request=own_request,
        )


PROFILE = {"sample": SAMPLE, "strict": STRICT}


def _situation(event: Event, history: list[Event], profile: str, days: int) -> Situation:
    return Situation(event, tuple(history), PROFILE[profile], timedelta(days=days))


def situations(drawn: st.SearchStrategy[Event] | None = None) -> st.SearchStrategy[Situation]:
    """Any event, or one of `drawn`, after any history, by either bundle; recorded at once or days later."""
    return st.builds(
        _situation,  # told the name of the bundle, since a failure that prints one is unreadable
        events() if drawn is None else drawn,
        histories,
        st.sampled_from(sorted(PROFILE)),
        st.sampled_from([0, 0, 7, 8]),
    )


def subsets(items: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Every choice of one or more of a few things."""
    every = tuple(items)
    return [chosen for size in range(1, len(every) + 1) for chosen in combinations(every, size)]
