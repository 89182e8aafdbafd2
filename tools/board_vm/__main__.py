"""`python -m tools.board_vm`: builds, boots and handles the emulated board by hand."""

import argparse
import os
import sys
from pathlib import Path

from tools.board_vm.machine import DEFAULT_FOLDER, Board, BoardFailed, build


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="what is kept")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="make the image, where it is not there as asked")
    up = verbs.add_parser("up", help="build, boot, and wait for SSH")
    up.add_argument("--fresh", action="store_true", help="with a new disk")
    ssh = verbs.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("command", nargs="*")
    push = verbs.add_parser("push", help="copy files into a folder of it")
    push.add_argument("sources", nargs="+", type=Path)
    push.add_argument("into")
    for verb, means in (
        ("reset", "the reset button"),
        ("cut", "no power, at once"),
        ("down", "the power button"),
        ("fsck", "look at the disk of a board that is off"),
    ):
        verbs.add_parser(verb, help=means)
    options = parser.parse_args()
    try:
        return _do(options, Board(options.folder))
    except BoardFailed as error:
        print(f"board_vm: error: {error}", file=sys.stderr)
        return 1


def _do(options: argparse.Namespace, board: Board) -> int:
    match options.verb:
        case "build":
            build(options.folder)
        case "up":
            build(options.folder)
            if options.fresh:
                board.cut_power()
                board.make_disk()
            board.boot()
            board.wait()
        case "ssh":
            command = board.ssh_command(*options.command)
            os.execvp(command[0], command)
        case "push":
            board.push([path.resolve() for path in options.sources], options.into)
        case "reset":
            board.reset()
        case "cut":
            board.cut_power()
        case "down":
            board.power_down()
        case "fsck":
            check = board.check_disk()
            print(check.words)
            return 0 if check.is_clean else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
