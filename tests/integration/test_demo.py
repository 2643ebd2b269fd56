"""The demo as its users meet it: quotes of every asset, forecasts soon, read by curl, by Python and from the topic."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import clickhouse_connect
import orjson
import pytest
from confluent_kafka import Consumer
from independent import MODELS as DEFINED
from jsonschema import Draft202012Validator
from stacks import READY_WITHIN_S, Up, command, up
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.messages import Prediction, schema_of
from processors.models import MODELS
from producers.sources import SOURCES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
FORECASTS = 12 * len(DEFINED) * 3
WITHIN_S = 240  # a minute where the machine has nothing else to do


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with up(tmp_path_factory.mktemp("demo")) as stack:
        stack.wait_until_well()
        yield stack


def _curl(demo: Up, query: str) -> str:
    """What `curl` gets on the ClickHouse port, without a user or a password."""
    address = f"http://127.0.0.1:{demo.environment['CRYPTOVIZ_CLICKHOUSE_PORT']}/?{urlencode({'query': query})}"
    with urlopen(address, timeout=20) as answer:
        return str(answer.read().decode().strip())


def _say(demo: Up, *arguments: str) -> Any:
    address = f"127.0.0.1:{demo.environment['CRYPTOVIZ_KAFKA_PORT']}"
    clickhouse = f"http://127.0.0.1:{demo.environment['CRYPTOVIZ_CLICKHOUSE_PORT']}"
    env = demo.environment | {"CRYPTOVIZ_KAFKA": address, "CRYPTOVIZ_CLICKHOUSE_URL": clickhouse}
    done = subprocess.run(command(*arguments), env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_quotes_of_every_asset_come_from_every_source_that_lists_it(demo: Up) -> None:
    wanted = {(source, entry.asset) for source in SOURCES for entry in AssetRegistry().feeding(source)}

    def seen() -> bool:
        rows = _curl(demo, "SELECT DISTINCT source, asset FROM crypto.quotes WHERE origin = 'live'").splitlines()
        return {tuple(row.split("\t")) for row in rows} == wanted

    wait_until(seen, READY_WITHIN_S, "live quotes of every asset at every source", every_s=0.5)


def test_four_forecasts_per_asset_and_horizon_are_there_for_all_and_readable_in_three_ways(demo: Up) -> None:
    query = (
        f"SELECT count() FROM crypto.predictions WHERE source = 'all' AND forecast IS NOT NULL AND model IN {DEFINED} "
        "AND made_at = (SELECT max(made_at) FROM crypto.predictions WHERE source = 'all')"
    )
    wait_until(
        lambda: int(_curl(demo, query)) == FORECASTS, WITHIN_S, "four forecasts per asset and horizon", every_s=1
    )
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=int(demo.environment["CRYPTOVIZ_CLICKHOUSE_PORT"]), username="analyst"
    )
    assert client.query(query).result_rows == [(FORECASTS,)]
    client.close()
    predictions = _consume(demo, lambda found: len({p["asset"] for p in found if p["source"] == "all"}) == 12)
    check = Draft202012Validator(schema_of(Prediction))
    for prediction in predictions:
        check.validate(prediction)
        assert prediction["id"].startswith(f"{prediction['asset']}/{prediction['source']}/60/")


def _consume(demo: Up, enough: Any) -> list[Any]:
    consumer = Consumer({
        "bootstrap.servers": f"127.0.0.1:{demo.environment['CRYPTOVIZ_KAFKA_PORT']}", "group.id": "somebody",
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.subscribe(["predictions"])
    found: list[Any] = []

    def read() -> bool:
        found.extend(orjson.loads(m.value() or b"") for m in consumer.consume(100, 0.5) if m.error() is None)
        return bool(enough(found))

    try:
        wait_until(read, 60, "predictions of all assets on the topic")
    finally:
        consumer.close()
    return found


def test_status_watch_and_predict_speak_of_the_running_stack(demo: Up, tmp_path: Path) -> None:
    def told() -> bool:
        status = json.loads(_say(demo, "status", "--json"))
        return {"BTC", "USDT"} <= set(json.dumps(status).replace('"', " ").split())

    wait_until(told, WITHIN_S, "assets in the status", every_s=1)
    assert "BTC" in _say(demo, "watch", "--once")
    predicted = json.loads(_say(demo, "predict", "BTC", "--json"))
    assert "consensus" in json.dumps(predicted)


def test_the_scoreboard_begins_with_a_back_test_over_the_history_and_says_so(demo: Up) -> None:
    names = [model.name for model in MODELS] + ["online", "consensus", "consensus_adaptive"]
    query = (
        "SELECT model, count(), min(n) FROM crypto.scoreboard "
        "WHERE kind = 'back_test' AND period = 'all' AND source = 'all' AND horizon_s = 3600 GROUP BY model"
    )

    def there() -> bool:
        found = {name: (int(assets), int(n)) for name, assets, n in map(str.split, _curl(demo, query).splitlines())}
        # Tether has no history at any source that gives one, or a day of it.
        return found.keys() == set(names) and all(assets >= 11 and n >= 10 for assets, n in found.values())

    wait_until(there, WITHIN_S, "a back-test of every model", every_s=1)
    said = _say(demo, "scoreboard")
    assert said.startswith("No forecast filed in advance has come due yet")
    assert "Back-test: made over history, which nobody filed in advance, counted from" in said
    bounded = "SELECT countIf(length(bounds) = 3) FROM crypto.predictions WHERE source = 'all' AND horizon_s = 3600"
    assert int(_curl(demo, bounded)) > 0


def test_no_forecast_of_the_history_is_filed_as_if_it_had_been_made_then(demo: Up) -> None:
    late = "SELECT countIf(filed_at > made_at + INTERVAL 10 MINUTE), count() FROM crypto.predictions"
    old, all_of_them = map(int, _curl(demo, late).split())
    assert (old, all_of_them > 0) == (0, True)
