"""What is wrong with a disk or an SQLite file on it, and what to do, in a line."""

import contextlib
import os
import sqlite3
from pathlib import Path


def is_damaged(error: Exception) -> bool:
    """Whether an error of SQLite is about what the file holds, so that trying again is no use."""
    if isinstance(error, UnicodeDecodeError):  # what SQLite says quotes the damage itself
        return True
    if isinstance(error, sqlite3.OperationalError):
        # Our statements are right, so one that makes no sense speaks of damaged table definitions.
        is_plain = getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
        return "Could not decode" in str(error) or (is_plain and "transaction" not in str(error))
    is_ours = isinstance(error, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not is_ours


def why_not_stored(error: Exception, folder: Path) -> str:
    """Why nothing can be stored, and what to do.

    Args:
        error: what SQLite or the operating system raised.
        folder: where the file is.
    """
    with contextlib.suppress(OSError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return "its disk is read-only; mount it writable, or give another state folder"
    text = getattr(error, "strerror", None) or str(error)
    match getattr(error, "sqlite_errorname", "").partition("_")[2]:
        case "FULL":
            return "the disk is full; free some space on it"
        case "BUSY" | "LOCKED" | "PROTOCOL":
            return "another program has it open; is a second edgekitd running?"
        case "CANTOPEN" | "CANTOPEN_ISDIR":
            return "it cannot be opened; is its folder there, and writable for this user?"
        case name if name.startswith("READONLY"):
            return "it is read-only; make it writable for this user"
        case name if name.startswith("IOERR"):
            return f"the disk fails ({text}); look at the kernel's log, replace the card"
        case _:
            return text
