"""What must be set together for TLS and logins: half of it would be found out late, or never."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

LOGIN = ("kafka_sasl_username", "kafka_sasl_password")
FILES = ("kafka_ca", "kafka_certificate", "kafka_key")
USED = {"plaintext": (), "ssl": FILES, "sasl_plaintext": LOGIN, "sasl_ssl": (*LOGIN, *FILES)}
PAIR = ("kafka_certificate", "kafka_key")


def check_kafka(security: str, was_said: bool, given: Collection[str]) -> None:
    """Raise `ValueError` when a setting of `given` is not used under `security`, or one is missing.

    Who says plaintext means it, whatever else stands in `.env`; who says nothing has forgotten it.
    """
    used = USED[security]
    unused = [name for name in given if name not in used]
    if unused and not (security == "plaintext" and was_said):
        fitting = " or ".join(name for name, those in USED.items() if unused[0] in those)
        raise ValueError(
            f"{variable(unused[0])} is set, but CRYPTOVIZ_KAFKA_SECURITY is {security}: set it to {fitting}"
        )
    for name in LOGIN:
        if name in used and name not in given:
            raise ValueError(f"{variable(name)} is not set, which CRYPTOVIZ_KAFKA_SECURITY={security} needs")
    if used and len(there := [name for name in PAIR if name in given]) == 1:
        (lacking,) = set(PAIR) - set(there)
        raise ValueError(f"{variable(there[0])} is set, but {variable(lacking)} is not: they belong together")


def check_readable(files: Mapping[str, Path | None]) -> None:
    """Raise `ValueError` for the first of these files, by setting, that cannot be read."""
    for name, path in files.items():
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            raise ValueError(f"{variable(name)}: cannot read {path}: {error.strerror}") from None


def variable(name: str) -> str:
    """The variable that a setting is read from."""
    return f"CRYPTOVIZ_{name.upper()}"
