"""Hostile bytes: nothing that comes over the line breaks the C library."""

import re
from pathlib import Path

from tests.firmware_bridge.compilers import built, need_fuzzer, rows, run

SECONDS = 10


def test_random_sessions_break_nothing(tmp_path: Path) -> None:
    program = built("ek_random", tmp_path)
    assert run([str(program), "10000", "7"]) == "10000 inputs\n"


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    need_fuzzer(tmp_path)
    program = built("ek_fuzz", tmp_path, compiler="clang")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, _, kind, flags, seq, payload, frame, _ in rows("good.txt", 8):
        (corpus / f"raw_{name}").write_bytes(b"\x09" + bytes.fromhex(frame))
        body = bytes.fromhex(payload)
        head = bytes([int(kind), int(flags), int(seq) & 255, int(seq) >> 8, len(body) & 255])
        (corpus / name).write_bytes(b"\x08" + head + bytes([len(body) >> 8]) + body)
    run(
        [str(program), f"-max_total_time={SECONDS}", "-max_len=1024", "-verbosity=0", "-seed=1",
         str(corpus)],
        cwd=tmp_path,
    )  # fmt: skip
    assert not [one for one in tmp_path.iterdir() if re.match("crash|leak|timeout|oom", one.name)]
