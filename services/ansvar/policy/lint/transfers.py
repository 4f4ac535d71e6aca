"""Recipients outside the EU/EEA: what each of them rests on, and whether it would hold (GDPR chapter V)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansvar.policy.bundle import FULL_SCOPE
from ansvar.policy.lint.check import Found, Matter, check, texts
from ansvar.policy.shapes import DecisionPart, InstrumentPart, RecipientPart, SccSetPart


@check(
    "lint.transfer_without_safeguard",
    "6.3",
    "GDPR Art. 44, 46",
    "error",
    en="A recipient outside the EU/EEA has nothing to rest on",
    sv="En mottagare utanför EU/EES har inget att vila på",
    remedy_en="register an instrument or the recipient's place in an adequacy decision, or remove it",
    remedy_sv="registrera ett instrument eller mottagarens plats i ett adekvansbeslut, eller ta bort den",
)
def transfer_without_safeguard(matter: Matter) -> Iterator[Found]:
    """Data leave the EU/EEA only where a decision or an instrument protects them as here."""
    for i, recipient, country in _abroad(matter):
        if not _instruments(matter, recipient) and not _decisions(matter, recipient, country):
            message = texts(
                f"{recipient.id} reaches {country}: no instrument and no adequacy decision covers it on "
                f"{matter.as_of}",
                f"{recipient.id} når {country}: inget instrument och inget adekvansbeslut täcker den "
                f"{matter.as_of}",
            )
            yield Found("recipients", ("recipients", i, "established"), message)


@check(
    "lint.decision_under_appeal_alone",
    "6.3",
    "GDPR Art. 45, 46(2)(c)",
    "warning",
    en="A recipient rests on an adequacy decision under appeal alone",
    sv="En mottagare vilar enbart på ett överklagat adekvansbeslut",
    remedy_en="sign standard contractual clauses with the recipient, which stand if the decision falls",
    remedy_sv="teckna standardavtalsklausuler med mottagaren, som står kvar om beslutet faller",
)
def decision_under_appeal_alone(matter: Matter) -> Iterator[Found]:
    """Two decisions on the same country were annulled at once; who had nothing else was left with nothing."""
    for i, recipient, country in _abroad(matter):
        decisions = _decisions(matter, recipient, country)
        appealed = [d for d in decisions if d.under_appeal is not None]
        if appealed and len(appealed) == len(decisions) and not _instruments(matter, recipient):
            decision = appealed[0]
            message = texts(
                f"{recipient.id} in {country} rests on {decision.id} alone, under appeal in "
                f"{decision.under_appeal}",
                f"{recipient.id} i {country} vilar enbart på {decision.id}, överklagat i "
                f"{decision.under_appeal}",
            )
            yield Found("recipients", ("recipients", i, "scope"), message)


@check(
    "lint.assessment_missing",
    "6.3",
    "GDPR Art. 46; C-311/18",
    "warning",
    en="An instrument has no transfer impact assessment",
    sv="Ett instrument saknar en bedömning av överföringens följder",
    remedy_en="assess the law and practice of the country, and register the assessment's reference",
    remedy_sv="bedöm landets lag och praxis och registrera bedömningens referens",
)
def assessment_missing(matter: Matter) -> Iterator[Found]:
    """Clauses and rules bind the parties and not the state, so someone must look at what the state may do."""
    for i, recipient in enumerate(matter.files.recipients.recipients):
        for j, instrument in enumerate(recipient.instruments):
            if instrument.tool in ("scc", "bcr") and not instrument.assessment and matter.holds(instrument):
                message = texts(
                    f"{recipient.id}: {instrument.reference} has no transfer impact assessment",
                    f"{recipient.id}: {instrument.reference} saknar konsekvensbedömning av överföringen",
                )
                yield Found("recipients", ("recipients", i, "instruments", j), message)


def _abroad(matter: Matter) -> Iterator[tuple[int, RecipientPart, str]]:
    """Each recipient with each place of its own, or of its sub-processors, outside the EU/EEA."""
    for i, recipient in enumerate(matter.files.recipients.recipients):
        for country in matter.bundle.recipients[recipient.id].places:
            if matter.bundle.standing(country, matter.at) == "third":
                yield i, recipient, country


def _instruments(matter: Matter, recipient: RecipientPart) -> Sequence[InstrumentPart]:
    """The instruments in force with a recipient; clauses only while their set is."""
    sets: dict[str, SccSetPart] = {part.id: part for part in matter.files.scc_sets.scc_sets}
    return [
        instrument
        for instrument in recipient.instruments
        if matter.holds(instrument) and (instrument.set is None or matter.holds(sets[instrument.set]))
    ]


def _decisions(matter: Matter, recipient: RecipientPart, country: str) -> Sequence[DecisionPart]:
    """The adequacy decisions in force that cover a recipient in a country."""
    evidence = {scope.decision for scope in recipient.scope if matter.holds(scope)}
    return [
        decision
        for decision in matter.files.adequacy.decisions
        if decision.country == country
        and matter.holds(decision)
        and (decision.scope == FULL_SCOPE or decision.id in evidence)
    ]
