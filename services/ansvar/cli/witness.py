"""`ansvar witness`: cosign the checkpoints of other people's logs, and never two histories of one."""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ansvar.cli.options import console

if TYPE_CHECKING:
    from ansvar.ledger.trust import TrustPolicy
    from ansvar.verifier.witness import WitnessKeys
    from ansvar.verifier.witness_store import WitnessStore


def witness(
    logs: Annotated[
        Path, typer.Option("--logs", metavar="FILE", help="A C2SP tlog-policy; its log lines are trusted.")
    ],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="DIR", help="Keys and memory of this witness.")
    ] = Path(".ansvar-witness"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 8090,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name for ever, as a URL without scheme; random if not given."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Run a witness until Ctrl-C: it cosigns what extends the checkpoints it has seen, and refuses all else.

    Run it where the log's operator has no say. Its two keys are printed as lines for a tlog-policy; the log,
    and whoever verifies it, put one or both there. What does not fit is kept in DIR/witness.db, in the table
    conflicts. Never restore an old copy of that file: the witness would forget what it has seen.

    Example: ansvar witness --logs logs.policy --data-dir ~/witness --name witness.example.org/w1 --port 8090
    """
    from ansvar.keyfiles import make_private_directory
    from ansvar.verifier.witness import Witness
    from ansvar.verifier.witness_http import WitnessServer

    logging.basicConfig(format="ansvar: %(message)s", level=logging.WARNING, force=True)
    trusted = _trusted(logs)
    directory = make_private_directory(data_dir.expanduser())
    with closing(_store(directory)) as store:
        keys = _keys(directory, store, name)
        server = WitnessServer(Witness(store, keys, trusted.log_keys), host, port)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with server.serving():
            for suffix, key in zip(("ed25519", "ml-dsa-44"), keys.public, strict=True):
                sys.stdout.write(f"witness {key.name}/{suffix} {key} {server.url}\n")
            sys.stdout.flush()
            out = console(stderr=True)
            if kept := len(store.conflicts()):
                out.print(f"Conflicts kept as evidence: {kept}, in {directory / 'witness.db'}.")
            out.print(f"Witness of {len(trusted.logs)} log keys, at {server.url}. Ctrl-C stops.")
            stop.wait()
    console(stderr=True).print("Stopped.")


def _trusted(file: Path) -> TrustPolicy:
    """The logs to be a witness of."""
    from ansvar.ledger.trust import MAX_POLICY, TrustPolicy

    try:
        with file.open("rb") as source:
            policy = TrustPolicy.parse(source.read(MAX_POLICY + 1))
    except OSError as fault:
        raise typer.BadParameter(
            f"cannot read {file}: {fault.strerror}; name a tlog-policy file with a log line for each log"
        ) from fault
    if not policy.logs:
        raise typer.BadParameter(f"{file} has no log line, so there is nothing to be a witness of")
    return policy


def _store(directory: Path) -> WitnessStore:
    """The witness's memory, made before its keys: keys without a memory have lost it."""
    from ansvar.verifier.witness_store import WitnessError, WitnessStore

    path = directory / "witness.db"
    if not path.exists() and any(file.exists() for file in _key_files(directory)):
        raise WitnessError(
            f"{path} is missing, and the witness's keys are there: without it, it would cosign a log that was"
            " rolled back. Bring the newest one back, or choose an empty directory for a new witness"
        )
    return WitnessStore(path)


def _keys(directory: Path, store: WitnessStore, name: str | None) -> WitnessKeys:
    """The keys in the directory, made when this witness is new."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    from ansvar.keyfiles import SECRET_BYTES, read_secret, read_signing_key, write_secret, write_signing_key
    from ansvar.ledger.notes import check_name
    from ansvar.verifier.witness import WitnessKeys
    from ansvar.verifier.witness_store import WitnessError

    ed25519, mldsa = _key_files(directory)
    if known := store.identity():
        if name not in (None, known[0].name):
            raise WitnessError(f"the witness in {directory} is {known[0].name}, and keeps that name")
        name = known[0].name
    else:
        name = name or f"witness.invalid/{secrets.token_hex(4)}"
        check_name(name, "witness", "--name")
        if not ed25519.exists():
            write_signing_key(ed25519, Ed25519PrivateKey.generate())
        if not mldsa.exists():
            write_secret(mldsa, secrets.token_bytes(SECRET_BYTES))
    return WitnessKeys(name, read_signing_key(ed25519), MLDSA44PrivateKey.from_seed_bytes(read_secret(mldsa)))


def _key_files(directory: Path) -> tuple[Path, Path]:
    """Ed25519 as PEM; ML-DSA-44 as its 32-byte seed (FIPS 204) in base64."""
    return directory / "witness-ed25519.pem", directory / "witness-mldsa44.seed"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("witness")(witness)
