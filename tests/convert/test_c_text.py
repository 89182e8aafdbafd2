"""Names and numbers as C text: whatever they hold, it stays a name or a number."""

import re
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.convert.c import text
from edgekit.errors import InputError


@given(st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z"))
def test_any_bundle_name_becomes_an_identifier(name: str) -> None:
    assert text.IDENTIFIER.fullmatch(text.identifier(name))


@given(st.text(max_size=80))
def test_any_text_becomes_an_identifier(name: str) -> None:
    assert text.IDENTIFIER.fullmatch(text.identifier(name))


@given(st.text(max_size=200))
def test_a_remark_ends_no_comment_and_no_line(said: str) -> None:
    found = text.remark(said)
    assert found.isascii()
    assert found.isprintable() or not found
    for sign in ("*/", "/*", "//", "\\", "??"):
        assert sign not in found


@given(st.text(max_size=200))
def test_a_string_is_one_literal_of_plain_ascii(said: str) -> None:
    found = text.string(said)
    assert re.fullmatch(r'"(?:[ !#-\[\]-~]|\\[0-7]{3})*"', found)
    assert "??" not in found


@settings(max_examples=1)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=60, max_size=60))
def test_a_compiler_reads_back_what_was_said(tmp_path_factory: pytest.TempPathFactory,
                                             said: list[str]) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("strings")
    said = [*(one.replace("\0", "0") for one in said), "??/", "%s*/", "\\", '"', "\x01a7", "é9"]
    numbers = np.array([1.5, -0.0, 1e-38, 3.4e38, 0.1, 1 / 3, -7], np.float32)
    (folder / "t.c").write_text(
        "#include <stdio.h>\n#include <stdint.h>\n"
        + text.strings("said", said)
        + "\n"
        + text.table("numbers", numbers)
        + "\n"
        + text.table("edges", np.array([-(2**31), 2**31 - 1], np.int32))
        + f"\nint main(void) {{ int i; for (i = 0; i < {len(said)}; ++i) "
        "{ fputs(said[i], stdout); putchar(0); } "
        "fwrite(numbers, 1, sizeof numbers, stdout); fwrite(edges, 1, sizeof edges, stdout); "
        "return 0; }\n"
    )
    command = ["gcc", "-std=c99", "-Wall", "-Wpedantic", "-Werror", "-trigraphs", "t.c", "-o", "t"]
    subprocess.run(command, cwd=folder, check=True)
    out = subprocess.run([folder / "t"], capture_output=True, check=True).stdout
    texts = b"".join(one.encode() + b"\0" for one in said)
    edges = np.array([-(2**31), 2**31 - 1], np.int32)
    assert out == texts + numbers.tobytes() + edges.tobytes()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_c_cannot_say_is_refused(number: float) -> None:
    with pytest.raises(InputError, match="no C literal"):
        text.real(number)
