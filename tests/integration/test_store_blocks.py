"""An append is one block, whatever the server's own settings are."""

from __future__ import annotations

from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from rows import company_chain, sealed


def test_settings_that_cut_inserts_do_not_cut_an_append(store: Store) -> None:
    for setting in ("max_block_size", "min_insert_block_size_rows", "max_insert_block_size"):
        store.command(f"SET {setting} = 100")
    store.command("SET min_insert_block_size_bytes = 1000")
    store.command("SYSTEM STOP MERGES {database}.ledger")

    def parts(table: str) -> list[int]:
        found = store.query(
            "SELECT rows FROM system.parts WHERE database = {d:String} AND table = {t:String}",
            {"d": store.database, "t": table},
        )
        return sorted(rows for (rows,) in found)

    LedgerStore(store).append(0, 0, b"".join(sealed(company_chain(0, 1000))))
    assert parts("ledger") == [1000]
    # the settings do cut an insert that says nothing of blocks
    store.command("CREATE TABLE {database}.cut (a UInt64) ENGINE = MergeTree ORDER BY a")
    store.command("SYSTEM STOP MERGES {database}.cut")
    store.command("INSERT INTO {database}.cut SELECT number FROM numbers(1000)")
    assert len(parts("cut")) > 1
