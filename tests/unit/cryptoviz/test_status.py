from __future__ import annotations

from rich.console import Console

from cryptoviz.cli.status import ages_table, duration, lag_table, parts_table, rows_table, summary
from cryptoviz.running import Part, parts, settings_of, stack_health
from cryptoviz.settings import load_settings
from cryptoviz.status import Status, gather, mean_forecast_seconds
from processors.sink_rows import TOPICS as SINK_TOPICS

NOWHERE = {
    "health_port": 1, "kafka": "127.0.0.1:1", "clickhouse_url": "http://127.0.0.1:1", "producer_port": 1,
    "worker_port": 1, "sink_port": 1, "grafana_port": 1,
}  # fmt: skip


def test_with_everything_down_it_still_says_what_is_down() -> None:
    found = gather(load_settings(**NOWHERE), now_s=lambda: 5.0)
    assert not found.ok
    assert found.at == 5.0
    assert {part.name for part in found.parts if not part.up} == {
        "kafka", "clickhouse", "produce", "worker-1", "sink", "grafana",
    }  # fmt: skip
    assert [line for line in found.problems if "sink is down" in line]
    assert not [line for line in found.problems if "grafana" in line]
    assert found.as_json()["ok"] is False


def test_without_a_stack_there_is_no_health() -> None:
    assert stack_health(load_settings(health_port=1)) is None


def test_the_addresses_of_a_running_stack_are_taken_from_its_health() -> None:
    health = {"parts": {}, "kafka": "127.0.0.1:4", "clickhouse": "http://127.0.0.1:5"}
    found = settings_of(load_settings(), health)
    assert (found.kafka, found.clickhouse_url, found.clickhouse_user) == (
        "127.0.0.1:4", "http://127.0.0.1:5", "analyst",
    )  # fmt: skip
    told = load_settings(clickhouse_password="x")
    assert settings_of(told, health) is told


def test_the_state_of_the_parts_is_what_the_supervisor_says() -> None:
    health = {"parts": {"sink": {"state": "ready", "address": None}, "worker-1": {"state": "restarting"}}}
    assert parts(load_settings(), health) == [
        Part("sink", True, "ready", ""), Part("worker-1", False, "restarting", ""),
    ]  # fmt: skip


def test_the_mean_time_of_a_forecast_is_over_all_workers() -> None:
    one = "# HELP x\ncryptoviz_forecast_seconds_count 3.0\ncryptoviz_forecast_seconds_sum 0.3\n"
    two = "cryptoviz_forecast_seconds_count 1.0\ncryptoviz_forecast_seconds_sum 0.5\n"
    assert mean_forecast_seconds([one, two]) == 0.2
    assert mean_forecast_seconds(["cryptoviz_forecast_seconds_count 0.0\n"]) is None
    assert mean_forecast_seconds([]) is None


def test_the_sinks_lag_is_asked_of_the_topics_the_sink_reads() -> None:
    from cryptoviz.status import GROUPS, SINK_GROUP

    assert sorted(GROUPS[SINK_GROUP]) == sorted(SINK_TOPICS)


def test_the_tables_show_what_was_found() -> None:
    found = Status(
        0.0, [Part("kafka", True, "ready", "127.0.0.1:9092")], {"cryptoviz-sink": {"bars": 1200, "stats": 0}},
        {"BTC": {"binance": 4.25, "coingecko": 1300.0}, "ETH": {"coingecko": 7.0}}, 17280, 12, 3, {"quotes": 1234567},
        0.0125, 11.0,
    )  # fmt: skip
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        for table in (parts_table(found), rows_table(found), lag_table(found), ages_table(found)):
            console.print(table)
    shown = captured.get()
    for piece in ("127.0.0.1:9092", "1,234,567", "1,200", "4.2 s", "22 min", "-"):
        assert piece in shown
    assert summary(found) == [
        "17,280 points (bars) in 24 h, 12 assets, 3 sources",
        "a computation with forecasts takes 12.5 ms on average",
        "forecasts are filed 11.0 s after their last bar ends (median)",
        "everything that was asked is up",
    ]


def test_durations_are_said_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.05, 119, 120, 7200, 200_000)] == [
        "0.1 s", "119.0 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip
