"""What can go wrong between Ansvar and ClickHouse."""

from __future__ import annotations


class StoreError(Exception):
    """Root of this room. The text says what was asked and what the database answered, never row contents."""


class StoreUnavailable(StoreError):
    """The database could not be reached or could not answer now; the same call may succeed later."""


class SchemaMismatch(StoreError):
    """The database holds tables or migrations other than the ones this version knows."""


class UnknownBundle(StoreError):
    """A policy bundle that a row names is not in the content-addressed table."""
