"""How to reach Kafka: one frozen value that every client of ours is built from.

Invariants: a secret comes from a file that only its owner can read, never from an argument or an
environment variable (those show in process lists and crash reports), and never appears in an error or in
`repr`. Validation happens when the settings are made; `client_options` reads the secrets, so a rotated
file is picked up by the next client. No client is made here.

Left to others: topics (`ansvar.enforcement.topics`), batches and delivery (the emitter), Faust's own form
of these options (`ansvar.enforcement`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from aiokafka.helpers import create_ssl_context

from ansvar.emitter.errors import EmitterError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"

# A sealed batch is about 1 MiB by default, but 1,000 events of 32 KiB (32,000 KiB of JSON, fewer of Avro)
# are legal in one record; the rest is headroom for headers, the authentication tag and Kafka's own framing.
MAX_RECORD_BYTES = 34 * 1024 * 1024


class KafkaSettingsError(EmitterError):
    """A Kafka setting is missing, contradictory, or names a file that cannot be used."""


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Kafka is and how to prove who we are.

    `bootstrap` is `host:port`, several separated by commas. Raises `KafkaSettingsError` when the parts do
    not fit together. Files are named, not read, until `client_options`.
    """

    bootstrap: str = DEFAULT_BOOTSTRAP
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None

    def __post_init__(self) -> None:
        _check_bootstrap(self.bootstrap)
        _check_word("ANSVAR_KAFKA_SECURITY_PROTOCOL", self.security_protocol, get_args(SecurityProtocol))
        if self.sasl_mechanism is not None:
            _check_word("ANSVAR_KAFKA_SASL_MECHANISM", self.sasl_mechanism, get_args(SaslMechanism))
        _check_sasl(self)
        _check_ssl(self)

    @property
    def servers(self) -> list[str]:
        """The bootstrap servers, each `host:port`."""
        return [part.strip() for part in self.bootstrap.split(",")]

    def sasl_password(self) -> str | None:
        """The password, read from its file now; None without SASL."""
        return None if self.sasl_password_file is None else read_secret(self.sasl_password_file)

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for any aiokafka client (producer, consumer, admin).

        Reads the secret files. Raises `KafkaSettingsError` if one is missing or open to others.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = self._ssl_context()
        if self.sasl_mechanism is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password()
        return options

    def _ssl_context(self) -> Any:
        if self.ssl_keyfile is not None:
            require_owner_only(self.ssl_keyfile)
        for path in (self.ssl_cafile, self.ssl_certfile):
            if path is not None and not path.is_file():
                raise KafkaSettingsError(
                    f"the TLS file {path} does not exist; correct its ANSVAR_KAFKA_SSL_* setting"
                )
        try:
            return create_ssl_context(
                cafile=_text(self.ssl_cafile),
                certfile=_text(self.ssl_certfile),
                keyfile=_text(self.ssl_keyfile),
            )
        except OSError as error:  # ssl.SSLError is one
            raise KafkaSettingsError(
                f"the TLS files for Kafka cannot be used ({error.strerror or type(error).__name__}); "
                "they must be PEM, and the key must belong to the certificate and carry no pass phrase"
            ) from error


