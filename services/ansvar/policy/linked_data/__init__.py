"""Bundles and verdicts as JSON-LD, in the terms of the Data Privacy Vocabulary (DPV) 2.3.

`bundle_to_jsonld` says what a bundle declares, `verdict_to_jsonld` what was decided about one event. Both
give plain dicts that any JSON encoder writes and any RDF library reads; nothing is fetched, since each
document carries its context.
"""

from __future__ import annotations

from ansvar.policy.linked_data.bundles import bundle_to_jsonld
from ansvar.policy.linked_data.judged import Judged, JudgedRow, judged_event, judged_row
from ansvar.policy.linked_data.records import OtherBundle, verdict_node, verdict_to_jsonld
from ansvar.policy.linked_data.terms import WrongBase, base_of, context

__all__ = [
    "Judged",
    "JudgedRow",
    "OtherBundle",
    "WrongBase",
    "base_of",
    "bundle_to_jsonld",
    "context",
    "judged_event",
    "judged_row",
    "verdict_node",
    "verdict_to_jsonld",
]
