"""The command line: parse, call one function, show. The only reader of argv; a command's code loads when it is run."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True)
class Lazy:
    """Where a command's code is (module:attribute), and what `--help` says of it without loading that."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group that loads a command when it is run, and shows its list of commands without loading any."""

    def __init__(self, *, table: Mapping[str, Lazy], default: str = "", **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.table = table
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the group's name alone, or with options, for the command that is its default."""
        if self.default and not (args and (args[0] in self.table or args[0] in ("-h", "--help"))):
            options_only = not args or args[0].startswith("-")
            args = [self.default, *args] if options_only else args
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order in which a person meets them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of this name."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.table, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)


ROOT = {
    "deploy": Lazy("garret.commands.deploy:deploy", "Make a deployment, or finish one; ends with a picture."),
    "status": Lazy("garret.commands.look:status", "What there is, where it answers, and what it costs."),
    "list": Lazy("garret.commands.look:list_", "All deployments."),
    "generate": Lazy("garret.commands.generate:generate", "Make pictures from words."),
    "env": Lazy("garret.commands.env:env", "Where a deployment answers and its token, for other programs."),
    "update": Lazy("garret.commands.update:update", "Change a deployment where it stands."),
    "events": Lazy("garret.commands.events:events", "What happened to a deployment, oldest first."),
    "logs": Lazy("garret.commands.logs:logs", "What a node has written: how it set itself up, and what it does."),
    "delete": Lazy("garret.commands.delete:delete", "Delete a deployment and make sure that nothing is billed."),
    "cost": Lazy("garret.commands.cost:cost", "What a deployment cost, costs now, and saved by being stopped."),
    "doctor": Lazy("garret.commands.doctor:doctor", "Is everything there that a deployment needs, and what is not?"),
    "image": Lazy("garret.cli:image", "Images of your own, from which deployments start sooner."),
    "ops": Lazy("garret.cli:ops", "Stop and start, bring models, look at what ran."),
    "template": Lazy("garret.cli:template", "The ROS template behind a deployment."),
    "local": Lazy("garret.cli:local", "The Alibaba Cloud on this machine."),
    "debug": Lazy("garret.cli:debug", "Hooks for tests and rehearsals."),
}
OPS = {
    "stop": Lazy("garret.commands.power:stop", "Stop the node and stop paying for it; disk and address stay."),
    "start": Lazy("garret.commands.power:start", "Start a stopped node; ends when a picture can be made."),
    "resize": Lazy("garret.commands.resize:resize", "Another instance type for the node, with the stop it needs."),
    "backup": Lazy("garret.commands.backup:backup", "Keep the node's disk as it is now: models, pictures and all."),
    "restore": Lazy("garret.commands.backup:restore", "Bring the node's disk back to what it was at a backup."),
    "restart-service": Lazy("garret.commands.power:restart_service", "Begin the service anew; ends with a picture."),
    "autostop": Lazy("garret.commands.autostop:autostop", "When the node stops itself, and is deleted after that."),
    "logs": Lazy("garret.commands.logs:logs", "What a node has written; the same as garret logs."),
    "run": Lazy("garret.commands.run:run", "Run one command on the node: its output, its exit code."),
    "ssh": Lazy("garret.commands.ssh:ssh", "A shell on the node, through a port opened for you alone."),
    "tunnel": Lazy("garret.commands.ssh:tunnel", "The service on a port of this machine, through SSH."),
    "rotate-password": Lazy("garret.commands.rotate_password:rotate_password", "Another password and token, at once."),
    "download-model": Lazy("garret.commands.download_model:download_model", "Bring models onto the node."),
    "list-models": Lazy("garret.commands.models:list_models", "What is on the node, and what was removed lately."),
    "remove-model": Lazy("garret.commands.models:remove_model", "Take a model away, into a bin on the node."),
    "restore-model": Lazy("garret.commands.models:restore_model", "Bring a removed model back."),
    "verify-models": Lazy("garret.commands.models:verify_models", "Hash the models again: is each what it was?"),
    "schedule": Lazy("garret.commands.schedule:schedule", "Start and stop by the week, by the cloud itself."),
    "export": Lazy("garret.commands.export:export", "Each operation as an OOS template, for the cloud's console."),
    "install-extension": Lazy("garret.commands.extensions:install_extension", "Install an extension into the service."),
    "extensions": Lazy("garret.cli:extensions", "Extensions: which are on, turn one on or off, remove one."),
    "executions": Lazy("garret.cli:executions", "What was asked for, what runs, how it ended."),
}
IMAGE = {
    "bake": Lazy("garret.commands.image:bake", "Make one: a temporary node, then an image of its disk."),
    "list": Lazy("garret.commands.image:list_", "Those of the region: what is on them, and who uses them."),
    "delete": Lazy("garret.commands.image:delete", "Delete one, with the snapshot that it lies on."),
}
EXECUTIONS = {
    "list": Lazy("garret.commands.executions:list_", "All executions, the newest first."),
    "show": Lazy("garret.commands.executions:show", "One execution: its parts, their times, who asked."),
    "wait": Lazy("garret.commands.executions:wait", "Look on again until one has ended."),
    "cancel": Lazy("garret.commands.executions:cancel", "Have one end where it can."),
}
EXTENSIONS = {
    "list": Lazy("garret.commands.extensions:list_", "Which are on, what they do, why one was turned off."),
    "enable": Lazy("garret.commands.extensions:enable", "Turn one on."),
    "disable": Lazy("garret.commands.extensions:disable", "Turn one off; it stays on the node."),
    "remove": Lazy("garret.commands.extensions:remove", "Turn one off and delete it."),
}
TEMPLATE = {
    "render": Lazy("garret.commands.template:render", "Print the ROS template behind a deployment."),
    "validate": Lazy("garret.commands.template:validate", "Check a ROS template, with or without a cloud."),
    "list": Lazy("garret.commands.template:list_", "The templates that garret brings."),
    "parameters": Lazy("garret.commands.template:parameters", "What a template asks for."),
}
LOCAL = {
    "up": Lazy("garret.commands.local:up", "Start it; prints where it answers and its keys."),
    "down": Lazy("garret.commands.local:down", "Stop it and its nodes; what it holds stays on disk."),
    "status": Lazy("garret.commands.local:status", "Is it up, where, and what is switched on?"),
    "faults": Lazy("garret.cli:faults", "Let it fail as a real cloud does: no stock, lost replies, and more."),
}
FAULTS = {
    "list": Lazy("garret.commands.faults:list_", "Which faults are on."),
    "add": Lazy("garret.commands.faults:add", "Switch one on; --help tells all of them."),
    "clear": Lazy("garret.commands.faults:clear", "Switch one or all off."),
}
DEBUG = {
    "crash-points": Lazy("garret.commands.debug:crash_points", "Points at which GARRET_CRASH_AT kills garret."),
    "bundle": Lazy("garret.commands.debug:bundle", "Write the runtime as nodes get it, for deploy --bundle-url."),
}


def _group(name: str, table: Mapping[str, Lazy], text: str, example: str, default: str = "") -> LazyGroup:
    return LazyGroup(name=name, table=table, default=default, help=text, epilog=f"\b\nExample:\n  {example}\n")


ops = _group("ops", OPS, "Stop and start, bring models, look at what ran.", "garret ops stop")
image = _group("image", IMAGE, "Images of your own, from which deployments start sooner.", "garret image bake")
executions = _group(
    "executions", EXECUTIONS, "What was asked for, what runs, how it ended.", "garret ops executions", default="list"
)
extensions = _group(
    "extensions", EXTENSIONS, "Extensions of the service on the node.", "garret ops extensions", default="list"
)
template = _group(
    "template", TEMPLATE, "The ROS template behind a deployment.", "garret template render -o garret.yaml"
)
faults = _group("faults", FAULTS, "Let the local cloud fail as a real one does.", "garret local faults add no_stock")
local = _group("local", LOCAL, "The Alibaba Cloud on this machine; costs nothing.", "garret local up")
debug = _group("debug", DEBUG, "Hooks for tests and rehearsals.", "garret debug crash-points")

_HELP = """Stable Diffusion XL on Alibaba Cloud GPUs with one command, and no bill for an idle one.

\b
Examples:
  garret deploy --cloud local --yes
  garret generate "a green star on a white background" -o star.png
  garret ops stop
  garret delete garret
"""


def _show_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        from garret import __version__

        click.echo(f"garret {__version__}")
        ctx.exit()


garret = LazyGroup(
    name="garret",
    table=ROOT,
    help=_HELP,
    context_settings=CONTEXT,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        )
    ],
)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    as_json, debugging = "--json" in arguments, "--debug" in arguments
    try:
        result = garret.main(arguments, prog_name="garret", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except BaseException as error:  # here every error becomes text
        if isinstance(error, SystemExit):
            raise
        from garret.console import Console

        return Console(as_json=as_json, debug=debugging).error(error)


def main() -> None:
    """Enter from the shell."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no ✓ must not end a deploy in its middle
            stream.reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `garret list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.stderr.flush()
    # All is written and closed by now. To take a tenth of a second's imports apart object by object helps nobody.
    os._exit(code)


if __name__ == "__main__":
    main()
