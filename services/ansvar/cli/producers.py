"""`ansvar producers`: who may send events, for which systems and of which kinds."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, console, print_rows, refuse
from ansvar.cli.registering import deployed, lacking, send_to, signed
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.deployment import Deployment
    from ansvar.emitter.kit import ProducerKit
    from ansvar.enforcement.registering import Registry

commands = typer.Typer(no_args_is_help=True, help="Who may send events: add, list and revoke producers.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The producer's name: [a-z0-9][a-z0-9._-]*.")]
_KEY_BYTES = 32


@commands.command("add")
def add(
    name: Name,
    system: Annotated[list[str], typer.Option(help="A system it may report for; * is any. Repeatable.")],
    kind: Annotated[list[str], typer.Option(help="A kind of event it may send; * is any. Repeatable.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where its kit is written.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="Its Ed25519 public key in base64, if it keeps its own key pair.")
    ] = None,
    intake_from: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Where it looks for a new intake key.",
            show_default="keys/intake.json of this data directory",
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Register a producer on every chain, and write the kit that it emits with (a secret file).

    Without --public-key its key pair is made here and lies in the kit alone. With it the kit has no signing
    key: the producer puts its own there. A name that is registered gets the new key, systems and kinds; its
    old key is refused from there on. Cut off, it can be run again with the same kit file.

    Example: ansvar producers add crm --system crm --kind processing --kind rights -o crm-kit.json
    """
    from ansvar.deployment import RegisteredProducer
    from ansvar.events.envelope import PRODUCER_NAME
    from ansvar.events.key_commands import RegisterProducer

    if not PRODUCER_NAME.fullmatch(name):
        refuse(f"{name!r} is no producer's name: [a-z0-9][a-z0-9._-]*, 1 to 64 long")
    if output is None and public_key is None:
        refuse("say where the kit is to be written: -o FILE")
    systems, kinds = tuple(dict.fromkeys(system)), tuple(dict.fromkeys(kind))
    _check_words(systems, kinds)
    directory = DataDirectory(data_dir)
    deployment, chains = deployed(directory)
    if public_key is not None:
        key = _public_key(public_key)
        if output is not None:
            _kit(directory, deployment, name, intake_from).write(output, keyless=True)
    else:
        assert output is not None  # noqa: S101 - refused above
        key = _kit_file(directory, deployment, name, intake_from, output)
    wanted = RegisteredProducer(name, key, systems, kinds)

    def there(registry: Registry) -> bool:
        return registry.producers.get(name) == wanted

    missing = lacking(chains, there)
    if missing:
        before = max(chains[chain].changes.get(name, 0) for chain in missing)
        control = signed(directory, deployment, RegisterProducer(name, key, systems, kinds), before)
        send_to(directory, lambda _: [(chain, control) for chain in missing], there)
    done = f"sent to {len(missing)} chains" if missing else "registered already; nothing was sent"
    console().print(f"producer {name}: {done}" + (f"; its kit is {output}" if output is not None else ""))


@commands.command("list")
def list_(data_dir: DataDir = DEFAULT_DATA_DIR, format_: FormatOption = Format.TABLE) -> None:
    """Print every producer that was ever registered, what it may claim, and on how many chains.

    Example: ansvar producers list --format csv
    """
    _, chains = deployed(DataDirectory(data_dir))
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    for one in chains.values():
        for name, keys in one.registry.keys.items():
            producer = one.registry.producers.get(name)
            state, systems, kinds = "revoked", "", ""
            if producer is not None:
                state, systems, kinds = "registered", " ".join(producer.systems), " ".join(producer.kinds)
            key = keys[-1] if producer is None else producer.key
            found[name, state, systems, kinds, base64.b64encode(key).decode()] += 1
    columns = ("name", "state", "systems", "kinds", "key", "chains")
    print_rows(columns, [(*row, f"{n}/{len(chains)}") for row, n in sorted(found.items())], format_)


@commands.command("revoke")
def revoke(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Revoke a producer on every chain: its records are refused from where the command arrives.

    Example: ansvar producers revoke crm
    """
    from ansvar.events.key_commands import RevokeProducer

    directory = DataDirectory(data_dir)
    deployment, chains = deployed(directory)
    if not any(name in one.registry.keys for one in chains.values()):
        refuse(f"no producer {name!r} was ever registered; see ansvar producers list")
    if any(one.registry.only_controller(name) for one in chains.values()):
        refuse(f"{name!r} is the only producer that may send commands; register another first")

    def gone(registry: Registry) -> bool:
        return name not in registry.producers

    missing = lacking(chains, gone)
    if missing:
        before = max(chains[chain].changes.get(name, 0) for chain in missing)
        control = signed(directory, deployment, RevokeProducer(name), before)
        send_to(directory, lambda _: [(chain, control) for chain in missing], gone)
    done = f"sent to {len(missing)} chains" if missing else "done already; nothing was sent"
    console().print(f"revocation of {name}: {done}")


def _check_words(systems: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    import msgspec

    from ansvar.deployment import CONTROL
    from ansvar.events.key_commands import RegisterProducer
    from ansvar.events.model import EVENT_TYPES

    known = {"*", CONTROL, *(type_.kind for type_ in EVENT_TYPES)}
    if unknown := sorted(set(kinds) - known):
        refuse(f"--kind {unknown[0]!r} is none of {', '.join(sorted(known))}")
    try:
        form = {"name": "x", "key": bytes(32), "systems": systems, "kinds": kinds}
        msgspec.convert(form, RegisterProducer)
    except msgspec.ValidationError as error:
        refuse(f"--system or --kind cannot be registered: {error}")


def _public_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        refuse(f"--public-key is {_KEY_BYTES} bytes of Ed25519 in base64")
    return key


def _kit(directory: DataDirectory, deployment: Deployment, name: str, intake_from: str | None) -> ProducerKit:
    """A kit with a key pair of its own, and the current intake key."""
    from uuid import UUID

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ansvar.emitter.kit import ProducerKit
    from ansvar.epochs import current, statement_path
    from ansvar.keyfiles import read_secret

    stated = current(directory.keys)
    if stated is None:
        refuse("there is no statement of the current intake key yet; run: ansvar init")
    return ProducerKit(
        deployment=UUID(bytes=deployment.id),
        topic=deployment.topic,
        chains=deployment.chains,
        partition_key=read_secret(directory.keys / "partition.key"),
        epoch=stated.epoch,
        intake_key=stated.public_key,
        producer=name,
        signing_key=Ed25519PrivateKey.generate(),
        log_key=(directory.keys / "log-0.vkey").read_text().strip(),
        intake_source=intake_from or str(statement_path(directory.keys)),
    )


def _kit_file(
    directory: DataDirectory, deployment: Deployment, name: str, intake_from: str | None, output: Path
) -> bytes:
    """Write the kit unless a command that was cut off has done so; the producer's public key."""
    from ansvar.emitter.kit import ProducerKit

    if not output.exists():
        _kit(directory, deployment, name, intake_from).write(output)
    kit = ProducerKit.read(output)
    if (kit.producer, kit.deployment.bytes) != (name, deployment.id):
        refuse(f"{output} is another producer's kit and is left as it is; choose another file")
    return kit.signing_key.public_key().public_bytes_raw()


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(commands, name="producers")
