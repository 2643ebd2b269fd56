"""The command line: `cryptoviz COMMAND`; each command is a module of its own, loaded when it is called."""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from typing import Any

import click

from cryptoviz.errors import UserError
from cryptoviz.logs import speaks_json

logger = logging.getLogger("cryptoviz")

COMMANDS = {
    "up": "start the whole pipeline, on the live sources or with --demo on a simulated market",
    "replay": "push recorded candles or ticks through a pipeline of its own",
    "produce": "poll the sources and publish their quotes",
    "process": "run one Faust worker",
    "forecast": "fit AutoARIMA, AutoETS and Prophet now and then, and file what they say (needs an extra)",
    "sink": "copy the topics into ClickHouse",
    "monitor": "sample how the pipeline is doing, for dashboards and alerts",
    "topics": "create the topics that are missing",
    "migrate": "bring the ClickHouse tables up to date",
    "status": "say how the running pipeline is doing",
    "dead-letters": "list what was set aside and why, show it, put it back",
    "predict": "say what the models make of an asset now, for parameters of your own",
    "scoreboard": 'say how good each model has been, beside "the price stays the same"',
    "watch": "show prices, forecasts and signals as they arrive",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"cryptoviz.cli.{name}"), name)
        command.help = command.help or COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="cryptoviz")
@click.pass_context
def cryptoviz(ctx: click.Context, debug: bool) -> None:
    """Crypto prices through Kafka, Faust and ClickHouse, with forecasts filed in advance."""
    ctx.obj = debug


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 failed, 2 wrong usage."""
    debug = "--debug" in sys.argv[1:]
    # A command that sets up no logging says what it has to say itself; libraries shall not add lines of their own.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        code: Any = cryptoviz(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.UsageError as error:
        error.show()
        code = 2
    except click.Abort:
        code = 1
    except UserError as error:
        code = _failed(str(error), debug)
    except Exception as error:
        code = _failed(f"{type(error).__name__}: {error} (run with --debug for details)", debug)
    sys.exit(code if isinstance(code, int) else 0)


def _failed(why: str, debug: bool) -> int:
    """Say why the command ends, as a line of the log where that is JSON; the exit code."""
    if speaks_json():
        logger.critical(why, exc_info=debug)
    else:
        click.echo(f"cryptoviz: {why}", err=True)
        if debug:
            click.echo(traceback.format_exc(), err=True)
    return 1
