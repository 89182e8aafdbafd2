"""What rounds came to, simulated or real, as JSON and as a page with curves."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import msgspec

from edgekit.federated.curves import Line, chart

_STYLE = """:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin:2rem 0 .4rem}
.lead{opacity:.75;margin-top:0}svg{width:100%;height:auto}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem;
margin:1.4rem 0}
.facts div{background:var(--soft);border:1px solid var(--line);border-radius:.6rem;
padding:.6rem .9rem}
.facts b{display:block;font-size:1.45rem;font-variant-numeric:tabular-nums}
.facts span{opacity:.7;font-size:.85rem}
.note{background:var(--soft);border-left:4px solid #c2410c;padding:.6rem 1rem;margin:.8rem 0}
.told{border-color:#0b66c3}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}
td,th{padding:.25rem .55rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}
.settings{width:auto}.settings td,.settings th{text-align:left;white-space:normal}"""


@dataclass(frozen=True)
class Round:
    """What one round came to.

    Attributes:
        number: from 1.
        accuracy: of the global model on samples that no board trains on; `None` where not judged.
        loss: of it on them.
        updates: how many were combined.
        refused: whose were not, and why: also those whose training came to NaN or infinity.
        bytes_up: of all updates as they travel; in a simulation without what a transport adds.
        label_skew: see `edgekit.federated.measures`; `None` where boards do not tell.
        update_divergence: see there; `None` where updates are not seen one by one.
        chosen: how many boards were asked; `None` where that was not kept.
        bytes_down: of all that boards were sent; `None` where that was not counted.
        epsilon_rdp: what all rounds so far cost, see `edgekit.federated.privacy`; `None` without
            noise.
        epsilon_pld: the same, bounded in another way.
        seconds: how long it took; `None` in a simulation, whose time says nothing.
    """

    number: int
    accuracy: float | None
    loss: float | None
    updates: int
    refused: Mapping[str, str]
    bytes_up: int
    label_skew: float | None = None
    update_divergence: float | None = None
    chosen: int | None = None
    bytes_down: int | None = None
    epsilon_rdp: float | None = None
    epsilon_pld: float | None = None
    seconds: float | None = None

    @property
    def epsilon(self) -> float | None:
        """The smaller of the two bounds."""
        if self.epsilon_rdp is None or self.epsilon_pld is None:
            return None
        return min(self.epsilon_rdp, self.epsilon_pld)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Rounds, and what they were rounds of.

    Attributes:
        settings: what was asked for, by name.
        clients: how many boards there are.
        parameters: how many numbers the boards share.
        rounds: each of them.
        title: of the page.
        epsilon: the privacy budget; `None` for none.
        delta: the other half of the guarantee; `None` without noise.
        privacy: one sentence: against whom epsilon holds.
        ended: why it ended before its last round; empty where it did not.
    """

    settings: dict[str, str]
    clients: int
    parameters: int
    rounds: tuple[Round, ...]
    title: str = "Federated rounds"
    epsilon: float | None = None
    delta: float | None = None
    privacy: str = ""
    ended: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table of rounds: its title, and how a round's value is written."""

    title: str
    value: Callable[[Round], float | None]
    form: str

    def text(self, one: Round) -> str:
        """Of one round; a dash where there is nothing."""
        found = self.value(one)
        return "-" if found is None else format(found, self.form)


COLUMNS = (
    Column("round", lambda one: one.number, "d"),
    Column("accuracy", lambda one: one.accuracy, ".3f"),
    Column("loss", lambda one: one.loss, ".3f"),
    Column("chosen", lambda one: one.chosen, "d"),
    Column("updates", lambda one: one.updates, "d"),
    Column("refused", lambda one: len(one.refused), "d"),
    Column("kB up", lambda one: one.bytes_up / 1000, ",.1f"),
    Column("kB down", lambda one: _thousandth(one.bytes_down), ",.1f"),
    Column("skew", lambda one: one.label_skew, ".2f"),
    Column("divergence", lambda one: one.update_divergence, ".2f"),
    Column("epsilon RDP", lambda one: one.epsilon_rdp, ".3f"),
    Column("epsilon PLD", lambda one: one.epsilon_pld, ".3f"),
    Column("seconds", lambda one: one.seconds, ".1f"),
)
"""All that is known of a round; see `columns_for`."""


def columns_for(rounds: Sequence[Round]) -> list[Column]:
    """The columns in which some round has something."""
    return [c for c in COLUMNS if any(c.value(one) is not None for one in rounds)]


def write_report(report: Report, folder: Path) -> None:
    """Writes `report.json` and `report.html` into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    document = msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=2)
    (folder / "report.json").write_bytes(document + b"\n")
    (folder / "report.html").write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """One page of HTML that needs no other file."""
    settings = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in report.settings.items()
    )
    columns = columns_for(report.rounds)
    head = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{column.text(one)}</td>' for column in columns)}</tr>"
        for one in report.rounds
    )
    ended = f'<p class="note">{escape(report.ended)}</p>' if report.ended else ""
    privacy = f'<p class="note told">{escape(report.privacy)}</p>' if report.privacy else ""
    refused = [f"round {o.number}: {n}: {w}" for o in report.rounds for n, w in o.refused.items()]
    shown = "".join(f"<li>{escape(text)}</li>" for text in refused[:50])
    more = f"<p>{len(refused) - 50:,} more are in report.json.</p>" if len(refused) > 50 else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>edgekit: {escape(report.title)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>{escape(report.title)}</h1>
<p class="lead">{report.clients:,} boards share {report.parameters:,} parameters.</p>
{_facts(report)}{ended}{privacy}
{_curves(report)}
<h2>Rounds</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>
{f"<h2>Refused</h2><ul>{shown}</ul>{more}" if refused else ""}
<h2>Settings</h2><table class="settings">{settings}</table></body></html>
"""


def _facts(report: Report) -> str:
    if not report.rounds:
        return '<p class="note">No round was played.</p>'
    last = report.rounds[-1]
    facts = [(f"{len(report.rounds):,}", "rounds")]
    judged = [one.accuracy for one in report.rounds if one.accuracy is not None]
    if judged:
        facts += [(f"{judged[-1]:.3f}", "accuracy at the end"), (f"{max(judged):.3f}", "the best")]
    if last.epsilon is not None:
        of = "" if report.epsilon is None else f" of {report.epsilon:g}"
        delta = "" if report.delta is None else f", delta {report.delta:.1e}"
        facts.append((f"{last.epsilon:.2f}", f"epsilon{of}{delta}"))
    facts.append((_megabytes(sum(one.bytes_up for one in report.rounds)), "MB up"))
    down = [one.bytes_down for one in report.rounds if one.bytes_down is not None]
    if down:
        facts.append((_megabytes(sum(down)), "MB down"))
    cells = "".join(f"<div><b>{v}</b><span>{escape(what)}</span></div>" for v, what in facts)
    return f'<div class="facts">{cells}</div>'


def _curves(report: Report) -> str:
    rounds = report.rounds

    def line(name: str, value: Callable[[Round], float | None]) -> Line:
        return Line(name, [(one.number, value(one)) for one in rounds])

    def drawn(title: str, lines: Sequence[Line], unit: str, *, from_zero: bool = True) -> str:
        known = [one for one in lines if any(y is not None for _, y in one.points)]
        if not known:
            return ""
        picture = chart(known, x="round", y=unit, from_zero=from_zero, whole_x=True)
        return f"<h2>{title}</h2>{picture}"

    epsilons = [line("RDP", lambda o: o.epsilon_rdp), line("PLD", lambda o: o.epsilon_pld)]
    if report.epsilon is not None and math.isfinite(report.epsilon) and rounds:
        ends = [(float(one.number), report.epsilon) for one in (rounds[0], rounds[-1])]
        epsilons.append(Line("the budget", ends, dashed=True))
    traffic = [
        line("up: all updates", lambda o: o.bytes_up / 1000),
        line("down: models and orders", lambda o: _thousandth(o.bytes_down)),
    ]
    unit = "epsilon" if report.delta is None else f"epsilon at delta {report.delta:.1e}"
    return (
        drawn("Accuracy", [line("", lambda o: o.accuracy)], "accuracy, share of 1", from_zero=False)
        + drawn("Loss", [line("", lambda o: o.loss)], "mean loss of a sample")
        + (drawn("Privacy spent", epsilons, unit) if rounds and rounds[-1].epsilon else "")
        + drawn("Bytes", traffic, "kB a round")
    )


def _thousandth(value: int | None) -> float | None:
    return None if value is None else value / 1000


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f}" if size < 1e8 else f"{size / 1e6:,.0f}"
