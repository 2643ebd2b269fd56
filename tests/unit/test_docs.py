"""The documents against what they speak of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cryptoviz.cli import COMMANDS
from cryptoviz.generate import COMPOSE_ONLY
from cryptoviz.settings import Settings, SourceSettings
from cryptoviz.topics import TOPICS
from processors.forecasts import make_forecasts
from processors.models import MODELS
from processors.models.base import Model, ModelParams
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
    assert set(re.findall(r"`(?:\.venv/bin/)?cryptoviz ([a-z]+)", TEXT)) <= {*COMMANDS, "up"}


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
    assert [model.name for model in MODELS if f"`{model.name}`" not in DOCS["docs/models.md"]] == []


def test_the_model_of_the_guide_works_as_it_stands_there() -> None:
    code = re.search(r"```python\n(.*?)```", DOCS["docs/adding-a-model.md"], re.DOTALL)
    assert code is not None
    module: dict[str, object] = {}
    exec(compile(code.group(1), "adding-a-model.md", "exec"), module)
    naive = module["NAIVE"]
    assert isinstance(naive, Model)
    closes = np.full((2, 50), np.nan)
    closes[:, -3:] = [[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]
    made = make_forecasts(closes, (*MODELS, naive), np.array([1.0, 24.0]), ModelParams(60))
    assert made.forecast[-1].tolist() == [[3.0, 4.0], [3.0, 4.0]]
    assert np.array_equal(
        made.consensus, make_forecasts(closes, MODELS, np.array([1.0, 24.0]), ModelParams(60)).consensus, equal_nan=True
    )


def test_every_model_file_is_registered() -> None:
    files = {path.stem for path in (ROOT / "processors" / "models").glob("*.py")} - {"__init__", "base"}
    assert files == {model.forecast.__module__.rsplit(".", 1)[-1] for model in MODELS}
