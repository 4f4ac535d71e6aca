"""The register of recipients: agreements and guarantees of processors (GDPR Art. 28)."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.lint.check import Found, Matter, check, texts
from ansvar.policy.shapes import RecipientPart


@check(
    "lint.agreement_missing",
    "6.2",
    "GDPR Art. 28(3)",
    "error",
    en="A processor has no agreement in force",
    sv="Ett personuppgiftsbiträde saknar gällande avtal",
    remedy_en="sign and register a processing agreement, or remove the recipient",
    remedy_sv="teckna och registrera ett biträdesavtal, eller ta bort mottagaren",
)
def agreement_missing(matter: Matter) -> Iterator[Found]:
    """A processor works on a contract that binds it to the controller's instructions."""
    for i, recipient in _processors(matter):
        if not any(matter.holds(agreement) for agreement in recipient.agreements):
            message = texts(
                f"{recipient.id} has no processing agreement in force on {matter.as_of}",
                f"{recipient.id} har inget biträdesavtal som gäller den {matter.as_of}",
            )
            yield Found("recipients", ("recipients", i, "agreements"), message)


@check(
    "lint.guarantees_missing",
    "6.2",
    "GDPR Art. 28(1)",
    "error",
    en="A processor's guarantees have not been reviewed, or the review has lapsed",
    sv="Ett biträdes garantier har inte granskats, eller granskningen har löpt ut",
    remedy_en="review the processor's guarantees and register for how long the review holds",
    remedy_sv="granska biträdets garantier och registrera hur länge granskningen gäller",
)
def guarantees_missing(matter: Matter) -> Iterator[Found]:
    """Only processors that give sufficient guarantees may be used; the policy says that all are checked."""
    for i, recipient in _processors(matter):
        if any(matter.holds(guarantee) for guarantee in recipient.guarantees):
            continue
        ends = [g.valid_to for g in recipient.guarantees if g.valid_to and g.valid_to <= matter.as_of]
        en = f"reviewed until {max(ends)}, that day not included" if ends else "never reviewed"
        sv = f"granskade till {max(ends)}, den dagen ej inräknad" if ends else "aldrig granskade"
        message = texts(f"guarantees of {recipient.id}: {en}", f"garantier från {recipient.id}: {sv}")
        yield Found("recipients", ("recipients", i, "guarantees"), message)


def _processors(matter: Matter) -> Iterator[tuple[int, RecipientPart]]:
    for i, recipient in enumerate(matter.files.recipients.recipients):
        if recipient.role == "processor":
            yield i, recipient
