"""The Python codec and the C one say the same of 100,000 packets, whole and damaged."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.bridge.cbor import Malformed, decode, encode
from edgekit.bridge.framing import Damage, Flags, Frame, FrameReader, encode_frame
from edgekit.bridge.noise import Noise

C_FOLDER = Path(__file__).resolve().parents[2] / "firmware_bridge" / "c"
PACKETS = 100_000


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C codec behind a pipe, built here."""
    if not (C_FOLDER / "tests" / "codec_main.c").exists():
        pytest.skip("the C library is not there")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: tools/apt.sh gcc")
    out = tmp_path_factory.mktemp("codec") / "ek_codec"
    sources = [C_FOLDER / "src" / f"ek_{name}.c" for name in ("frame", "cbor_read", "cbor_write")]
    subprocess.run(
        [
            *(compiler, "-std=c99", "-O2"),
            *(f"-I{C_FOLDER / folder}" for folder in ("include", "src")),
            *map(str, [*sources, C_FOLDER / "tests" / "codec_main.c"]),
            *("-o", str(out)),
        ],
        check=True,
        timeout=120,
    )
    return out


def asked(codec: Path, requests: list[str]) -> list[list[str]]:
    """The lines of each answer."""
    done = subprocess.run(
        [str(codec)],
        input="".join(f"{one}\n" for one in requests),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answers: list[list[str]] = [[]]
    for line in done.stdout.splitlines():
        if line == ".":
            answers.append([])
        else:
            answers[-1].append(line)
    assert len(answers) == len(requests) + 1
    return answers[:-1]


def item(rng: random.Random, depth: int) -> object:
    """Anything the subset has."""
    match rng.randrange(10 if depth else 7):
        case 0:
            return rng.choice([None, True, False])
        case 1 | 2:
            return rng.randrange(
                -(2 ** rng.choice([4, 8, 16, 32, 63])), 2 ** rng.choice([5, 32, 64])
            )
        case 3:
            return rng.choice([0.0, -2.5, 1e300, rng.random(), float("inf")])
        case 4 | 5:
            return rng.randbytes(rng.randrange(60))
        case 6:
            return "".join(rng.choice("aäµ€𝄞 ") for _ in range(rng.randrange(20)))
        case 7 | 8:
            return [item(rng, depth - 1) for _ in range(rng.randrange(6))]
        case _:
            return {rng.randrange(50): item(rng, depth - 1) for _ in range(rng.randrange(6))}


def payload(rng: random.Random) -> bytes:
    """Mostly an item, sometimes one with damage under a right checksum, sometimes just bytes."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(1, 499))
    found = encode(item(rng, rng.randrange(5)))[:499]
    if kind < 0.3:
        damaged = bytearray(found)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        return bytes(damaged)
    return found


def hex_of(data: bytes) -> str:
    return data.hex() or "-"


def lines_of(found: Frame | Damage) -> str:
    if isinstance(found, Damage):
        return f"E {found.fault}"
    try:
        decode(found.payload)
        verdict = "ok"
    except Malformed:
        verdict = "bad"
    return (
        f"F {found.version} {found.type} {int(found.flags)} {found.seq} "
        f"{hex_of(found.payload)} {verdict}"
    )


def test_python_and_c_agree_on_100_000_packets_and_on_what_is_left_of_damaged_ones(
    codec: Path,
) -> None:
    rng = random.Random(20_261_128)
    noise = Noise.of_all_kinds(2e-3, rng)
    reader = FrameReader()
    requests, wanted = [], []
    faults: set[str] = set()
    for number in range(PACKETS):
        frame = Frame(
            rng.choice([rng.randrange(1, 11), rng.randrange(256)]),
            Flags(rng.randrange(8)),
            rng.randrange(2**16),
            payload(rng),
        )
        wire = encode_frame(frame)
        requests.append(f"E {frame.type} {int(frame.flags)} {frame.seq} {hex_of(frame.payload)}")
        wanted.append([f"W {wire.hex()}"])
        came = wire if number % 6 else noise.damage(wire)
        found = [lines_of(one) for one in reader.feed(came)]
        faults |= {one for one in found if one.startswith("E")} | {one[-3:] for one in found}
        requests.append(f"D {hex_of(came)}")
        wanted.append(found)
    assert {"E cobs", "E crc", " ok", "bad"} <= faults
    for request, answer, expected in zip(requests, asked(codec, requests), wanted, strict=True):
        assert answer == expected, request


def test_python_and_c_agree_on_what_is_one_item_of_the_subset(codec: Path) -> None:
    rng = random.Random(7)
    payloads = [payload(rng) for _ in range(5_000)]
    payloads += [rng.randbytes(rng.randrange(1, 12)) for _ in range(45_000)]
    answers = asked(codec, [f"V {one.hex()}" for one in payloads])
    verdicts = {}
    for data, answer in zip(payloads, answers, strict=True):
        try:
            decode(data)
            verdict = "ok"
        except Malformed:
            verdict = "bad"
        assert answer == [f"V {verdict}"], data.hex()
        verdicts[verdict] = True
    assert len(verdicts) == 2
