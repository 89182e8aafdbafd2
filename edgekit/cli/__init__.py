"""The `edgekit` command: a table of commands, each imported when it is called."""

import sys
from importlib import import_module

import click

from edgekit import __version__
from edgekit.errors import EdgekitError

COMMANDS = {
    "bench": "edgekit.cli.bench:bench",
    "bridge": "edgekit.cli.bridge:bridge",
    "build": "edgekit.cli.build:build",
    "command": "edgekit.cli.command:command",
    "compare": "edgekit.cli.compare:compare",
    "compress": "edgekit.cli.compress:compress",
    "config": "edgekit.cli.config:config",
    "convert": "edgekit.cli.convert:convert",
    "decisions": "edgekit.cli.decisions:decisions",
    "deploy": "edgekit.cli.deploy:deploy",
    "distill": "edgekit.cli.step:distill",
    "doctor": "edgekit.cli.doctor:doctor",
    "export": "edgekit.cli.export:export",
    "federate": "edgekit.cli.federate:federate",
    "finetune": "edgekit.cli.step:finetune",
    "inspect": "edgekit.cli.inspect:inspect",
    "keys": "edgekit.cli.keys:keys",
    "logs": "edgekit.cli.logs:logs",
    "pack": "edgekit.cli.pack:pack",
    "predict": "edgekit.cli.predict:predict",
    "provision": "edgekit.cli.provision:provision",
    "prune-channels": "edgekit.cli.step:prune_channels",
    "quantize": "edgekit.cli.step:quantize",
    "repository": "edgekit.cli.repository:repository",
    "rollback": "edgekit.cli.rollback:rollback",
    "rollout": "edgekit.cli.rollout:rollout",
    "slim": "edgekit.cli.step:slim",
    "status": "edgekit.cli.status:status",
    "train": "edgekit.cli.train:train",
    "uninstall": "edgekit.cli.uninstall:uninstall",
    "watch": "edgekit.cli.watch:watch",
}
_WORKSTATION = (
    "cryptography",
    "jinja2",
    "onnx",
    "onnx_ir",
    "rich",
    "sklearn",
    "tomlkit",
    "google",
    "ai_edge_litert",
    "flatbuffers",
)


class _Lazy(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgekit")
def edgekit() -> None:
    """Shrinks trained models for IoT boards, and runs them there.

    Exit codes: 0 done; 2 the command, a setting or an input cannot be used; 3 a model cannot be
    used; 4 a bundle must not be trusted; 5 something outside is not there now; 6 an artifact misses
    a gate; 8 a rollout did not come to its end.
    """


def main() -> None:
    """Runs the command; leaves with its exit code."""
    try:
        code = edgekit(standalone_mode=False)  # what a command leaves with, or gives
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgekit: interrupted", err=True)
        sys.exit(130)
    except EdgekitError as error:
        for line in str(error).splitlines():
            click.echo(f"edgekit: error: {line}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _WORKSTATION:
            raise
        click.echo(
            f"edgekit: error: this command needs {error.name}, which a board does without: "
            "pip install 'edgekit[workstation]'",
            err=True,
        )
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)
