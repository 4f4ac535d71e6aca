"""`ansvar evidence`: rows, and all that proves them, as one file for someone who trusts nobody."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, cast, get_args
from uuid import UUID

import typer

from ansvar.cli.bars import Bars
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, console, refuse, time_of
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.evidence.building import Log, Made
    from ansvar.accountability.evidence.selecting import Selection
    from ansvar.store.client import Store

_PLACE = re.compile(r"(\d{1,10})/(\d{1,18})")
_MOST_NAMED = 1000


def evidence(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to be made, a zip.")],
    event: Annotated[list[str] | None, typer.Option(metavar="ID", help="An event's id; repeatable.")] = None,
    row: Annotated[
        list[str] | None, typer.Option(metavar="CHAIN/SEQ", help="A row's place; repeatable.")
    ] = None,
    subject: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TYPE VALUE", help="All rows about a person; the identifier stays here."),
    ] = None,
    recipient: Annotated[str, typer.Option(metavar="ID", help="Data went to or through this one.")] = "",
    rule: Annotated[str, typer.Option(metavar="ID", help="This rule found something.")] = "",
    verdict: Annotated[Literal["permit", "flag", "deny"] | None, typer.Option(help="The verdict.")] = None,
    kind: Annotated[str, typer.Option(help="The kind of row, such as disclosure.")] = "",
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Occurred at or after this RFC 3339 time.")
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Occurred before this time.")] = "",
    chain: Annotated[int | None, typer.Option(min=0, max=(1 << 32) - 1, help="Only this chain.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=30_000, help="At most so many rows, those for the state included.")
    ] = 10_000,
    no_state: Annotated[
        bool, typer.Option("--no-state", help="Leave out what judging the rows again takes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make an evidence bundle: rows, their proofs, signed checkpoints, policies, and a text for a lawyer.

    Events and rows that are named count if they meet every other criterion. It is verified offline, with keys
    that its reader has from elsewhere (keys/log-N.vkey): ansvar verify case.zip --key VKEY. It does not show
    that nothing was left out.

    Example: ansvar evidence --recipient police --from 2026-01-01T00:00:00+01:00 -o case.zip
    """
    from ansvar.accountability.evidence.building import Request, build
    from ansvar.accountability.evidence.errors import EvidenceError
    from ansvar.accountability.evidence.selecting import Selection, choose
    from ansvar.ledger.columns import KIND_CODES

    if out.exists() and not force:
        refuse(f"{out} is there already; choose another name, or say --force to replace it")
    if kind and kind not in KIND_CODES:
        refuse(f"--kind is none of {', '.join(KIND_CODES)}")
    for name, word in (("--recipient", recipient), ("--rule", rule)):
        if not word.isprintable() or len(word) > _MOST_NAMED:
            refuse(f"{name} is no word that a row can hold")
    directory = DataDirectory(data_dir)
    selection = Selection(
        events=_events(event or []),
        places=_places(row or []),
        recipient=recipient,
        rule=rule,
        verdict=verdict or "",
        kind=kind,
        since=time_of(since, "--from") if since else None,
        until=time_of(until, "--to") if until else None,
        chain=chain,
    )
    with opened(directory) as store, Bars() as bars:
        if subject is not None:
            selection = _about(selection, directory, subject)
        chosen = choose(store, selection, limit, state_rows=not no_state)
        request = Request(selection.words(), datetime.fromtimestamp(int(time.time()), UTC), not no_state)
        made = build(
            store,
            chosen,
            _log(directory, store),
            request,
            lambda done, total: bars.count("proving rows", done, total),
        )
    try:
        _write(out, made.content)
    except OSError as error:
        raise EvidenceError(f"{out} cannot be written: {error.strerror}") from error
    _tell(out, made)