def settings_from_environment(environment: Mapping[str, str] | None = None) -> KafkaSettings:
    """Settings from `ANSVAR_KAFKA` (the bootstrap servers) and `ANSVAR_KAFKA_*`.

    The names: `ANSVAR_KAFKA_SECURITY_PROTOCOL`, `..._SASL_MECHANISM`, `..._SASL_USERNAME`,
    `..._SASL_PASSWORD_FILE`, `..._SSL_CAFILE`, `..._SSL_CERTFILE`, `..._SSL_KEYFILE`. An empty value is an
    absent one. Raises `KafkaSettingsError`, also for a name that looks like ours and is not, so that a
    misspelt security setting cannot be passed over in silence.
    """
    source = os.environ if environment is None else environment
    unknown = sorted(name for name in source if name.startswith("ANSVAR_KAFKA_") and name not in _FIELDS)
    if unknown:
        raise KafkaSettingsError(
            f"unknown setting {', '.join(unknown)}; known are {', '.join(_FIELDS)}"
            + ("; a password is given by file" if "ANSVAR_KAFKA_SASL_PASSWORD" in unknown else "")
        )
    given: dict[str, Any] = {field: source[name] for name, field in _FIELDS.items() if source.get(name)}
    for field in ("sasl_password_file", "ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        if field in given:
            given[field] = Path(given[field]).expanduser()
    return KafkaSettings(**given)


_FIELDS = {
    "ANSVAR_KAFKA": "bootstrap",
    "ANSVAR_KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "ANSVAR_KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "ANSVAR_KAFKA_SASL_USERNAME": "sasl_username",
    "ANSVAR_KAFKA_SASL_PASSWORD_FILE": "sasl_password_file",
    "ANSVAR_KAFKA_SSL_CAFILE": "ssl_cafile",
    "ANSVAR_KAFKA_SSL_CERTFILE": "ssl_certfile",
    "ANSVAR_KAFKA_SSL_KEYFILE": "ssl_keyfile",
}


def require_owner_only(path: Path) -> None:
    """Raise `KafkaSettingsError` unless `path` is a regular file that neither group nor others can touch."""
    try:
        status = path.stat()
    except OSError as error:
        raise KafkaSettingsError(f"the secret file {path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise KafkaSettingsError(f"the secret file {path} is not a regular file")
    if status.st_mode & 0o077:
        raise KafkaSettingsError(
            f"the secret file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"run: chmod 600 {path}"
        )


def read_secret(path: Path) -> str:
    """The first line of a secret file. Raises `KafkaSettingsError` if it is open to others or empty."""
    require_owner_only(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        # `from None`: a decoding error carries the bytes that it could not decode.
        raise KafkaSettingsError(f"the secret file {path} cannot be read as UTF-8 text") from None
    if not lines or not lines[0]:
        raise KafkaSettingsError(f"the secret file {path} is empty; its first line must be the secret")
    return lines[0]


def _check_bootstrap(bootstrap: str) -> None:
    for server in bootstrap.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
            raise KafkaSettingsError(
                f"{server.strip()!r} in the Kafka bootstrap servers is not host:port; "
                "write for example ANSVAR_KAFKA=broker-1:9092,broker-2:9092"
            )


def _check_word(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise KafkaSettingsError(f"{name} is {value!r}; it must be one of {', '.join(known)}")


def _check_sasl(settings: KafkaSettings) -> None:
    parts = (settings.sasl_mechanism, settings.sasl_username, settings.sasl_password_file)
    if settings.security_protocol.startswith("SASL_"):
        if any(part is None for part in parts):
            raise KafkaSettingsError(
                f"{settings.security_protocol} needs ANSVAR_KAFKA_SASL_MECHANISM, "
                "ANSVAR_KAFKA_SASL_USERNAME and ANSVAR_KAFKA_SASL_PASSWORD_FILE"
            )
    elif any(part is not None for part in parts):
        raise KafkaSettingsError(
            f"SASL settings are given, but the security protocol is {settings.security_protocol}; "
            "set ANSVAR_KAFKA_SECURITY_PROTOCOL to SASL_SSL"
        )


def _check_ssl(settings: KafkaSettings) -> None:
    parts = (settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile)
    if not settings.security_protocol.endswith("SSL") and any(part is not None for part in parts):
        raise KafkaSettingsError(
            f"TLS files are given, but the security protocol is {settings.security_protocol}; "
            "set ANSVAR_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"
        )
    if (settings.ssl_certfile is None) != (settings.ssl_keyfile is None):
        raise KafkaSettingsError("ANSVAR_KAFKA_SSL_CERTFILE and ANSVAR_KAFKA_SSL_KEYFILE go together")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
