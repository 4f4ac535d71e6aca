"""The sweep: what time alone, or looking back, shows of the ledger.

`due` finds it, by the parts `overdue` (subjects), `hindsight` (rows) and `register` (bundle and breaches), as
commands with lasting ids (`recording`); `running` sends them, waits until they are rows, and sets the marks.
"""
