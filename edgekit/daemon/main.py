"""The `edgekitd` command. `docs/daemon.md` documents its exit codes."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from edgekit import __version__
from edgekit.daemon.logs import set_up_logging
from edgekit.errors import EdgekitError


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the daemon; leaves with its exit code."""
    options = _parser().parse_args(arguments)
    set_up_logging()
    try:
        code = _run(options.config)
    except EdgekitError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"edgekitd: error: {line}\n")
        code = error.exit_code
    sys.exit(code)


def _run(config: Path) -> int:
    from edgekit.daemon.app import App, ToldToStop
    from edgekit.daemon.notify import notifier

    app = App(config, notify=notifier())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stop())
    signal.signal(signal.SIGHUP, lambda *_: app.reload())
    signal.set_wakeup_fd(app.wake.fileno(), warn_on_full_buffer=False)
    try:
        app.startup()
        app.run()
    except ToldToStop:
        pass  # which is no failure
    finally:
        signal.set_wakeup_fd(-1)
        code = app.shutdown()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgekitd",
        description="Runs models on live data, as a configuration file says, and publishes what "
        "they say.",
        epilog="Exit codes: 0 finished or told to stop; 1 finished, but samples were refused, "
        "messages dropped, or a source broke; 2 the configuration or an input cannot be used; "
        "3 a model cannot be run; 4 a bundle must not be trusted; 5 something outside is not "
        "there; 7 a driver hangs and cannot be killed: only a reboot helps.",
    )
    parser.add_argument("--config", required=True, type=Path, help="the edgekit.toml to follow")
    parser.add_argument("--version", action="version", version=f"edgekitd {__version__}")
    return parser


if __name__ == "__main__":
    main()
