"""Kafka settings: what fits together, and secrets that only their owner can read."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from ansvar.emitter.kafka import (
    MAX_RECORD_BYTES,
    KafkaSettings,
    KafkaSettingsError,
    read_secret,
    settings_from_environment,
)

SECRET = "correct horse"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_nothing_set_is_a_plain_broker_on_this_machine() -> None:
    assert settings_from_environment({}) == KafkaSettings()
    assert KafkaSettings().client_options() == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
    }


def test_a_full_environment(password_file: Path) -> None:
    settings = settings_from_environment(
        {
            "ANSVAR_KAFKA": "one:9092, [::1]:9093",
            "ANSVAR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "ANSVAR_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "ANSVAR_KAFKA_SASL_USERNAME": "ansvar",
            "ANSVAR_KAFKA_SASL_PASSWORD_FILE": str(password_file),
            "ANSVAR_KAFKA_SSL_CAFILE": "",
            "PATH": "/bin",
        }
    )
    options = settings.client_options()
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": ["one:9092", "[::1]:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ansvar",
        "sasl_plain_password": SECRET,
    }
    assert SECRET not in repr(settings)


def test_a_renewed_password_is_read_by_the_next_client(password_file: Path) -> None:
    settings = KafkaSettings(
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="ansvar",
        sasl_password_file=password_file,
    )
    assert settings.client_options()["sasl_plain_password"] == SECRET
    password_file.write_text("renewed")
    assert settings.client_options()["sasl_plain_password"] == "renewed"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ANSVAR_KAFKA": "broker"}, "host:port"),
        ({"ANSVAR_KAFKA": "broker:"}, "host:port"),
        ({"ANSVAR_KAFKA": ":9092"}, "host:port"),
        ({"ANSVAR_KAFKA": "broker:65536"}, "host:port"),
        ({"ANSVAR_KAFKA": "broker:9092,"}, "host:port"),
        ({"ANSVAR_KAFKA": "broker:٩"}, "host:port"),
        ({"ANSVAR_KAFKA_SECURITY_PROTOCOL": "TLS"}, "must be one of PLAINTEXT, SSL"),
        ({"ANSVAR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs ANSVAR_KAFKA_SASL_MECHANISM"),
        ({"ANSVAR_KAFKA_SASL_MECHANISM": "GSSAPI"}, "must be one of PLAIN"),
        ({"ANSVAR_KAFKA_SASL_USERNAME": "ansvar"}, "set ANSVAR_KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
        ({"ANSVAR_KAFKA_SSL_CAFILE": "/ca.pem"}, "set ANSVAR_KAFKA_SECURITY_PROTOCOL to SSL"),
        (
            {"ANSVAR_KAFKA_SECURITY_PROTOCOL": "SSL", "ANSVAR_KAFKA_SSL_CERTFILE": "/cert.pem"},
            "go together",
        ),
        ({"ANSVAR_KAFKA_SECURITY_PROTOCOLL": "SSL"}, "unknown setting ANSVAR_KAFKA_SECURITY_PROTOCOLL"),
        ({"ANSVAR_KAFKA_SASL_PASSWORD": SECRET}, "given by file"),
    ],
)
def test_what_does_not_fit_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(KafkaSettingsError) as raised:
        settings_from_environment(environment)
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_secret_that_others_can_touch_is_refused(password_file: Path, mode: int) -> None:
    password_file.chmod(mode)
    with pytest.raises(KafkaSettingsError, match=f"{mode:04o}.*chmod 600"):
        read_secret(password_file)


@pytest.mark.parametrize("content", [b"", b"\n", b"\nsecond line", b"\xff\xfe"])
def test_a_secret_file_without_a_secret(password_file: Path, content: bytes) -> None:
    password_file.write_bytes(content)
    with pytest.raises(KafkaSettingsError) as raised:
        read_secret(password_file)
    assert raised.value.__cause__ is None  # a decoding error would carry the bytes


def test_a_secret_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(KafkaSettingsError, match="No such file"):
        read_secret(tmp_path / "absent")
    with pytest.raises(KafkaSettingsError, match="not a regular file"):
        read_secret(tmp_path)


def test_tls_files_are_checked_when_a_client_is_made(tmp_path: Path) -> None:
    settings = KafkaSettings(security_protocol="SSL", ssl_cafile=tmp_path / "ca.pem")
    with pytest.raises(KafkaSettingsError, match=r"ca\.pem does not exist"):
        settings.client_options()
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(KafkaSettingsError, match="must be PEM"):
        settings.client_options()


def test_an_open_tls_key_is_refused(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o644)
    settings = KafkaSettings(
        security_protocol="SSL", ssl_certfile=tmp_path / "cert.pem", ssl_keyfile=tmp_path / "key.pem"
    )
    with pytest.raises(KafkaSettingsError, match=r"key\.pem is open to others"):
        settings.client_options()


def test_the_largest_record_holds_a_thousand_of_the_largest_events() -> None:
    assert MAX_RECORD_BYTES > 1000 * 32 * 1024 + 64 * 1024
