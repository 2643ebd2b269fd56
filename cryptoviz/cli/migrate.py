"""`cryptoviz migrate`: bring the ClickHouse tables up to date."""

from __future__ import annotations

import click
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cryptoviz.clickhouse import connect, judged
from cryptoviz.errors import Retryable, UserError
from cryptoviz.settings import Settings, load_settings


@click.command()
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait for ClickHouse to answer.")
def migrate(wait_s: float) -> None:
    """Bring the ClickHouse tables up to date; running it again changes nothing."""
    settings = load_settings()
    done = run(settings, wait_s)
    for line in done:
        click.echo(line)
    if not done:
        click.echo(f"database {settings.clickhouse_database} is up to date")


def run(settings: Settings, wait_s: float = 30) -> list[str]:
    """Wait for ClickHouse, apply what is pending, and say what was done; raises `UserError`."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from sql.migrate import migrate as apply
    from sql.users import make_users

    attempts = Retrying(
        retry=retry_if_exception_type(Retryable), stop=stop_after_delay(wait_s), wait=wait_fixed(0.3), reraise=True
    )
    try:
        client = attempts(connect, settings)
    except Retryable as error:
        raise UserError(f"{error}; waited {wait_s:g} s. Is it started?") from error
    try:
        return apply(client, settings) + make_users(client, settings)
    except ClickHouseError as error:
        raise UserError(str(judged(error, settings))) from error
    finally:
        client.close()
