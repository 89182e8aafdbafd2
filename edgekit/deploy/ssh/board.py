"""A board that we are logged in to: runs scripts with the rights they take, and writes files."""

from dataclasses import dataclass
from shlex import quote

from edgekit.deploy.ssh.complaints import printable
from edgekit.deploy.ssh.connection import Connection
from edgekit.deploy.ssh.layout import Layout, Service
from edgekit.deploy.ssh.probing import Facts, check_rights, facts_of, probe_script
from edgekit.errors import EdgekitError, InputError

_FULL = "No space left on device"


@dataclass(frozen=True)
class Board:
    """A connection, where things lie there, and what was found.

    Attributes:
        connection: logged in.
        layout: where things lie.
        facts: what was found there.
    """

    connection: Connection
    layout: Layout
    facts: Facts

    @property
    def name(self) -> str:
        """What people call it."""
        return self.connection.destination.name

    @property
    def service(self) -> Service:
        """How its daemon is run."""
        return Service(self.layout)

    def rightful(self, script: str) -> str:
        """The script, with the rights of root where the layout takes them."""
        if not self.layout.needs_root or self.facts.is_root:
            return script
        return f"exec sudo -n sh -c {quote(script)}"

    def succeeds(self, script: str) -> bool:
        """Whether a script ends with 0.

        Raises:
            Unavailable: the connection was lost.
        """
        return self.connection.run(self.rightful(script)).code == 0

    def do(self, script: str, *, what: str, stdin: bytes = b"") -> str:
        """Runs a script to its end; gives what it printed.

        Args:
            script: what to run.
            what: it does, for the error.
            stdin: what it reads.

        Raises:
            InputError: it failed.
            Unavailable: the connection was lost.
        """
        ran = self.connection.run(self.rightful(script), stdin=stdin)
        if ran.code != 0:
            raise self.failure(what, ran.said or ran.last_words)
        return ran.out.decode(errors="replace")

    def put(self, path: str, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
        """Writes a file, whole or not at all.

        Args:
            path: on the board.
            data: its content.
            mode: its rights.
            replace: whether a file that is there gives way.

        Raises:
            InputError: it cannot be written.
        """
        there, beside = quote(path), quote(path + ".new")
        script = (
            f"umask 077; mkdir -p -m 755 {quote(path.rpartition('/')[0])} && cat >{beside} && "
            f"chmod {mode:o} {beside} && sync && mv -f {beside} {there} || "
            f"{{ rm -f {beside}; exit 1; }}"
        )
        if not replace:
            script = f"if [ -e {there} ]; then cat >/dev/null; exit 0; fi; {script}"
        self.do(script, what=f"write {path}", stdin=data)

    def failure(self, what: str, said: str) -> EdgekitError:
        """The error for something that failed on the board."""
        lines = [printable(line.strip()) for line in said.splitlines() if line.strip()]
        if _FULL in said:
            return InputError(
                f"{self.name}: could not {what}: the board's disk is full; free some space there"
            )
        return InputError(f"{self.name}: could not {what}: {lines[-1] if lines else 'no reason'}")


def find_board(connection: Connection, layout: Layout) -> Board:
    """Looks what the board is.

    Raises:
        InputError: what is to be done takes rights, or a systemd, that are not there.
        Unavailable: the connection was lost.
    """
    ran = connection.run(probe_script(layout))
    facts = facts_of(ran.out.decode(errors="replace"))
    check_rights(facts, layout, destination=connection.destination.name)
    return Board(connection, layout, facts)