def _tell(out: Path, made: Made) -> None:
    manifest = made.manifest
    checkpoints = sum(len(entry.checkpoints) for entry in manifest.chains.values())
    selected = sum(row.why == "selected" for row in manifest.rows)
    say = partial(console().print, soft_wrap=True)
    say(
        f"{out}: {len(manifest.rows)} rows ({selected} selected) of {len(manifest.chains)} chains, "
        f"{checkpoints} checkpoints, {len(made.content)} bytes"
    )
    for chain, entry in manifest.chains.items():
        say(f"chain {chain}: {entry.origin}, verified by the key in keys/log-{chain}.vkey")


def _events(given: list[str]) -> tuple[UUID, ...]:
    try:
        found = tuple(UUID(one) for one in given)
    except ValueError:
        refuse("--event is not an event's id (a UUID)")
    return found if len(found) <= _MOST_NAMED else _too_many()


def _places(given: list[str]) -> tuple[tuple[int, int], ...]:
    found = []
    for one in given:
        place = _PLACE.fullmatch(one)
        if place is None or int(place[1]) >= 1 << 32:
            refuse("--row is not a row's place such as 2/4711")
        found.append((int(place[1]), int(place[2])))
    return tuple(found) if len(found) <= _MOST_NAMED else _too_many()


def _too_many() -> NoReturn:
    refuse(f"more than {_MOST_NAMED} events or rows are named; choose by --kind, --from, --to and the like")


def _about(selection: Selection, directory: DataDirectory, subject: tuple[str, str]) -> Selection:
    """The selection, narrowed to the person that an identifier stands for. Ends the command without one."""
    from msgspec.structs import replace

    from ansvar.enforcement.wiring import open_vault
    from ansvar.events.errors import InvalidEvent
    from ansvar.events.identifiers import normalise
    from ansvar.events.model import Identifier, IdentifierType
    from ansvar.settings import settings
    from ansvar.vault import keyring
    from ansvar.vault.keys import lookup_tag

    type_, value = subject
    if type_ not in get_args(IdentifierType):
        refuse(f"--subject: the type is none of {', '.join(get_args(IdentifierType))}")
    if not 0 < len(value) <= 320:
        refuse("--subject: the value is empty or too long")
    try:
        named = normalise(Identifier(cast("IdentifierType", type_), value), year=time.localtime().tm_year)
    except InvalidEvent as error:
        refuse(f"--subject: {error}")
    chosen = settings()
    if chosen.vault is None and not directory.vault.exists():
        refuse(f"there is no vault in {directory.path}, and without it nobody can be found by an identifier")
    tag = lookup_tag(keyring.read(directory.keys).pepper, named.type, named.value)
    with closing(open_vault(directory, chosen)) as vault:
        held = vault.find(tag, f"{named.type}\0{named.value}".encode())
    if not held.persons:
        refuse("--subject: the vault knows nobody by this identifier, so no row is about them")
    return replace(selection, subjects=tuple(person.reference for person in held.persons))


def _log(directory: DataDirectory, store: Store) -> Log:
    """What is public of the log. Raises NotYetCovered where it has signed nothing yet."""
    from ansvar.accountability.evidence.building import Log
    from ansvar.accountability.evidence.errors import NotYetCovered
    from ansvar.deployment import DeploymentError, from_record
    from ansvar.enforcement.publishing import witness_policy
    from ansvar.initiation import log_signer
    from ansvar.settings import settings
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.checkpoints import Checkpoints

    record = Catalogue(store).deployment()
    if record is None:
        raise DeploymentError("nothing was founded here yet; run: ansvar init")
    if not Checkpoints(store).chains():  # or the signer would make a key for a first one
        raise NotYetCovered("the log has no checkpoint yet; a worker (ansvar up) writes one within seconds")
    chosen = settings()
    signer = log_signer(directory.keys, store, chosen, from_record(record))
    policy = witness_policy(chosen)
    return Log(signer.origin, signer.successions, policy.encode() if policy.witnesses else None)


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, for its owner only: references are personal data to the owner."""
    import os
    import secrets

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("evidence")(evidence)
