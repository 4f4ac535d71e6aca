"""Ansvar: prove what was done with personal data.

What a service imports. Names are loaded when they are first used, so `import ansvar` costs next to nothing
and a program that only verifies does not load Kafka.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansvar.emitter.batching import Delivery as Delivery
    from ansvar.emitter.emitter import Emitter as Emitter
    from ansvar.emitter.errors import DeliveryFailed as DeliveryFailed
    from ansvar.emitter.errors import EmitterClosed as EmitterClosed
    from ansvar.emitter.errors import EmitterError as EmitterError
    from ansvar.emitter.errors import KafkaUnreachable as KafkaUnreachable
    from ansvar.emitter.errors import KitError as KitError
    from ansvar.emitter.errors import PurposeViolation as PurposeViolation
    from ansvar.emitter.errors import TopicMismatch as TopicMismatch
    from ansvar.emitter.kafka import KafkaSettings as KafkaSettings
    from ansvar.emitter.kit import ProducerKit as ProducerKit
    from ansvar.events.errors import InvalidEvent as InvalidEvent
    from ansvar.events.model import ContractEvent as ContractEvent
    from ansvar.events.model import DisclosureEvent as DisclosureEvent
    from ansvar.events.model import Event as Event
    from ansvar.events.model import Identifier as Identifier
    from ansvar.events.model import NoticeEvent as NoticeEvent
    from ansvar.events.model import ProcessingEvent as ProcessingEvent
    from ansvar.events.model import RightsEvent as RightsEvent
    from ansvar.events.model import TransferEvent as TransferEvent

_HOMES = {
    "ansvar.emitter.batching": ("Delivery",),
    "ansvar.emitter.emitter": ("Emitter",),
    "ansvar.emitter.errors": (
        "DeliveryFailed",
        "EmitterClosed",
        "EmitterError",
        "KafkaUnreachable",
        "KitError",
        "PurposeViolation",
        "TopicMismatch",
    ),
    "ansvar.emitter.kafka": ("KafkaSettings",),
    "ansvar.emitter.kit": ("ProducerKit",),
    "ansvar.events.errors": ("InvalidEvent",),
    "ansvar.events.model": (
        "ContractEvent",
        "DisclosureEvent",
        "Event",
        "Identifier",
        "NoticeEvent",
        "ProcessingEvent",
        "RightsEvent",
        "TransferEvent",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> object:
    """Load a public name at first use (PEP 562)."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'ansvar' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
