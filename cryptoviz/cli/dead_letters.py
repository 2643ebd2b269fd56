"""`cryptoviz dead-letters`: what was set aside and why, and putting it back where that can be done truthfully."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import orjson
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cryptoviz.clickhouse import connect
from cryptoviz.clock import utc
from cryptoviz.dead_letters import (
    Filter,
    Group,
    Letter,
    original,
    printable,
    read_groups,
    read_letters,
    readable,
    span_s,
    why_not,
)
from cryptoviz.errors import Retryable, UserError
from cryptoviz.settings import Settings, load_settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from processors.redrive import Decision

WIDTH = 160  # where there is no terminal to ask
SENT_WITHIN_S = 30.0
KAFKA_WAIT_S = 10.0
SHOWN = 20


class Span(click.ParamType):
    """A time span such as `1 h`, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return span_s(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say which letters are meant, as one `wanted`."""

    @click.option("--topic", help="Only what was set aside from this topic.")
    @click.option("--source", help="Only of this source; '' is what names none.")
    @click.option("--reason", help="Only for this reason.")
    @click.option("--since", type=Span(), help='Only of the last so long: "10 min", "1 h", "2 d".')
    @wraps(command)
    def with_options(
        *, topic: str | None, source: str | None, reason: str | None, since: float | None, **more: Any
    ) -> None:
        command(wanted=Filter(topic, source, reason, since, tuple(more.pop("letters", ()))), **more)

    return with_options


@click.group("dead-letters")
def dead_letters() -> None:
    """Say what was set aside and why; put originals back once the reason is gone."""


@dead_letters.command("list")
@_filtered
@click.option("--limit", type=click.IntRange(1, 100_000), default=SHOWN, show_default=True, help="Letters, at most.")
@click.option("--summary", is_flag=True, help="Only how many there are of each kind.")
@click.option("--json", "as_json", is_flag=True, help="For programs; times in ms UTC.")
def list_(wanted: Filter, limit: int, summary: bool, as_json: bool) -> None:
    """Say how many there are of each kind, and the newest ones."""
    with _reading() as (client, settings):
        groups = read_groups(client, settings, wanted) if summary or not as_json else []
        letters = [] if summary else read_letters(client, settings, wanted, limit)
    if as_json:
        click.echo(orjson.dumps(groups if summary else [one.as_json() for one in letters], option=orjson.OPT_INDENT_2))
        return
    if not groups:
        click.echo("Nothing was set aside." if wanted.is_open else "Nothing like that was set aside.")
        return
    console = _console()
    console.print(groups_table(groups))
    if letters:
        console.print(letters_table(letters, sum(group.letters for group in groups)))


@dead_letters.command()
@click.argument("letter")
@click.option("--json", "as_json", is_flag=True, help="For programs; times in ms UTC.")
def show(letter: str, as_json: bool) -> None:
    """Show all that is known of LETTER, named as in the list, with the original."""
    with _reading() as (client, settings):
        found = read_letters(client, settings, Filter(names=(letter,)), payload=True)
    if not found:
        raise _unknown([letter])
    for one in found:
        click.echo(orjson.dumps(one.as_json(), option=orjson.OPT_INDENT_2) if as_json else "\n".join(described(one)))


@dead_letters.command()
@click.argument("letters", nargs=-1)
@_filtered
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def redrive(wanted: Filter, dry_run: bool, yes: bool) -> None:
    """Put the originals of LETTERS, or of all that the options mean, back into the topic they came from."""
    from cryptoviz.kafka import Writer, producer_config
    from processors.redrive import put_back

    if wanted.is_open:
        raise click.UsageError("say which: name letters, or use --topic, --source, --reason or --since")
    with _reading() as (client, settings):
        letters = read_letters(client, settings, wanted, payload=True)
    _check_found(letters, wanted)
    decisions = _decided(letters, settings)
    report(decisions)
    chosen = sum(not one.refused for one in decisions)
    if not chosen:
        raise UserError("nothing can be put back")
    if dry_run:
        return
    if not yes:
        click.confirm(f"Put {chosen} back?", abort=True)
    writer = Writer(producer_config(settings, "cryptoviz-redrive"))
    with _asking_kafka(settings):
        sent = put_back(decisions, writer)
        if not writer.flush(SENT_WITHIN_S):
            raise UserError(f"{writer.pending} of {sent} did not arrive in {SENT_WITHIN_S:g} s; run it again")
    click.echo(f"{sent} put back. What is set aside once more is a new letter.")


def groups_table(groups: Sequence[Group]) -> Table:
    """How many letters of each kind."""
    table = Table(
        "topic", "source", "reason", "letters", "first (UTC)", "last (UTC)", title="Set aside", title_justify="left"
    )
    table.columns[3].justify = "right"
    for one in groups:
        names = (_text(one.topic), _text(one.source), _text(one.reason))
        table.add_row(*names, f"{one.letters:,}", _time(one.first), _time(one.last))
    return table


def letters_table(letters: Sequence[Letter], total: int) -> Table:
    """The letters, in the order given."""
    title = "The newest" if len(letters) < total else "All of them"
    table = Table("letter", "filed (UTC)", "source", "reason", "detail", "size", title=title, title_justify="left")
    table.columns[0].overflow = "fold"  # it is typed again
    table.columns[5].justify = "right"
    for one in letters:
        reason, detail = _text(one.reason), _text(one.detail[:120])
        table.add_row(_text(one.letter), _time(one.filed_at), _text(one.source), reason, detail, f"{one.size:,}")
    return table


def described(letter: Letter) -> Iterator[str]:
    """The lines that `show` prints: every column, whether it can be put back, and the original."""
    for name, value in letter.as_json().items():
        if name != "payload" and value is not None:
            shown = f"{_time(value)} UTC" if name in ("at", "filed_at") else printable(str(value))
            yield f"{name:10} {shown}"
    yield f"{'redrive':10} {f'no: {refused}' if (refused := why_not(letter)) else 'possible'}"
    yield ""
    try:
        yield from readable(original(letter))
    except UserError:  # a letter that somebody else wrote
        yield printable(letter.payload or "")


def report(decisions: Sequence[Decision]) -> None:
    """Say what is to be done: counts per topic, and per reason of what is not."""
    chosen = Counter((one.letter.topic, one.letter.partition) for one in decisions if not one.refused)
    refused = Counter(one.refused for one in decisions if one.refused)
    details = {one.refused: f" ({one.detail})" if one.detail else "" for one in reversed(decisions)}
    quotes = sum(one.quotes for one in decisions)
    for (topic, partition), number in chosen.items():
        click.echo(f"{number:,} to be put back into {topic}, partition {partition}")
    if chosen:
        click.echo(f"{quotes:,} quotes are in them")
    for why, number in refused.most_common():
        click.echo(f"{number:,} left: {printable(why + details[why])}")


def _decided(letters: Sequence[Letter], settings: Settings) -> list[Decision]:
    import time

    from cryptoviz.assets import AssetRegistry
    from cryptoviz.kafka import client_config
    from processors.normalise import Normaliser
    from processors.recovery import LogReader
    from processors.redrive import decide

    normaliser = Normaliser(AssetRegistry().select(settings.assets), settings.partitions, settings.bar_seconds)
    log = LogReader(client_config(settings, "cryptoviz-redrive") | {"group.id": "cryptoviz-redrive", "log_level": 0})
    with _asking_kafka(settings):
        return decide(letters, normaliser, log, lambda: int(time.time() * 1000))


@contextmanager
def _asking_kafka(settings: Settings) -> Iterator[None]:
    from cryptoviz.kafka_access import Access

    Access(settings, "cryptoviz-redrive").wait(KAFKA_WAIT_S)
    try:
        yield
    except KafkaException as error:
        raise UserError(f"Kafka at {settings.kafka} does not take part: {error.args[0].str()}") from error
    except Retryable as error:
        raise UserError(f"Kafka at {settings.kafka}: {error}") from error


@contextmanager
def _reading() -> Iterator[tuple[Client, Settings]]:
    """ClickHouse and the settings of the running stack, as a user who only reads where there is one."""
    from cryptoviz.running import settings_of, stack_health

    settings = load_settings()
    settings = settings_of(settings, stack_health(settings))
    try:
        client = connect(settings)
        try:
            yield client, settings
        finally:
            client.close()
    except Retryable as error:
        raise UserError(f"{error}. Is the pipeline running (`cryptoviz status`)?") from error


def _check_found(letters: Sequence[Letter], wanted: Filter) -> None:
    known = {one.letter.rstrip("/") for one in letters}
    if missing := [name for name in wanted.names if name.rstrip("/") not in known]:
        raise _unknown(missing)
    if not letters:
        raise UserError("nothing like that was set aside")


def _unknown(names: Sequence[str]) -> UserError:
    return UserError(f"there is no letter {', '.join(map(repr, names))}: `cryptoviz dead-letters list` names them")


def _console() -> Console:
    usual = Console(highlight=False)
    return usual if usual.is_terminal else Console(highlight=False, width=WIDTH)


def _time(ms: int) -> str:
    return f"{utc(ms):%Y-%m-%d %H:%M:%S}"


def _text(value: str) -> Text:
    return Text(printable(value))  # strangers' words: neither markup nor escape sequences
