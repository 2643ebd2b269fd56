"""The state of a partition as bytes and back, without what topics already hold: closes, and forecasts under way.

It comes in two records: a small one after every batch, and what was learned from scores, which is larger and changes
only when forecasts come due. The small one names the other by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from cryptoviz.messages import Bar, Prediction
from processors.agreement import Agreement, Latest
from processors.bars import OpenBar, Rollup, Series
from processors.engine import Engine
from processors.learning_state import dump_learning, restore_learning
from processors.ledger import Standing
from processors.rules import MS, Rules
from processors.track import kept_ms

VERSION = 1
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def dump(engine: Engine) -> bytes:
    """Everything a worker needs to go on but the histories and what was learned; dataclasses go field by field."""
    state = {
        "version": VERSION,
        "interval_s": engine.rules.interval_s,
        "offset": engine.offset,
        "raw_offset": engine.raw_offset,
        "learned": engine.learned,
        "latest": engine.latest,
        "agreements": engine.agreements,
        "tracks": {
            source: {
                "clock": track.clock,
                "closed_until": track.closed_until,
                "empty_bars": track.empty_bars,
                "series": track.series,
                "standings": track.standings,
                "indicators": engine.indicator_state.dump(engine.assets, track.first_row),
            }
            for source, track in engine.tracks.items()
        },
    }
    return orjson.dumps(state, option=_OPTIONS)


def dump_learned(engine: Engine) -> bytes:
    """What was learned, under the number that the next `dump` names."""
    tracks = {source: dump_learning(track.learning, engine.assets) for source, track in engine.tracks.items()}
    return orjson.dumps({"number": engine.learned, "tracks": tracks}, option=_OPTIONS)


def load(data: bytes, assets: Sequence[str], rules: Rules) -> Engine:
    """The engine that `dump` wrote; raises `ValueError` if it was written by other rules of time or another version."""
    state = orjson.loads(data)
    if state["version"] != VERSION or state["interval_s"] != rules.interval_s:
        raise ValueError(f"state of version {state['version']} and bars of {state['interval_s']} s")
    engine = Engine(assets, rules)
    engine.offset, engine.raw_offset = state["offset"], state["raw_offset"]
    engine.learned = state.get("learned", 0)
    for asset, latest in state["latest"].items():
        if engine.row(asset) is not None:
            engine.latest[asset] = {source: Latest(**quote) for source, quote in latest.items()}
    for asset, agreement in state.get("agreements", {}).items():
        if engine.row(asset) is not None:
            engine.agreements[asset] = Agreement(**agreement | {"out": tuple(agreement["out"])})
    for source, kept in state["tracks"].items():
        track = engine.track(source)
        track.clock, track.closed_until = kept["clock"], kept["closed_until"]
        track.series = {
            asset: _series(series) for asset, series in kept["series"].items() if engine.row(asset) is not None
        }
        standings = kept.get("standings", {}).items()
        track.standings = {asset: Standing(**known) for asset, known in standings if engine.row(asset) is not None}
        track.empty_bars = {asset: bars for asset, bars in kept.get("empty_bars", {}).items() if asset in track.series}
        if "indicators" in kept:  # state of a version without them: they start anew
            engine.indicator_state.restore(kept["indicators"], assets, track.first_row)
    return engine


def load_learned(engine: Engine, data: bytes, assets: Sequence[str]) -> None:
    """Take over what `dump_learned` wrote; raises `ValueError` if it is not the record the state names."""
    state = orjson.loads(data)
    if state["number"] != engine.learned:
        raise ValueError(f"what was learned has number {state['number']}, not {engine.learned}")
    for source, kept in state["tracks"].items():
        restore_learning(engine.track(source).learning, kept, assets)


def needs_bars_after(engine: Engine) -> int:
    """The end, in ms, after which closed bars must be put back with `restore_bar`; bars before it are not looked at."""
    return max(0, min((track.closed_until for track in engine.tracks.values()), default=0) - kept_ms(engine.rules))


def restore_bar(engine: Engine, bar: Bar) -> None:
    """Put a closed bar's close back; bars the state does not include yet are left for their second making.

    One without a price, which no worker has written, is left out: statistics would come out infinite.
    """
    track = engine.tracks.get(bar["source"])
    row = engine.row(bar["asset"])
    if track is None or row is None or bar["interval_s"] != engine.rules.interval_s or bar["close"] <= 0:
        return
    end = bar["start"] + bar["interval_s"] * MS
    if track.closed_until - kept_ms(engine.rules) < end <= track.closed_until:
        track.history.put(row, end, bar["close"])


def needs_predictions_after(engine: Engine) -> int:
    """The time, in ms, after which predictions must be put back with `restore_prediction`."""
    closed_until = min((track.closed_until for track in engine.tracks.values()), default=0)
    return max(0, closed_until - max(engine.rules.horizons_s) * MS)


def restore_prediction(engine: Engine, prediction: Prediction) -> None:
    """File again what is still to be scored; predictions the state does not include yet are left to be made again."""
    track = engine.tracks.get(prediction["source"])
    row = engine.row(prediction["asset"])
    if track is None or row is None or prediction["interval_s"] != engine.rules.interval_s:
        return
    if track.closed_until - max(engine.rules.horizons_s) * MS < prediction["made_at"] <= track.closed_until:
        track.learning.put_back(prediction, row)


def _series(kept: dict[str, Any]) -> Series:
    return Series(
        open={int(start): OpenBar(**bar) for start, bar in kept["open"].items()},
        next_start=kept["next_start"],
        close=kept["close"],
        fill_until=kept["fill_until"],
        rollups={int(length): Rollup(**rollup) for length, rollup in kept["rollups"].items()},
    )
