"""Planted breaches, by chapter of the policy. Importing this package fills the registry."""

from ansvar.sample.plants import bases, marketing, purposes, recipients, transfers
from ansvar.sample.plants.registry import REGISTERED, Plant

PLANTS: tuple[Plant, ...] = tuple(REGISTERED)

__all__ = ["PLANTS", "Plant", "bases", "marketing", "purposes", "recipients", "transfers"]
