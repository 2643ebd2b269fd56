from __future__ import annotations

import json
import logging
import time
from threading import Event

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from local_http import Asked, LocalHttp, Reply

from cryptoviz.settings import Settings
from producers.failures import Stopped
from producers.stored import last_stored

SETTINGS = Settings()


def _raises(error: Exception):
    def query(_: Settings) -> dict[tuple[str, str], int]:
        raise error

    return query


@pytest.mark.parametrize("code", [60, 81])
def test_a_missing_table_or_database_means_that_nothing_is_stored(code: int) -> None:
    assert last_stored(SETTINGS, Event(), 30, _raises(DatabaseError("?", code=code))) == {}


def test_a_clickhouse_that_does_not_answer_is_waited_for_and_then_done_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started = time.monotonic()
    assert last_stored(SETTINGS, Event(), 1.5, _raises(OperationalError("http://u:secret@host"))) == {}
    assert 1.5 <= time.monotonic() - started < 20
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "127.0.0.1:8123" in caplog.text
    assert "secret" not in caplog.text


def test_waiting_for_clickhouse_ends_with_the_process() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        last_stored(SETTINGS, stop, 30, _raises(OperationalError("down")))


def test_it_goes_on_as_soon_as_clickhouse_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = iter([OperationalError("down"), {("binance", "BTC"): 5}])

    def query(_: Settings) -> dict[tuple[str, str], int]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert last_stored(SETTINGS, Event(), 30, query) == {("binance", "BTC"): 5}


def test_a_server_that_is_not_clickhouse_is_treated_as_none(server: LocalHttp) -> None:
    def refuse(_: Asked) -> Reply:
        return Reply(json.dumps({"oops": 1}).encode(), 500)

    server.answer = refuse
    settings = Settings(clickhouse_url=server.url)
    assert last_stored(settings, Event(), 0) == {}
