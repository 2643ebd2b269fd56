"""`cryptoviz topics`: create the topics that are missing and list what is in them."""

from __future__ import annotations

import click

from cryptoviz.settings import load_settings


@click.command()
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait for Kafka to answer.")
@click.option("--list", "listed", is_flag=True, help="Only say what each topic holds; touches nothing.")
def topics(wait_s: float, listed: bool) -> None:
    """Create the topics that are missing; running it again changes nothing."""
    from cryptoviz.topics import TOPICS
    from cryptoviz.topics_admin import ensure_topics

    if listed:
        for topic in TOPICS:
            click.echo(f"{topic.name:24}{topic.description}")
        return
    done = ensure_topics(load_settings(), wait_s)
    for line in done:
        click.echo(line)
    if not done:
        click.echo(f"all {len(TOPICS)} topics are as they should be")
