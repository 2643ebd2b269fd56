from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError

from cryptoviz.clickhouse import connect, judged
from cryptoviz.errors import Retryable, UserError
from cryptoviz.settings import load_settings

REFUSED = OperationalError(
    "Error HTTPConnectionPool(...): (Caused by NewConnectionError('x: [Errno 111] Connection refused'))"
)


@pytest.mark.parametrize(
    "error",
    [REFUSED, ConnectionResetError("reset"), DatabaseError("Code: 241", code=241), DatabaseError("502 Bad Gateway")],
)
def test_what_passes_is_worth_waiting_for(error: Exception) -> None:
    assert isinstance(judged(error, load_settings()), Retryable)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (DatabaseError("x", code=60), "cryptoviz migrate"),
        (DatabaseError("x", code=81), "cryptoviz migrate"),
        (DatabaseError("x", code=516), "CRYPTOVIZ_CLICKHOUSE_USER"),
        (DatabaseError("Not enough privileges", code=497), "Not enough privileges"),
        (DataError("cannot be written"), "cannot be written"),
    ],
)
def test_what_would_come_back_is_for_the_user(error: Exception, says: str) -> None:
    decision = judged(error, load_settings())
    assert isinstance(decision, UserError)
    assert says in str(decision)
    assert "\n" not in str(decision)


def test_an_outage_is_said_in_the_words_of_the_operating_system() -> None:
    said = "ClickHouse at http://127.0.0.1:8123 is not available: Connection refused"
    assert str(judged(REFUSED, load_settings())) == said


def test_a_server_that_is_not_there_is_retryable() -> None:
    with pytest.raises(Retryable, match="Connection refused"):
        connect(load_settings(clickhouse_url="http://127.0.0.1:1"))


@pytest.mark.parametrize("url", ["localhost:8123", "ftp://x", "http://"])
def test_an_address_that_is_none_is_one_clear_line(url: str) -> None:
    with pytest.raises(UserError, match="CRYPTOVIZ_CLICKHOUSE_URL"):
        connect(load_settings(clickhouse_url=url))
