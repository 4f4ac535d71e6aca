"""What a command does to a chain: one row, in the place where the command arrived.

Pure. A command's id is remembered like an event's: the same command sent again is a `duplicate` row, another
one under its id is refused; so is one that does not fit where it arrives, such as closing an unknown epoch.
A `policy` row is judged by nothing: it carries the bundle and engine that hold from there on, itself
included.

Not handled here: who may command and what the operator signed (`opening`), keeping the activated bundle where
rows can name it (`enforcer`), what findings cause outside (`effects`).
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Command
from ansvar.enforcement.registering import facts
from ansvar.enforcement.rows import Place, extra_json, place_columns
from ansvar.enforcement.sheet import Sheet
from ansvar.events.control import ActivatePolicy, AnswerFinding, Control, KeyCommand, RecordFinding
from ansvar.ledger.row import Row
from ansvar.policy.decide import ENGINES, UnknownEngine
from ansvar.policy.verdict import Finding
from ansvar.vault.keys import DeploymentKeys, position_bytes


def carry_out(sheet: Sheet, command: Command, memory: ChainMemory, keys: DeploymentKeys) -> None:
    """Add the row of one command. Raises UnknownEngine for an activation that this version cannot follow."""
    control = command.control
    digest = keys.no_subject.digest(command.body)
    if sheet.repeats("command", control.id, digest):
        return
    if isinstance(control.command, KeyCommand):
        unfit = memory.registry.unfit(control.command)
        if unfit is not None:
            sheet.refuse("unfit_command", unfit, event_id=control.id, digest=digest)
            return
    row = replace(_row(control, sheet.place(), keys), event_id=control.id, digest=digest)
    findings: tuple[Finding, ...] = ()
    if isinstance(control.command, RecordFinding):
        found = control.command
        findings = (Finding(found.rule, found.clause, found.severity, found.message),)
    sheet.add(row, findings=findings)  # its texts are bounded, so that it fits a row
    memory.recent.add(row.seq, control.id.bytes, digest)


def _row(control: Control, place: Place, keys: DeploymentKeys) -> Row:
    match control.command:
        case ActivatePolicy() as wanted:
            if wanted.engine not in ENGINES:
                raise UnknownEngine(wanted.engine)
            place = replace(place, policy=wanted.sha256, engine=wanted.engine)
            return Row(kind="policy", occurred_at=place.recorded_at * 1000, **place_columns(place))
        case RecordFinding() as found:
            about = {"chain": found.chain, "seq": found.seq}
            told = {"clause": found.clause, "message": found.message}
            return Row(
                kind="finding",
                occurred_at=found.since,
                subject=found.subject,
                verdict=found.severity,
                findings=(found.rule,),
                extra=extra_json({**about, **told}),
                **place_columns(place),
            )
        case AnswerFinding() as answered:
            at = position_bytes(place.chain, place.stream, place.offset, place.index)
            text = msgspec.json.encode({"text": answered.text})
            return Row(
                kind="review",
                occurred_at=place.recorded_at * 1000,
                actor=answered.by,
                details=keys.no_subject.seal_details(at, text) if answered.text else b"",
                extra=extra_json({"answer": answered.answer, "chain": answered.chain, "seq": answered.seq}),
                **place_columns(place),
            )
        case _ as keys_changed:
            return Row(
                kind="keys",
                occurred_at=place.recorded_at * 1000,
                extra=extra_json(facts(keys_changed)),
                **place_columns(place),
            )
