"""The embedded broker with a second listener that asks for TLS and a login, for tests of clients that have to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from certificates import Authority
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from servers import KafkaServer

from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings, load_settings

USER, PASSWORD = "pipeline", "very-secret-7"
JAAS = "org.apache.kafka.common.security"


class SecuredKafka(KafkaServer):
    """Clients use `address`: SASL_SSL, PLAIN and both SCRAMs, for `USER` alone. `mutual_address`: certificates."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.authority = authority
        login, mutual = free_ports(2)
        self.login_address, self.mutual_address = f"127.0.0.1:{login}", f"127.0.0.1:{mutual}"
        super().__init__(folder)
        self.plain_address, self.address = self.address, self.login_address

    def prepare(self, *more: str) -> None:
        """With the listeners and the users."""
        self._add_listeners(self.broker.folder / "store.pem")
        users = [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
        super().prepare(*more, *(word for user in users for word in ("--add-scram", user)))

    def _add_listeners(self, store: Path) -> None:
        store.write_text(self.authority.sign("broker").together)
        properties = dict(
            line.split("=", 1) for line in self.broker.properties_file.read_text().splitlines() if "=" in line
        )
        more = f",LOGIN://{self.login_address},MUTUAL://{self.mutual_address}"
        properties["listeners"] += more
        properties["advertised.listeners"] += more
        properties |= {
            "listener.security.protocol.map":
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.login.plain.sasl.jaas.config":
                f'{JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
            "listener.name.login.scram-sha-256.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            "listener.name.login.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            "listener.name.mutual.ssl.client.auth": "required",
        }  # fmt: skip
        self.broker.properties_file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    def answers(self) -> bool:
        try:
            admin = AdminClient({"bootstrap.servers": self.plain_address, "log_level": 0})
            return bool(admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def login(self, **more: Any) -> dict[str, Any]:
        """Settings of a client that is let in."""
        return {
            "kafka": self.address, "kafka_security": "sasl_ssl", "kafka_sasl_username": USER,
            "kafka_sasl_password": PASSWORD, "kafka_ca": self.authority.certificate,
        } | more  # fmt: skip

    def settings(self, **more: Any) -> Settings:
        """The same, read."""
        return load_settings(**self.login(**more))
