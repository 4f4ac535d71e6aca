"""A real ClickHouse in process for the tests of this directory that ask for it."""

from __future__ import annotations

from stores import engine as engine
from stores import new_store as new_store
from stores import store as store
