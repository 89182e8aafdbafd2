"""What a simulation came to, as JSON and as a page with curves."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import msgspec

from edgekit.federated.simulation import Round

_WIDTH, _HEIGHT, _EDGE = 640, 240, 40
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right}
svg{width:100%;height:auto}.axis{stroke:#999}.curve{fill:none;stroke:#06c;stroke-width:2}
text{font-size:12px;fill:#555}"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation.

    Attributes:
        settings: what was asked for, by name.
        clients: how many there are.
        parameters: how many numbers the boards share.
        rounds: each of them.
    """

    settings: dict[str, str]
    clients: int
    parameters: int
    rounds: tuple[Round, ...]


def write_report(report: Report, folder: Path) -> None:
    """Writes `report.json` and `report.html` into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    document = msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=2)
    (folder / "report.json").write_bytes(document + b"\n")
    (folder / "report.html").write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """One page of HTML that needs no other file."""
    rounds = report.rounds
    said = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in report.settings.items()
    )
    rows = "".join(
        f"<tr><td>{one.number}</td><td>{one.accuracy:.3f}</td><td>{one.loss:.3f}</td>"
        f"<td>{one.updates}</td><td>{len(one.refused)}</td><td>{one.bytes_up / 1000:,.1f}</td>"
        f"<td>{one.label_skew:.3f}</td><td>{one.update_divergence:.2f}</td></tr>"
        for one in rounds
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>edgekit: federated rounds</title>
<style>{_STYLE}</style>
<h1>Federated rounds</h1>
<p>{report.clients:,} clients, {report.parameters:,} shared parameters, {len(rounds)} rounds.</p>
<h2>Accuracy</h2>{_curve([one.accuracy for one in rounds])}
<h2>Loss</h2>{_curve([one.loss for one in rounds])}
<h2>Settings</h2><table>{said}</table>
<h2>Rounds</h2><table><tr><th>round</th><th>accuracy</th><th>loss</th><th>updates</th>
<th>refused</th><th>kB up</th><th>label skew</th><th>divergence</th></tr>{rows}</table></html>
"""


def _curve(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    across, up = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
    points = []
    for number, value in enumerate(values):
        x = _EDGE + across * number / max(1, len(values) - 1)
        y = _EDGE + up * (1 - (value - low) / ((high - low) or 1))
        points.append(f"{x:.1f},{y:.1f}")
    bottom = _HEIGHT - _EDGE
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f'<path class="axis" d="M{_EDGE} {_EDGE}V{bottom}H{_WIDTH - _EDGE}" fill="none"/>'
        f'<polyline class="curve" points="{" ".join(points)}"/>'
        f'<text x="0" y="{_EDGE}">{high:.3g}</text><text x="0" y="{bottom}">{low:.3g}</text>'
        f'<text x="{_EDGE}" y="{_HEIGHT - 15}">1</text>'
        f'<text x="{_WIDTH - _EDGE - 10}" y="{_HEIGHT - 15}">{len(values)}</text></svg>'
    )
