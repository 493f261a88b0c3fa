"""How long does an event take to its answer, at a given rate, and how long through a program without work?

    python -m tests.benchmarks.latency [--json] [--quick] [--rates 1000,5000]

Open loop: event i is due at t0 + i / rate whoever is slow, and counts from then until a separate consumer has its answer. 100 events to
start, 3 s left out, 8 s measured. The echo program (same clients, no work) runs beside ours at each rate: the floor of the set-up.
"""

import argparse
from typing import Any

from tests.benchmarks.harness import told
from tests.benchmarks.harness.chart import Line, lines
from tests.benchmarks.harness.open_loop import Load, waits
from tests.benchmarks.harness.programs import Program, ours, peer
from tests.benchmarks.harness.scene import scene

RATES = (1_000, 5_000, 20_000, 50_000)
WARM_S, SECONDS, QUICK_WARM_S, QUICK_S = 3.0, 8.0, 0.5, 1.0


def measured(rates: tuple[int, ...], *, quick: bool) -> list[dict[str, Any]]:
    """Return a line for each rate, ours with the echo's beside it."""
    echo = peer("echo")
    found = []
    with scene() as at:
        for number, rate in enumerate(rates):
            load = Load(rate, QUICK_WARM_S, QUICK_S) if quick else Load(rate, WARM_S, SECONDS)
            line = waits(at, ours(), load, number).as_dict()
            told.say(f"ours {line}")
            if isinstance(echo, Program):
                line["echo"] = waits(at, echo, load, number).as_dict()
                told.say(f"echo {line['echo']}")
            found.append(line)
    return found


def whole_numbers(text: str) -> tuple[int, ...]:
    """Return the rates of a command line. Raises ArgumentTypeError that says what was expected."""
    try:
        rates = tuple(map(int, text.split(",")))
    except ValueError:
        rates = (0,)
    if min(rates) < 1:
        raise argparse.ArgumentTypeError(f"expected events a second, whole numbers with commas between, found {text!r}")
    return rates


def table(found: list[dict[str, Any]]) -> str:
    """Return the result for people."""
    rows = [f"{'rate':>8} {'program':8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>9}{'lost':>6}{'core':>7}   ms; load average"]
    keys = (("p50_ms", 8), ("p95_ms", 8), ("p99_ms", 8), ("max_ms", 9))
    for line in found:
        for name, each in (("ours", line), ("echo", line.get("echo"))):
            if each:
                figures = "".join(f"{each[key]:{width}.1f}" for key, width in keys)
                late = "" if each["sound"] else " (the sender was late: a busy machine)"
                rows.append(
                    f"{each['rate']:8,} {name:8}{figures}{each['lost']:6}{each['core_share']:7.0%}   {each['load_average']}{late}"
                )
    return "\n".join(rows)


def chart(found: list[dict[str, Any]]) -> str:
    """Return it as a picture."""
    names = [f"{line['rate']:,}/s" for line in found]
    echoed = [line["echo"] for line in found if "echo" in line]
    series = [
        Line(f"{who} {key.removesuffix('_ms')}", [line[key] for line in of], ours=who == "ours", dashed=key == "p99_ms")
        for who, of in (("ours", found), ("echo", echoed if len(echoed) == len(found) else []))
        for key in ("p50_ms", "p99_ms")
        if of
    ]
    return lines("From due to readable", "open loop; echo is the same clients without work", names, series, "ms")


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="one rate for a second: to see that it works")
    options.add_argument("--rates", type=whole_numbers, default=None, help="events a second, with commas between")
    given = options.parse_args()
    rates = given.rates or (RATES[:1] if given.quick else RATES)
    found = measured(rates, quick=given.quick)
    told.result(found) if given.json else print(table(found))


if __name__ == "__main__":
    told.run(main)
