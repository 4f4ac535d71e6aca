"""What an event is: typed models, the JSON boundary, identifiers and the Avro codec.

Pure: nothing in this room reads a clock, a network or a database, and it imports nothing else of ours.
"""

from ansvar.events.boundary import event_from_object, normal_form, parse_event, to_json, validated
from ansvar.events.codec import decode_batch, encode_batch
from ansvar.events.errors import EventError, InvalidEvent, UndecodableRecord
from ansvar.events.identifiers import normalise, normalise_event
from ansvar.events.model import (
    ContractEvent,
    DisclosureEvent,
    Event,
    Identifier,
    NoticeEvent,
    ProcessingEvent,
    RightsEvent,
    TransferEvent,
)

__all__ = [
    "ContractEvent",
    "DisclosureEvent",
    "Event",
    "EventError",
    "Identifier",
    "InvalidEvent",
    "NoticeEvent",
    "ProcessingEvent",
    "RightsEvent",
    "TransferEvent",
    "UndecodableRecord",
    "decode_batch",
    "encode_batch",
    "event_from_object",
    "normal_form",
    "normalise",
    "normalise_event",
    "parse_event",
    "to_json",
    "validated",
]
