"""Users, passwords and certificates, on a broker that wants them; and what is said when they are wrong."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from mes.bus import Record
from mes.bus.kafka import Connection, KafkaBus
from mes.embedded.kafka import QUICK, KafkaCluster
from mes.embedded.server import HOST, free_port
from mes.errors import Invalid, Unavailable
from mes.i18n import LANGUAGES, t


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """ca.pem, and one certificate with its key for the broker and one for us, both signed by it."""
    subject = ("-subj", "/CN=test ca")
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", *subject)
    (folder / "names").write_text(f"subjectAltName=IP:{HOST}\n", encoding="ascii")
    for name in ("broker", "client"):
        key, request, signed = f"{name}.key", f"{name}.csr", f"{name}.pem"
        openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", request, "-out", signed, *signer)
    both = (folder / "broker.key").read_text() + (folder / "broker.pem").read_text()
    (folder / "broker.both.pem").write_text(both)


@dataclass
class Guarded:
    """A broker with a listener for passwords over TLS and one for certificates."""

    scram: Connection
    mutual: Connection
    folder: Path


@pytest.fixture(scope="module")
def guarded(can_run_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("secure")
    make_certificates(folder)
    scram, mutual = free_port(), free_port()
    listeners = f"PLAINTEXT://{HOST}:{{port}},SCRAM://{HOST}:{scram},MUTUAL://{HOST}:{mutual}"
    protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MUTUAL:SSL"
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings = {
        **QUICK,
        "listeners": f"{listeners},CONTROLLER://{HOST}:{{controller_port}}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": protocols,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": module,
    }
    user = ("--add-scram", "SCRAM-SHA-512=[name=mes,password=s3cret-车间]")
    cluster = KafkaCluster(folder / "kafka", settings=settings, format_arguments=user)
    cluster.start()
    ca = folder / "ca.pem"
    yield Guarded(
        Connection(f"{HOST}:{scram}", "sasl_ssl", username="mes", password="s3cret-车间", ca_file=ca),
        Connection(f"{HOST}:{mutual}", "ssl", "", "", "", ca, folder / "client.pem", folder / "client.key"),
        folder,
    )
    cluster.stop(kill=True)


async def works(connection: Connection, topic: str) -> None:
    bus = KafkaBus(connection, patience=0)
    await bus.start()
    try:
        await bus.append([Record(topic, "k", b"x", {})])
        member = await bus.subscribe(topic, [topic])
        batch = await member.fetch(limit=1, wait=10)
        assert [each.value for records in batch.values() for each in records] == [b"x"]
    finally:
        await bus.close()


async def refusal(connection: Connection) -> Unavailable:
    """What `start` says; in every language it is a sentence with the address in it."""
    bus = KafkaBus(connection, patience=0)
    try:
        with pytest.raises(Unavailable) as refused:
            await bus.start()
    finally:
        await bus.close()
    for language in LANGUAGES:
        assert connection.bootstrap in t(refused.value.code, language, **refused.value.params)
    return refused.value


async def test_a_user_with_a_password_over_tls(guarded: Guarded) -> None:
    await works(guarded.scram, "scram")


async def test_a_certificate_of_our_own(guarded: Guarded) -> None:
    await works(guarded.mutual, "mutual")


async def test_a_wrong_password_is_refused(guarded: Guarded) -> None:
    assert (await refusal(replace(guarded.scram, password="wrong"))).code == "kafka.refused"


async def test_without_the_certificate_we_are_refused(guarded: Guarded) -> None:
    assert (await refusal(replace(guarded.mutual, cert_file=None, key_file=None))).code == "kafka.refused"


async def test_a_broker_that_nobody_vouches_for_is_named_so(guarded: Guarded) -> None:
    refused = await refusal(replace(guarded.scram, ca_file=guarded.folder / "client.pem"))
    assert refused.code == "kafka.tls"
    assert "certificate" in refused.params["reason"].lower()


async def test_tls_where_there_is_none_is_named_so(kafka: str) -> None:
    assert (await refusal(Connection(kafka, "ssl"))).code == "kafka.tls"


async def test_nobody_there_is_named_so() -> None:
    assert (await refusal(Connection(f"{HOST}:{free_port()}"))).code == "kafka.unreachable"


async def test_something_else_there_is_named_so() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0) as other:
        refused = await refusal(Connection(f"{HOST}:{other.sockets[0].getsockname()[1]}"))
    assert refused.code == "kafka.refused"


async def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as wrong:
        Connection("x:1", "ssl", ca_file=tmp_path / "none.pem").options()
    assert "none.pem" in t(wrong.value.code, "en", **wrong.value.params)
