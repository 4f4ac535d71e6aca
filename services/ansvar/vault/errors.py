"""What can go wrong with the vault."""

from __future__ import annotations


class VaultError(Exception):
    """Root of this room. No message holds an identifier, a reference or a key."""


class VaultUnavailable(VaultError):
    """The vault's database did not answer; the same call may succeed later."""


class EffectsMoved(VaultError):
    """Another worker carried out effects of this chain: ours is not the owner's position any more."""
