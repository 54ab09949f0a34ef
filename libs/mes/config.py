"""Settings of a process, read from the environment (prefix `MES_`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that differs between two installations. Times are real seconds unless said."""

    model_config = SettingsConfigDict(env_prefix="MES_", frozen=True)

    home: Path | None = Field(default=None, description="where data lives; default: the user's data folder")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, description="port to listen on")
    site: str = Field(default="main", description="code of the site this deployment serves by default")
    lang: str = Field(default="zh-CN", description="language where the reader names none")
    time_zone: str = Field(default="Asia/Shanghai", description="IANA zone of the site")

    drain_s: float = Field(
        default=0.0,
        description="told to stop, a process says so long that it is not ready before it stops to answer: as long as a "
        "balancer in front needs to notice",
    )

    database_url: str = Field(
        default="",
        description="PostgreSQL address with {service} in the place of database and role, and {password} where one is "
        "needed; empty: the embedded server",
    )
    database_password: str = Field(default="", description="fills {password} in the database address")
    pool_size: int = Field(default=10, description="most connections of a service to its database")

    bus: Literal["postgres", "kafka"] = Field(default="postgres", description="what carries the events")
    partitions: int = Field(default=4, description="partitions of a topic when it is made")
    topic_prefix: str = Field(default="mes", description="first part of every topic's name")

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="brokers, host:port,…")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="protocol of the brokers' listener; ssl with a certificate of ours is mTLS"
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        default="SCRAM-SHA-512", description="how the user is authenticated"
    )
    kafka_username: str = Field(default="", description="user for SASL")
    kafka_password: str = Field(default="", description="its password", repr=False)
    kafka_ca_file: Path | None = Field(default=None, description="PEM of who signed the brokers' certificates")
    kafka_cert_file: Path | None = Field(default=None, description="PEM of our own certificate, for mTLS")
    kafka_key_file: Path | None = Field(default=None, description="PEM of its key, if it is not in the same file")
    kafka_replication: int = Field(default=1, description="copies of a topic when it is made; 3 where there are 3")
    kafka_retention_ms: int = Field(default=-1, description="how long a topic made by us keeps records; -1: for ever")
    kafka_session_s: float = Field(default=10.0, description="after so long a silent member has lost its partitions")
    kafka_instance_id: str = Field(
        default="",
        description="name of this process in its groups, unique and the same after a restart (a StatefulSet's pod); "
        "empty: none, and a restart shares the partitions out anew",
    )

    clock_factor: float = Field(default=1.0, description="business seconds per real second, for a new installation")
    clock_pinned: bool = Field(default=False, description="business time is real time, and nobody may change it")
    clock_start: str = Field(default="", description="business time of the first start, ISO 8601; empty: now")

    consumer_tries: int = Field(default=3, description="tries of an event before its key is parked")
    consumer_batch: int = Field(default=200, description="most events of one partition in one transaction")
    watchdog_s: float = Field(
        default=60.0,
        ge=0,
        description="a consumer for which records wait, and none takes effect, joins its group again after so long; "
        "after as long again its process is not ready; 0: never",
    )
    inbox_enabled: bool = Field(default=True, description="only the fault tests' control switches it off")
    crash_at: str = Field(default="", description="point at which to die, see mes.crash; only fault tests set it")
    log_level: str = Field(default="INFO", description="level of the log on standard error")
    log_format: Literal["json", "text"] = Field(default="json", description="form of the log")

    def service_url(self, service: str) -> str:
        """Address of one service's database, for SQLAlchemy's asyncpg dialect."""
        return self.database_url.format(service=service, password=self.database_password)

    @property
    def log_dsn(self) -> str:
        """Address of the database that all processes share, as libpq has it."""
        return self.service_url("log").replace("postgresql+asyncpg://", "postgresql://")
