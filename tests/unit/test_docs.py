"""The documents against what they speak of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from row_columns import columns
from unit.processors.indicator_series import run, walk
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote

from cryptoviz.cli import COMMANDS
from cryptoviz.generate import COMPOSE_ONLY
from cryptoviz.messages import encode
from cryptoviz.settings import Settings, SourceSettings
from cryptoviz.topics import TOPICS
from processors.engine import Engine
from processors.forecasts import make_forecasts
from processors.indicators import INDICATORS
from processors.indicators.base import Indicator
from processors.models import MODELS, ONLINE_MODELS
from processors.models.base import Model, ModelParams
from processors.normalise import Position
from processors.rules import Rules
from processors.sink_rows import Health, Tables, add_message
from producers.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
}
TEXT = "\n".join(DOCS.values())


def test_links_lead_somewhere() -> None:
    for name, text in DOCS.items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("http"):
                assert ((ROOT / name).parent / target).exists(), (name, target)


def test_every_command_and_every_make_word_of_the_readme_exists() -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", TEXT)) <= words | {"sure"}
    assert set(re.findall(r"`(?:\.venv/bin/)?cryptoviz ([a-z-]+)", TEXT)) <= {*COMMANDS, "up"}


def test_every_command_is_in_the_readme_or_the_running_page() -> None:
    told = DOCS["README.md"] + DOCS["docs/running.md"] + DOCS["docs/docker.md"] + (ROOT / "CHANGELOG.md").read_text()
    assert [name for name in COMMANDS if name not in told] == []


def test_settings_named_in_the_documents_exist() -> None:
    known = {f"CRYPTOVIZ_{name.upper()}" for name in Settings.model_fields} | {
        f"CRYPTOVIZ_{source.upper()}_{name.upper()}" for source in SOURCES for name in SourceSettings.model_fields
    }
    for name in set(re.findall(r"CRYPTOVIZ_[A-Z_]+[A-Z]", TEXT)):
        assert name in known | set(COMPOSE_ONLY) or name.startswith("CRYPTOVIZ_ACME_"), name  # the guide's source


def test_every_topic_and_model_is_described() -> None:
    for topic in TOPICS:
        assert f"`{topic.name.removesuffix('.dead')}`" in DOCS["docs/messages.md"] or topic.name.endswith(".dead")
    names = Engine(("BTC",), Rules()).track("all").learning.names
    assert {"online", "consensus_adaptive"} < set(names)
    assert [name for name in names if f"`{name}`" not in DOCS["docs/models.md"]] == []


def test_the_model_of_the_guide_works_as_it_stands_there() -> None:
    code = re.search(r"```python\n(.*?)```", DOCS["docs/adding-a-model.md"], re.DOTALL)
    assert code is not None
    module: dict[str, object] = {}
    exec(compile(code.group(1), "adding-a-model.md", "exec"), module)
    median = module["MEDIAN"]
    assert isinstance(median, Model)
    closes = np.full((3, 50), np.nan)
    closes[:2, -20:] = [range(1, 21), range(80, 60, -1)]
    closes[2, -19:] = 5.0
    hours, params = np.array([1.0, 24.0]), ModelParams(60)
    made, without = (make_forecasts(closes, models, hours, params) for models in ((*MODELS, median), MODELS))
    assert made.forecast[-1, :, :2].tolist() == [[10.5, 70.5], [10.5, 70.5]]
    assert np.isnan(made.forecast[-1, :, 2]).all()
    assert np.array_equal(made.consensus, without.consensus, equal_nan=True)


def test_the_model_of_the_readme_is_filed_bounded_and_scored_beside_the_others() -> None:
    code = re.search(r"```python\n(.*?)```", DOCS["README.md"], re.DOTALL)
    assert code is not None
    module: dict[str, object] = {}
    exec(compile(code.group(1), "README.md", "exec"), module)
    halfway = module["HALFWAY"]
    assert isinstance(halfway, Model)
    engine = Engine(("BTC",), Rules(horizons_s=(3600,), models=(*MODELS, halfway)))
    rng = np.random.default_rng(1)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, 300)))
    stream = [message([quote(at=T0 + n * MINUTE, price=price)], offset=n) for n, price in enumerate(prices.tolist())]
    out = [made for offset, entry in enumerate(stream) for made in engine.apply(entry, offset)]
    filed = [
        f for topic, _, made in out if topic == "predictions" for f in made["forecasts"] if f["model"] == "halfway"
    ]
    assert [len(entry["bounds"]) for entry in (filed[0], filed[-1])] == [0, 3]
    assert 0 < filed[-1]["weight"] < 1
    scores = [s for topic, _, made in out if topic == "scores" for s in made["scores"] if s["model"] == "halfway"]
    assert len(scores) > 30


def test_every_model_file_is_registered() -> None:
    files = {path.stem for path in (ROOT / "processors" / "models").glob("*.py")} - {"__init__", "base"}
    learning = {model.__module__.rsplit(".", 1)[-1] for model in ONLINE_MODELS}
    assert files == {model.forecast.__module__.rsplit(".", 1)[-1] for model in MODELS} | learning


def _indicator_of_the_guide() -> Indicator:
    code = re.search(r"```python\n(.*?)```", DOCS["docs/adding-an-indicator.md"], re.DOTALL)
    assert code is not None
    module: dict[str, object] = {}
    exec(compile(code.group(1), "adding-an-indicator.md", "exec"), module)
    indicator = module["RATE_OF_CHANGE"]
    assert isinstance(indicator, Indicator)
    return indicator


def test_the_indicator_of_the_guide_reaches_its_table_by_one_file_and_one_line() -> None:
    engine = Engine(("BTC",), Rules(), indicators=(*INDICATORS, _indicator_of_the_guide()))
    quotes = [quote(at=T0 + n * MINUTE, price=100.0 + n) for n in range(12)]
    stream = [message(quotes), heartbeat(T0 + 13 * MINUTE, offset=1)]
    out = [made for offset, entry in enumerate(stream) for made in engine.apply(entry, offset)]
    tables: Tables = {}
    for offset, (topic, _, made) in enumerate(out):
        if topic == "indicators" and made["source"] == "binance":
            add_message(encode(made), Position(topic, 0, offset, 1), tables, Health())
    more = columns(tables["indicators"])["more"]
    assert more[:10] == [{}] * 10
    assert [round(row["rate_of_change"], 9) for row in more[10:12]] == [10.0, round(1000 / 101, 9)]


def test_every_indicator_file_is_registered_and_every_value_is_described() -> None:
    files = {path.stem for path in (ROOT / "processors" / "indicators").glob("*.py")} - {"__init__", "base"}
    assert files == {indicator.step.__module__.rsplit(".", 1)[-1] for indicator in INDICATORS}
    assert [name for name in run(walk(1, 2)) if f"`{name}`" not in DOCS["docs/indicators.md"]] == []


def test_an_indicator_says_its_formula_units_warm_up_and_reference() -> None:
    for indicator in INDICATORS:
        told = indicator.step.__doc__ or ""
        for section in ("Formula", "Units", "Warm-up", "References"):
            heading = rf"^    {section}\n    {'-' * len(section)}$"
            assert re.search(heading, told, re.MULTILINE), (indicator.name, section)
