"""Planted breaches, by chapter of the policy. Importing this package fills the registry."""

from ansvar.sample.plants import (
    bases,
    clocks,
    keeping,
    marketing,
    profiles,
    purposes,
    recipients,
    rights,
    systems,
    times,
    transfers,
)
from ansvar.sample.plants.registry import REGISTERED, Plant

PLANTS: tuple[Plant, ...] = tuple(REGISTERED)

__all__ = [
    "PLANTS",
    "Plant",
    "bases",
    "clocks",
    "keeping",
    "marketing",
    "profiles",
    "purposes",
    "recipients",
    "rights",
    "systems",
    "times",
    "transfers",
]
