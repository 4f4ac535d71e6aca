"""Verifying everything a data directory holds: chains, bundles, the record the chains were founded on.

What was found intact is signed and kept, so that the next verification can go on from there. Where that is
not possible, or the log's keys are not here to verify signatures with, the report says so in a remark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ansvar.accountability.report import ChainResult, Found, Report
from ansvar.deployment import DeploymentError, from_record
from ansvar.keyfiles import KeyFileError, read_secret_file
from ansvar.ledger.anchor_file import MAX_FILE
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Fault, Malformed
from ansvar.ledger.notes import Note
from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.settings import Settings
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.claims import LogKeys, NoKeys, read_kept
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.verify import (
    WHOLE_ROWS,
    ChainReport,
    How,
    ProgressOfChains,
    verify_bundles,
    verify_store,
)
from ansvar.vault.logkeys import LogSigner
from ansvar.vault.vault import Vault


class Signer(LogKeys, Protocol):
    """The log's keys, for verifying what they signed and for signing what was verified."""

    def sign_verified(self, chain: int, size: int, root: bytes, at: int) -> Note:
        """The note that says that a chain was found intact; `at` in Unix seconds."""
        ...


def verify_everything(
    store: Store,
    vault: Vault,
    progress: ProgressOfChains | None = None,
    *,
    full: bool = False,
    signer: Signer | None = None,
    anchors: Iterable[Path] = (),
    chains: Iterable[int] | None = None,
    now: int | None = None,
) -> Report:
    """Verify all chains, or those given, and what stands beside them. Raises StoreError or VaultError.

    `signer` has the log's keys, `anchors` are files of checkpoints that were kept. With `now` (ms since
    1970), what is intact is signed and stored.
    """
    heads = vault.effects_through()  # before any row is read: rows are never behind it
    record, beside = _record(store)
    keys: LogKeys | None = signer
    if keys is None and record is not None:
        keys = NoKeys(from_record(record).id)
    remarks = _remarks(store, signer)
    kept, faults = _kept(anchors, keys, beside)
    if chains is not None:
        chains = sorted(chains)
        heads = {chain: seq for chain, seq in heads.items() if chain in chains}
        kept = {chain: found for chain, found in kept.items() if chain in chains}
    how = How(keys=keys, kept=kept, full=full, whole=rows_total(store) <= WHOLE_ROWS)
    reports = verify_store(store, heads, progress, how, chains)
    try:
        verify_bundles(store)
    except StoreError as error:
        beside.append(str(error))
    results = [
        _result(report, [*_foreign(store, report, record), *faults.get(report.chain, ())])
        for report in reports
    ]
    beside += [
        str(fault)
        for chain, found in faults.items()
        for fault in found
        if chain not in {r.chain for r in reports}
    ]
    found = Report(tuple(results), tuple(beside), tuple(remarks))
    if signer is not None and now is not None:
        remarks += _signed(store, signer, reports, found, now)
    return Report(found.chains, found.beside, tuple(remarks))


def log_keys(keys: Path, store: Store, settings: Settings) -> LogSigner | None:
    """The log's keys in a directory, None where they cannot be read or nothing was founded. Makes none."""
    try:
        record = Catalogue(store).deployment()
        if record is None:
            return None
        file = settings.log_key_passphrase_file
        passphrase = None if file is None else read_secret_file(file).strip()
        return LogSigner(keys, from_record(record).id, passphrase)
    except (KeyFileError, StoreError, DeploymentError):
        return None


def anchor_files(directory: Path, named: Iterable[Path] = ()) -> list[Path]:
    """The files of kept checkpoints that are named, else those in a directory, if any."""
    return list(named) or sorted(directory.glob("*.txt"))


def rows_total(store: Store) -> int:
    """How many rows there are to verify."""
    return int(store.query("SELECT count() FROM {database}.ledger")[0][0])


