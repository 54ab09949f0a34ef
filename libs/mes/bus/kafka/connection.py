"""How brokers are reached, and what is wrong when they are not: aiokafka gives one error for every reason."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mes.config import Settings
from mes.errors import Invalid, Unavailable

# A request that takes longer has lost its broker. (aiokafka's own 40 s are too long for a shop floor.)
REQUEST_SECONDS = 10.0
_PROBE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses (`host:port,...`) and credentials. security: plaintext, ssl, sasl_plaintext or sasl_ssl; with a
    certificate of our own (cert_file) ssl is mTLS."""

    bootstrap: str
    security: str = "plaintext"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Connection:
        """What the settings `kafka_...` say."""
        return cls(
            settings.kafka_bootstrap,
            settings.kafka_security,
            settings.kafka_sasl_mechanism,
            settings.kafka_username,
            settings.kafka_password,
            settings.kafka_ca_file,
            settings.kafka_cert_file,
            settings.kafka_key_file,
        )

    def options(self) -> dict[str, Any]:
        """Keywords that every client of aiokafka takes. Raises Invalid when a certificate cannot be used."""
        found: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security.upper(),
            "ssl_context": self._ssl_context(),
        }
        if self.security.startswith("sasl"):
            found["sasl_mechanism"] = self.sasl_mechanism
            found["sasl_plain_username"] = self.username
            found["sasl_plain_password"] = self.password
        return found

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security.endswith("ssl"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            files = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file)
            raise Invalid("kafka.certificate", files=files, reason=str(error)) from error
        return context

    async def explain(self, error: BaseException) -> Unavailable:
        """Why no broker could be used, found out step by step: does something listen, is TLS agreed on."""
        context = self._ssl_context()
        reason: BaseException = error
        for server in self.bootstrap.split(","):
            host, _, port = server.strip().rpartition(":")
            try:
                await _connect(host, port, None)
            except (OSError, ValueError, TimeoutError) as refused:
                reason = refused
                continue
            if context is not None:
                try:
                    await _connect(host, port, context)
                except (OSError, TimeoutError) as failed:
                    return Unavailable("kafka.tls", servers=self.bootstrap, reason=str(failed) or repr(failed))
            return Unavailable("kafka.refused", servers=self.bootstrap, security=self.security, reason=str(error))
        return Unavailable("kafka.unreachable", servers=self.bootstrap, reason=str(reason) or repr(reason))


async def _connect(host: str, port: str, context: ssl.SSLContext | None) -> None:
    async with asyncio.timeout(_PROBE_SECONDS):
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
