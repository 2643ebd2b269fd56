"""TLS and login of Kafka's clients: librdkafka's options, a context for clients in Python, and what a refusal means."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError

from cryptoviz.errors import UserError
from cryptoviz.settings import Settings


def security_options(settings: Settings) -> dict[str, str]:
    """librdkafka's options; raises `UserError` naming the setting where a file holds something else."""
    options: dict[str, str] = {"security.protocol": settings.kafka_security}
    if settings.kafka_logs_in:
        options |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_sasl_username,
            "sasl.password": settings.kafka_sasl_password.get_secret_value(),
        }
    if settings.kafka_is_encrypted:
        tls_context(settings)
        files = {"ca": settings.kafka_ca, "certificate": settings.kafka_certificate, "key": settings.kafka_key}
        options |= {f"ssl.{name}.location": str(path) for name, path in files.items() if path is not None}
    return options


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The same for clients in Python: certificate and name of the broker are verified, always."""
    context = _trusting(settings.kafka_ca)
    if settings.kafka_certificate is not None:
        try:
            # Without a pass phrase given, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(settings.kafka_certificate, settings.kafka_key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise UserError(
                "CRYPTOVIZ_KAFKA_CERTIFICATE and CRYPTOVIZ_KAFKA_KEY are no certificate with its key "
                f"(PEM, no pass phrase): {settings.kafka_certificate}, {settings.kafka_key}"
            ) from error
    return context


def _trusting(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"CRYPTOVIZ_KAFKA_CA: {authority} holds no certificate (PEM)") from error


def refusal(error: KafkaError, config: Mapping[str, Any]) -> UserError | None:
    """What the user has to mend where Kafka will never let these clients in; None for what may pass.

    A connection that breaks while logging in is reported under the same codes, hence the words.
    """
    where, text = f"Kafka at {config['bootstrap.servers']}", error.str()
    if error.code() == KafkaError._AUTHENTICATION and "Unsupported SASL mechanism" in text:
        return UserError(
            f"{where} does not know {config.get('sasl.mechanism')}: set CRYPTOVIZ_KAFKA_SASL_MECHANISM to one it has"
        )
    if error.code() == KafkaError._AUTHENTICATION and "uthentication failed" in text:
        return UserError(
            f"{where} refuses user {config.get('sasl.username')!r}: "
            "set CRYPTOVIZ_KAFKA_SASL_USERNAME and CRYPTOVIZ_KAFKA_SASL_PASSWORD"
        )
    if error.code() == KafkaError._SSL and "certificate verify failed" in text:
        return UserError(
            f"{where} shows a certificate that is not trusted, or of another name: "
            "set CRYPTOVIZ_KAFKA_CA to the authority that signed it, and CRYPTOVIZ_KAFKA to the name in it"
        )
    return None
