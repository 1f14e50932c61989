"""The console script `vectorplane`. It holds no command of its own: each is an entry point of the
group `vectorplane.commands`, imported when it is called, so that the core knows neither the
operator nor the service and a missing extra is one clear line.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from vectorplane import __version__
from vectorplane.errors import VectorplaneError

GROUP = "vectorplane.commands"
KUBECTL = "kubectl vectorplane"
"""The name of the console script as a plugin of kubectl."""
_OURS = ("vectorplane", "vectorplane_service", "vectorplane_operator")
_EXTRAS = {"operator": "operator", "search": "client", "upsert": "client", "load": "load"}
"""The extra that brings a command's libraries, where it is not `local`."""


class MissingExtra(click.ClickException):
    """A command whose libraries are not installed."""

    def __init__(self, command: str, module: str | None) -> None:
        extra = _EXTRAS.get(command, "local")
        super().__init__(
            f"`vectorplane {command}` needs the extra {extra}: pip install 'vectorplane[{extra}]'"
            f" (there is no module {module})"
        )


class Commands(click.Group):
    """A group whose commands are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_entry_points())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry_point = _entry_points().get(cmd_name)
        if entry_point is None:
            return None
        try:
            command: click.Command = entry_point.load()
        except ModuleNotFoundError as error:
            if _is_ours(error):
                raise
            return _stand_in(cmd_name, MissingExtra(cmd_name, error.name))
        return command


def _entry_points() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or "").split(".")[0] in _OURS


def _stand_in(name: str, missing: MissingExtra) -> click.Command:
    """Stands in the list of commands, and says what is missing whatever it is called with."""

    def refuse(arguments: tuple[str, ...]) -> None:
        raise missing

    return click.Command(
        name,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        callback=refuse,
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
        short_help=f"(needs the extra {_EXTRAS.get(name, 'local')})",
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vectorplane")
def cli() -> None:
    """Vector collections as a service: a manifest becomes a collection that answers searches."""


class Plugin(Commands):
    """The commands that are about a cluster."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in super().list_commands(ctx) if name == "plan"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) if cmd_name == "plan" else None


@click.group(cls=Plugin, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=KUBECTL)
def plugin() -> None:
    """Ask a cluster about its VectorCollections."""


def kubectl(args: Sequence[str] | None = None) -> int:
    """`kubectl vectorplane ...`; see `main`."""
    return _run(plugin, KUBECTL, args)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 0, 1 for an error, 2 for a wrong call, 130 for
    Ctrl-C."""
    return _run(cli, "vectorplane", args)


def _run(group: click.Group, name: str, args: Sequence[str] | None) -> int:
    command = _named(args)
    try:
        result = group.main(args, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except VectorplaneError as error:
        return _fail(error.message)
    except MissingExtra as error:
        return _fail(error.message)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ModuleNotFoundError as error:
        if _is_ours(error) or command is None:
            raise
        return _fail(MissingExtra(command, error.name).message)
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # The reader of our output (`| head`) has gone: nothing is wrong, and nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    click.echo(f"error: {message}", err=True)
    return 1


def _named(args: Sequence[str] | None) -> str | None:
    given = sys.argv[1:] if args is None else args
    return next((word for word in given if not word.startswith("-")), None)


if __name__ == "__main__":
    sys.exit(main())
