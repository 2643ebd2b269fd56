"""The demo market over HTTP: paths, shapes, errors and agreement of its answers with each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cryptoviz.assets import AssetRegistry
from cryptoviz.local.market.server import Market

NOW = 1_795_180_004_349
MINUTE_MS = 60_000
DAY_MS = 86_400_000
KEY = {"X-CMC_PRO_API_KEY": "demo"}
IDS = ",".join(entry.symbol for entry in AssetRegistry().feeding("coinmarketcap"))
QUOTES = f"/coinmarketcap/v2/cryptocurrency/quotes/latest?id={IDS}"
MARKETS = "/coingecko/coins/markets?vs_currency=usd"


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


def visit(use: Callable[[TestClient[Any, Any], Clock], Awaitable[None]], seed: int = 7) -> None:
    """Run `use` with a client of a market of its own."""

    async def run() -> None:
        clock = Clock()
        async with TestClient(TestServer(Market(seed, "none", clock).app())) as client:
            await use(client, clock)

    asyncio.run(run())


def get(path: str, headers: dict[str, str] | None = None, later_ms: int = 0) -> tuple[int, Any]:
    """(status, body) of one request."""
    answers: list[tuple[int, Any]] = []

    async def ask(client: TestClient[Any, Any], clock: Clock) -> None:
        clock.ms += later_ms
        response = await client.get(path, headers=headers)
        answers.append((response.status, await response.json()))

    visit(ask)
    return answers[0]


def klines(query: str) -> Any:
    status, body = get(f"/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&{query}")
    assert status == 200
    return body


def test_ping_answers() -> None:
    assert get("/ping")[0] == 200


def test_every_source_lists_every_asset_it_feeds() -> None:
    registry = AssetRegistry()
    _, coins = get(MARKETS)
    assert {coin["id"] for coin in coins} == {entry.symbol for entry in registry.feeding("coingecko")}
    _, quotes = get(QUOTES, KEY)
    assert set(quotes["data"]) == set(IDS.split(","))
    pairs = json.dumps([entry.symbol for entry in registry.feeding("binance")], separators=(",", ":"))
    _, tickers = get(f"/binance/api/v3/ticker/24hr?symbols={pairs}")
    assert [ticker["symbol"] for ticker in tickers] == json.loads(pairs)


def test_sources_agree_within_a_few_percent() -> None:
    _, coins = get(MARKETS)
    prices = {coin["symbol"].upper(): coin["current_price"] for coin in coins}
    _, quotes = get(QUOTES, KEY)
    for quote in quotes["data"].values():
        assert quote["quote"]["USD"]["price"] == pytest.approx(prices[quote["symbol"]], rel=0.05)


def test_shapes_are_those_of_recorded_answers(shared_data: Path) -> None:
    api = shared_data / "api"
    recorded = json.loads((api / "coingecko/coins_markets__bitcoin_usd_2021-05-15.json").read_text())
    _, coins = get(f"{MARKETS}&ids=bitcoin")
    assert list(coins[0]) == list(recorded[0])
    recorded = json.loads((api / "binance/rest_ticker_24hr__BTCUSDT_2019-10-08.json").read_text())
    _, ticker = get("/binance/api/v3/ticker/24hr?symbol=BTCUSDT")
    assert {name: type(value) for name, value in ticker.items()} == {k: type(v) for k, v in recorded.items()}
    recorded = json.loads((api / "binance/rest_klines__doc_example.json").read_text())
    assert [type(value) for value in klines("limit=1")[0]] == [type(value) for value in recorded[0]]
    name = "coinmarketcap/v2_quotes_latest__by_symbol_duplicate_ATOM_2021-04-23.json"
    recorded = json.loads((api / name).read_text())
    _, quotes = get(QUOTES, KEY)
    coin, real = quotes["data"]["1"], recorded["data"]["ADA"][0]
    assert (set(coin), set(coin["quote"]["USD"])) == (set(real), set(real["quote"]["USD"]))
    assert set(quotes["status"]) == set(recorded["status"])
    recorded = json.loads((api / "coingecko/coins_bitcoin_market_chart__days1_2021-05-15.json").read_text())
    _, chart = get("/coingecko/coins/bitcoin/market_chart?vs_currency=usd&days=1")
    assert list(chart) == list(recorded)
    assert len(chart["prices"]) == pytest.approx(len(recorded["prices"]), abs=3)


def test_errors_are_those_of_recorded_answers(shared_data: Path) -> None:
    api = shared_data / "api"
    status, body = get("/binance/api/v3/klines?symbol=BTCUSD&interval=1m")
    assert status == 400
    assert body == json.loads((api / "binance/error_400__invalid_symbol.json").read_text())
    recorded = json.loads((api / "coinmarketcap/error_401_1002__missing_key__doc.json").read_text())
    status, body = get(QUOTES)
    assert status == 401
    stamped = {"timestamp": body["status"]["timestamp"]}
    assert body == {"status": recorded["status"] | stamped}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/binance/api/v3/klines?interval=1m", 400, -1102),
        ("/binance/api/v3/klines?symbol=BTCUSDT&interval=2w", 400, -1120),
        ("/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=many", 400, -1100),
        ("/binance/api/v3/ticker/24hr?symbols=BTCUSDT", 400, -1100),
        ("/binance/api/v3/ticker/24hr?symbols=7", 400, -1100),
        ('/binance/api/v3/ticker/24hr?symbols=["BTCUSDT","NOPE"]', 400, -1121),
        ('/binance/api/v3/ticker/24hr?symbol=BTCUSDT&symbols=["BTCUSDT"]', 400, -1128),
    ],
)
def test_binance_errors_carry_their_code(path: str, status: int, said: int) -> None:
    answer, body = get(path)
    assert (answer, body["code"]) == (status, said)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/coingecko/coins/markets", 422, "Missing parameter vs_currency"),
        ("/coingecko/coins/markets?vs_currency=gold", 422, "invalid vs_currency"),
        ("/coingecko/coins/bitcoin/market_chart?vs_currency=usd", 422, "Missing parameter days"),
        ("/coingecko/coins/nocoin/market_chart?vs_currency=usd&days=1", 404, "coin not found"),
    ],
)
def test_coingecko_errors_say_what_is_wrong(path: str, status: int, said: str) -> None:
    assert get(path) == (status, {"error": said})


def test_coingecko_leaves_out_unknown_coins_silently() -> None:
    assert [coin["id"] for coin in get(f"{MARKETS}&ids=bitcoin,nocoin")[1]] == ["bitcoin"]


def test_coinmarketcap_refuses_unknown_ids() -> None:
    status, body = get("/coinmarketcap/v2/cryptocurrency/quotes/latest?id=1,999999", KEY)
    assert (status, body["status"]["error_code"]) == (400, 400)
    assert "data" not in body


def test_unknown_paths_are_not_found() -> None:
    assert get("/kraken/anything")[0] == get("/binance/nothing")[0] == 404


def test_an_aggregator_repeats_itself_between_two_updates_and_then_moves_on() -> None:
    assert get(f"{MARKETS}&ids=bitcoin") == get(f"{MARKETS}&ids=bitcoin", later_ms=1_000)
    assert get(f"{MARKETS}&ids=bitcoin") != get(f"{MARKETS}&ids=bitcoin", later_ms=300_000)


def test_market_chart_ends_with_the_price_that_markets_shows() -> None:
    coin = get(f"{MARKETS}&ids=bitcoin")[1][0]
    chart = get("/coingecko/coins/bitcoin/market_chart?vs_currency=usd&days=1")[1]
    assert round(chart["prices"][-1][1]) == coin["current_price"]
    assert round(chart["total_volumes"][-1][1]) == coin["total_volume"]
    times = [at for at, _ in chart["prices"]]
    steps = [after - before for before, after in pairwise(times)]
    assert times[0] >= NOW - DAY_MS
    assert 200_000 < min(steps[:-1]) < max(steps) < 400_000
    assert len(set(steps)) > 200


def test_longer_market_charts_are_hourly() -> None:
    chart = get("/coingecko/coins/bitcoin/market_chart?vs_currency=usd&days=3")[1]
    assert len(chart["prices"]) == pytest.approx(72, abs=2)


def test_klines_end_with_the_unfinished_one() -> None:
    last = klines("limit=3")[-1]
    assert last[0] == NOW // MINUTE_MS * MINUTE_MS
    assert last[6] == last[0] + MINUTE_MS - 1 > NOW


def test_klines_from_a_start_come_in_pages_without_gaps() -> None:
    start = NOW - 3 * DAY_MS
    opened: list[int] = []
    while page := klines(f"limit=1000&startTime={start}"):
        opened += [kline[0] for kline in page]
        start = page[-1][0] + 1
    assert opened == list(range(opened[0], NOW, MINUTE_MS))
    assert len(opened) == 3 * 1440


def test_klines_up_to_an_end_are_the_last_ones_before_it() -> None:
    end = NOW - DAY_MS
    opened = [kline[0] for kline in klines(f"limit=5&endTime={end}")]
    assert opened == [end // MINUTE_MS * MINUTE_MS - step * MINUTE_MS for step in (4, 3, 2, 1, 0)]


def test_klines_between_two_times_hold_both_ends() -> None:
    start = NOW // MINUTE_MS * MINUTE_MS - 60 * MINUTE_MS
    assert [kline[0] for kline in klines(f"startTime={start}&endTime={start + MINUTE_MS}")] == [
        start,
        start + MINUTE_MS,
    ]


def test_five_minute_klines_are_made_of_minutes() -> None:
    start = NOW // 300_000 * 300_000 - 600_000
    minutes = klines(f"startTime={start}&endTime={start + 299_999}")
    five = get(f"/binance/api/v3/klines?symbol=BTCUSDT&interval=5m&startTime={start}&limit=1")[1][0]
    assert five[1] == minutes[0][1]
    assert five[4] == minutes[-1][4]
    assert float(five[2]) == max(float(minute[2]) for minute in minutes)
    assert float(five[3]) == min(float(minute[3]) for minute in minutes)
    assert float(five[5]) == pytest.approx(sum(float(minute[5]) for minute in minutes))


def test_the_ticker_shows_the_price_at_which_the_last_kline_stands() -> None:
    ticker = get("/binance/api/v3/ticker/24hr?symbol=BTCUSDT")[1]
    assert ticker["lastPrice"] == klines("limit=1")[0][4]
    assert float(ticker["lowPrice"]) <= float(ticker["lastPrice"]) <= float(ticker["highPrice"])
    assert float(ticker["bidPrice"]) < float(ticker["askPrice"])
    change = (float(ticker["lastPrice"]) / float(ticker["openPrice"]) - 1) * 100
    assert float(ticker["priceChangePercent"]) == pytest.approx(change, abs=0.002)


def test_an_ordered_fault_is_seen_and_others_are_refused() -> None:
    async def order(client: TestClient[Any, Any], clock: Clock) -> None:
        assert (await client.post("/faults/binance/rate_limit?seconds=30")).status == 200
        limited = await client.get("/binance/api/v3/time")
        assert (limited.status, limited.headers["Retry-After"]) == (429, "30")
        assert (await client.get("/coingecko/ping")).status == 200
        clock.ms += 30_000
        assert (await client.get("/binance/api/v3/time")).status == 200
        await client.post("/faults/coingecko/html")
        page = await client.get("/coingecko/ping")
        assert (page.status, page.content_type) == (200, "text/html")
        for wrong in ("kraken/outage", "binance/plague", "binance/outage?seconds=soon", "binance/outage?seconds=-1"):
            assert (await client.post(f"/faults/{wrong}")).status == 400

    visit(order)
