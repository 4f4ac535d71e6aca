"""What a data directory's chains judge by, for the commands about policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ansvar.cli.ledger import opened
from ansvar.cli.options import refuse
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.policies import InForce
    from ansvar.policy.bundle import Bundle


def policies_of(directory: DataDirectory) -> list[InForce]:
    """The policy of every chain that is fed from Kafka; no bundle is read for it."""
    return _read(directory, lambda policies: [])[0]


def with_bundles(directory: DataDirectory) -> tuple[list[InForce], dict[str, Bundle]]:
    """The policy of every chain, and all bundles that are in force, by their SHA-256 (hex)."""
    policies, found = _read(directory, lambda policies: policies)
    return policies, dict(zip((p.bundle for p in policies), found, strict=True))


def active(directory: DataDirectory, nothing: str) -> tuple[list[InForce], Bundle]:
    """The policy of every chain, and the bundle of the last; before the first row `nothing` is said."""
    policies, found = _read(directory, lambda policies: policies[-1:])
    if not policies:
        refuse(nothing)
    return policies, found[0]


def _read(
    directory: DataDirectory, wanted: Callable[[list[InForce]], list[InForce]]
) -> tuple[list[InForce], list[Bundle]]:
    from ansvar.accountability.policies import in_force
    from ansvar.enforcement.wiring import bundles
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.ledger import LedgerStore

    with opened(directory) as store:
        policies, bundle = in_force(LedgerStore(store)), bundles(Catalogue(store))
        return policies, [bundle(bytes.fromhex(one.bundle)) for one in wanted(policies)]
