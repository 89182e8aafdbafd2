"""Takes edgekit off a board; settings and state stay unless they are to go too."""

from shlex import quote

from edgekit.deploy.ssh.board import Board
from edgekit.deploy.ssh.layout import Layout, Service
from edgekit.deploy.ssh.system_files import all_places
from edgekit.errors import InputError


def what_goes(layout: Layout, *, purge: bool) -> list[str]:
    """The files and folders that an uninstall removes: pure."""
    if layout.service == "process":
        rest = [f"{layout.prefix}/etc", layout.state] if purge else []
        return [layout.home, layout.wheels, f"{layout.prefix}/run", *rest]
    rest = ["/etc/edgekit", layout.state] if purge else []
    return [layout.home, layout.wheels, *all_places(), *rest]


def uninstall(board: Board, *, purge: bool) -> list[str]:
    """Stops the daemon and removes it; gives what was removed.

    Args:
        board: logged in to.
        purge: whether its settings, bundles and all other state go too, and its user.

    Raises:
        InputError: there is no edgekit where it is said to be, or it cannot be removed.
    """
    layout = board.layout
    there = " || ".join(
        f"[ -e {quote(path)} ]" for path in (layout.daemon, layout.marker, layout.config)
    )
    if not board.succeeds(there):
        raise InputError(f"{board.name}: there is no edgekit in {layout.home}")
    gone = what_goes(layout, purge=purge)
    board.do(_script(layout, gone, purge=purge), what="uninstall edgekit")
    return gone


def _script(layout: Layout, gone: list[str], *, purge: bool) -> str:
    steps = [f"({Service(layout).stop()}) 2>/dev/null || :"]
    if layout.service == "systemd":
        steps.append("systemctl disable --quiet edgekit-boot-check.service 2>/dev/null || :")
    steps.append(f"rm -rf {' '.join(map(quote, gone))}")
    if layout.service == "systemd":
        steps.append("rmdir /etc/systemd/system/edgekitd.service.d 2>/dev/null || :")
        steps.append(f"rmdir {quote(layout.wheels.rpartition('/')[0])} 2>/dev/null || :")
        steps.append("systemctl daemon-reload")
        if purge:
            steps.append("userdel edgekit 2>/dev/null || :")
    else:
        steps.append(f"rmdir {quote(layout.prefix)} 2>/dev/null || :")
    return "\n".join(steps)