def _record(store: Store) -> tuple[bytes | None, list[str]]:
    """The deployment record if it can be read, and what is wrong with it."""
    try:
        record = Catalogue(store).deployment()
        if record is not None:
            from_record(record)
    except (StoreError, DeploymentError) as error:
        return None, [str(error)]
    return record, []


def _remarks(store: Store, signer: Signer | None) -> list[str]:
    if signer is None and Checkpoints(store).chains():
        return ["the log's keys are not here: roots of checkpoints were compared, signatures not verified"]
    return []


def _kept(
    anchors: Iterable[Path], keys: LogKeys | None, beside: list[str]
) -> tuple[Mapping[int, Sequence[Checkpoint]], dict[int, list[Fault]]]:
    """The checkpoints of kept files by chain, and the faults of their notes."""
    kept: dict[int, list[Checkpoint]] = {}
    faults: dict[int, list[Fault]] = {}
    for file in anchors:
        if keys is None:
            beside.append(
                f"{file}: checkpoints were kept, and the ledger has no deployment record to know its logs by"
            )
            continue
        try:
            found, wrong = read_kept(_content(file), keys)
        except OSError as error:
            beside.append(f"{file} cannot be read: {error.strerror}")
        except Malformed as error:
            beside.append(f"{file}: {error}")
        else:
            for chain, checkpoints in found.items():
                kept.setdefault(chain, []).extend(checkpoints)
            for fault in wrong:
                faults.setdefault(fault.chain, []).append(fault)
    return kept, faults


def _content(file: Path) -> bytes:
    """What a kept file holds, as far as one may be long. Raises OSError, Malformed where it is no file."""
    if not file.is_file():
        raise Malformed("anchor file", str(file), "not a regular file")
    with file.open("rb") as source:
        return source.read(MAX_FILE + 1)


def _result(report: ChainReport, more: Iterable[Fault]) -> ChainResult:
    """The report as data; rows of another deployment explain that they are not what was signed here."""
    more = list(more)
    founded = any(fault.kind == "wrong-origin" and fault.seq == 0 for fault in more)
    faults = [f for f in report.faults if not (founded and f.kind == "forked")]
    found = sorted({(fault.seq, fault.kind, fault.message) for fault in [*faults, *more]})
    return ChainResult(
        report.chain,
        report.rows,
        report.root.hex(),
        tuple([Found(kind, seq, message) for seq, kind, message in found]),
        report.start,
        report.checkpoint,
        report.uncovered,
    )


def _foreign(store: Store, report: ChainReport, record: bytes | None) -> list[Fault]:
    """Whether the chain is none of the deployment's, or its genesis does not hold the deployment record."""
    chain = report.chain
    if record is not None and chain % MAX_PARTITIONS >= from_record(record).chains:
        return [Fault("wrong-origin", chain, 0, "the deployment has no such chain")]
    if report.start or any(fault.seq == 0 and fault.kind != "forked" for fault in report.faults):
        return []
    founded = store.query(
        "SELECT hex(extra) FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq = 0", {"chain": chain}
    )
    if founded and (record is None or bytes.fromhex(founded[0][0]) != record):
        return [Fault("wrong-origin", chain, 0, "not founded on the deployment record")]
    return []


def _signed(
    store: Store, signer: Signer, reports: Iterable[ChainReport], found: Report, now: int
) -> list[str]:
    """Sign and keep what is intact; what prevented it, if anything."""
    intact = {result.chain for result in found.chains if not result.faults}
    checkpoints = Checkpoints(store)
    try:
        for report in reports:
            if report.chain in intact and report.checkpoint:
                note = signer.sign_verified(
                    report.chain, report.checkpoint, report.checkpoint_root, now // 1000
                )
                checkpoints.keep_verified(report.chain, report.checkpoint, now, note.encode())
    except (KeyFileError, StoreError) as error:
        return [f"that the ledger was verified could not be signed and stored: {error}"]
    return []
