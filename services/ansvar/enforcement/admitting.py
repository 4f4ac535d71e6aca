"""Whether a record's producer and epoch are good at its place in the chain.

Pure. Whoever opens a record may know more keys than were registered when it was sent: those of rows to come,
when a chain is worked on again, or of other chains. So what opening says of a producer or an epoch counts
only as far as the rows before the record bear it out: the same record gives the same row on every worker.

A refusal here names neither producer nor session in its row: the record is not authenticated, and uses up no
number. Not handled here: opening (`opening`), the fold (`registering`), what the producer may claim
(`producer.out_of_scope`, a rule).
"""

from __future__ import annotations

from ansvar.deployment import CONTROL
from ansvar.enforcement.errors import MissingIntakeKey
from ansvar.enforcement.opening import Claim, Opened, Refusal
from ansvar.enforcement.registering import GRACE_MS, Registry
from ansvar.events.personal_data import masked
from ansvar.events.refusal import (
    BadSignature,
    EnvelopeError,
    EpochClosed,
    NotAController,
    ProducerKeyReplaced,
    ProducerRevoked,
    UnknownEpoch,
    UnknownProducer,
)


def admitted(opened: Opened, registry: Registry, at: int) -> Opened:
    """What was opened, or the refusal that takes its place; `at` is the record's broker time (ms).

    Raises MissingIntakeKey where the epoch is open and its private key is not here.
    """
    if opened.claim is None:
        return opened  # nothing in it says who it is from
    try:
        _check_producer(opened.claim, registry)
        _check_epoch(opened.claim, registry, at)
        if isinstance(opened, Refusal):
            if opened.reason == UnknownEpoch.reason:
                raise MissingIntakeKey(opened.claim.epoch)
            if opened.header is None:
                return opened
        if opened.claim.control and CONTROL not in registry.producers[opened.claim.producer].kinds:
            raise NotAController(f"producer {opened.claim.producer!r} is not registered for control records")
    except EnvelopeError as error:
        return Refusal(error.reason, str(error))
    return opened


def _check_producer(claim: Claim, registry: Registry) -> None:
    name = claim.producer
    if name not in registry.keys:
        stated = masked(name)  # anyone may have written it
        raise UnknownProducer(f"no key is registered for producer {stated!r}; add the producer first")
    if claim.key not in registry.keys[name]:
        raise BadSignature(f"the session header is not signed by producer {name!r}")
    if name not in registry.producers:
        raise ProducerRevoked(f"producer {name!r} was revoked before this record arrived")
    if claim.key != registry.producers[name].key:
        raise ProducerKeyReplaced(
            f"producer {name!r} signs with a key in whose place another was registered before this record"
        )


def _check_epoch(claim: Claim, registry: Registry, at: int) -> None:
    epoch = registry.epochs.get(claim.epoch)
    if epoch is None:
        raise UnknownEpoch(f"epoch {claim.epoch} was not opened before this record arrived")
    if not epoch.takes(at):
        raise EpochClosed(
            f"epoch {claim.epoch} was closed more than {GRACE_MS // 3_600_000} h before the broker took "
            "the record; give the producer the present intake key"
        )
