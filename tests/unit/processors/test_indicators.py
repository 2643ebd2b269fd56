"""Every indicator against its definition written a second time, at every bar, and what all must keep to."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from independent_indicators import expected_indicators, same_value
from unit.processors.indicator_series import MINUTE, closed, run, run_all, shapes, stacked, walk

from cryptoviz.messages import encode
from processors.indicator_state import IndicatorState, step
from processors.indicators import INDICATORS
from processors.indicators.base import BarArrays, Indicator

LEVELS = [9e-6, 1.0, 98_000.0]
WARM_UP = {
    "rsi": 15, "macd": 34, "macd_signal": 34, "macd_histogram": 34, "bollinger_lower": 20, "bollinger_middle": 20,
    "bollinger_upper": 20, "stochastic_k": 18, "stochastic_d": 18, "atr": 15, "ewma_volatility": 21,
}  # fmt: skip

each = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda indicator: indicator.name)


def _arrays(series: np.ndarray, n: int) -> BarArrays:
    """Bar n of series [series, 4, bars]."""
    return BarArrays(*series[:, :, n].T.copy())


@pytest.mark.parametrize("start", LEVELS)
@pytest.mark.parametrize("shape", list(shapes(1.0)))
def test_every_value_equals_its_definition_at_every_bar(shape: str, start: float) -> None:
    series = shapes(start)[shape]
    found = run(series)
    assert set(found) == set(WARM_UP)
    _, high, low, close = series
    for name, wanted in expected_indicators(high, low, close).items():
        for bar in range(len(close)):
            assert same_value(name, found[name][bar], wanted[bar], close[: bar + 1].max()), (name, bar)


def test_values_begin_when_there_are_enough_bars_and_stay() -> None:
    for name, values in run(walk(1, 60)).items():
        assert np.isnan(values).tolist() == [n + 1 < WARM_UP[name] for n in range(60)], name


def test_values_worked_out_by_hand() -> None:
    """Closes 1, 2, ..., 40, each bar from the last close to the next, with a high of 1 above."""
    close = np.arange(1.0, 41.0)
    found = run(np.array([close, close + 1, close, close]))
    last = {name: values[-1] for name, values in found.items()}
    assert last["rsi"] == 100
    assert last["atr"] == pytest.approx(2)
    assert last["bollinger_middle"] == pytest.approx(30.5)
    assert last["bollinger_upper"] == pytest.approx(30.5 + 2 * math.sqrt((20**2 - 1) / 12))
    assert last["stochastic_k"] == last["stochastic_d"] == pytest.approx(13 / 14 * 100)
    assert (last["macd"], last["macd_signal"]) == (pytest.approx(7), pytest.approx(7))
    constant = run(np.repeat(1.01 ** np.arange(40)[None], 4, axis=0))["ewma_volatility"][-1]
    assert constant == pytest.approx(100 * math.log(1.01))


def test_flat_prices_give_exact_values() -> None:
    last = {name: values[-1] for name, values in run(np.full((4, 80), 0.1)).items()}
    bands = {"bollinger_lower": 0.1, "bollinger_middle": 0.1, "bollinger_upper": 0.1}
    assert last == dict.fromkeys(last, 0.0) | bands


@pytest.mark.parametrize("start", LEVELS)
def test_percents_stay_within_0_and_100(start: float) -> None:
    for shape, series in shapes(start).items():
        found = run(series)
        for name in ("rsi", "stochastic_k", "stochastic_d"):
            values = found[name][~np.isnan(found[name])]
            assert ((values >= 0) & (values <= 100 + 1e-12)).all(), (shape, name)


def test_a_series_gives_the_same_bits_alone_and_among_others() -> None:
    series = np.stack([walk(seed, 130, 10.0 ** (seed % 9 - 4)) for seed in range(48)])
    for count in (48, 7, 2):
        together = run_all(series[:count])
        for row in range(0, count, 5):
            alone = run(series[row])
            for name, values in together.items():
                assert np.array_equal(values[row], alone[name], equal_nan=True), (name, count)


def test_series_need_not_close_together_nor_begin_together() -> None:
    """Three series of which the second begins 10 bars late and the third 40, and only some are given at a time."""
    series = [walk(seed, 100) for seed in range(3)]
    state, begins, found = IndicatorState(INDICATORS, 3), (0, 10, 40), {row: [] for row in range(3)}
    for n in range(100):
        rows = [row for row in (2, 0, 1) if n >= begins[row]]
        values = step([(state, rows)], [closed(series[row][:, n], n * MINUTE) for row in rows])
        for place, row in enumerate(rows):
            found[row].append({name: said[place : place + 1] for name, said in values.items()})
    for row, begin in enumerate(begins):
        alone = run(series[row][:, begin:])
        for name, values in stacked(found[row]).items():
            assert np.array_equal(values[0], alone[name], equal_nan=True), (row, name)


def test_a_series_starts_anew_after_a_gap_and_the_others_go_on() -> None:
    series, state = np.stack([walk(1, 120), walk(2, 120)]), IndicatorState(INDICATORS, 2)
    gap = range(60, 65)
    steps = []
    for n in range(120):
        rows = [1] if n in gap else [0, 1]
        steps.append(step([(state, rows)], [closed(series[row][:, n], n * MINUTE) for row in rows]))
    broken = stacked([{name: said[:1] for name, said in values.items()} for n, values in enumerate(steps) if n >= 65])
    whole = stacked([{name: said[-1:] for name, said in values.items()} for values in steps])
    for name, anew in run(series[0][:, 65:]).items():
        assert np.array_equal(broken[name][0], anew, equal_nan=True), name
        assert np.array_equal(whole[name][0], run(series[1])[name], equal_nan=True), name


@each
def test_a_step_changes_nothing_it_was_given(indicator: Indicator) -> None:
    series = np.stack([walk(1, 60), walk(2, 60)])
    state = indicator.begin(2)
    for n in range(60):
        bars, before = _arrays(series, n), {name: array.copy() for name, array in state.items()}
        given = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
        stepped, _ = indicator.step(state, bars)
        assert all(np.array_equal(state[name], before[name], equal_nan=True) for name in before)
        assert all(np.array_equal(getattr(bars, name), array) for name, array in given.items())
        # Nor may it keep hold of an array that its caller goes on using.
        assert not any(np.shares_memory(kept, getattr(bars, name)) for kept in stepped.values() for name in given)
        state = stepped


@each
def test_state_is_a_row_of_floats_per_series_and_keeps_its_shape(indicator: Indicator) -> None:
    series = np.stack([walk(seed, 60) for seed in range(3)])
    state = began = indicator.begin(3)
    for n in range(60):
        state, values = indicator.step(state, _arrays(series, n))
        assert {name: (array.shape, array.dtype) for name, array in state.items()} == {
            name: (array.shape, np.dtype(np.float64)) for name, array in began.items()
        }
        assert all(array.shape[0] == 3 for array in state.values())
        assert all(said.shape == (3,) for said in values.values())


def test_names_are_given_once() -> None:
    said = [name for indicator in INDICATORS for name in run(walk(1, 2), (indicator,))]
    assert len(said) == len(set(said))
    assert len({indicator.name for indicator in INDICATORS}) == len(INDICATORS)


@pytest.mark.parametrize("cut", [0, 1, 13, 14, 15, 20, 26, 33, 34, 80])
def test_state_goes_on_bit_for_bit_after_being_written_and_read(cut: int) -> None:
    assets, series = ("BTC", "ETH"), np.stack([walk(1, 120), walk(2, 120, 9e-6)])
    state = IndicatorState(INDICATORS, 2)
    for n in range(cut):
        step([(state, [0, 1])], [closed(one[:, n], n * MINUTE) for one in series])
    restored = IndicatorState(INDICATORS, 3)
    restored.restore(orjson.loads(encode(state.dump(assets))), ("ETH", "new", "BTC"))
    for n in range(cut, 120):
        wanted = step([(state, [1, 0])], [closed(series[row][:, n], n * MINUTE) for row in (1, 0)])
        found = step([(restored, [0, 2])], [closed(series[row][:, n], n * MINUTE) for row in (1, 0)])
        assert all(np.array_equal(found[name], wanted[name], equal_nan=True) for name in wanted)


def test_an_indicator_that_the_state_does_not_know_or_knows_otherwise_starts_anew() -> None:
    [rsi, atr] = [one for one in INDICATORS if one.name in {"rsi", "atr"}]
    state, series = IndicatorState((rsi,), 1), walk(1, 60)
    for n in range(30):
        step([(state, [0])], [closed(series[:, n], n * MINUTE)])
    kept = orjson.loads(encode(state.dump(("BTC",))))
    kept["states"]["atr"] = {"previous": [1.0]}
    restored = IndicatorState((rsi, atr), 1)
    restored.restore(kept, ("BTC",))
    found = stacked([step([(restored, [0])], [closed(series[:, n], n * MINUTE)]) for n in range(30, 60)])
    assert np.array_equal(found["rsi"][0], run(series)["rsi"][30:])
    assert np.array_equal(found["atr"][0], run(series[:, 30:])["atr"], equal_nan=True)
