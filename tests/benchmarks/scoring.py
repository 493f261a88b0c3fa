"""How many events a second does one core decode, score and answer, and what do others manage on the same work?

    python -m tests.benchmarks.scoring [--json] [--quick] [--peers loop,faust] [--rounds 2]

The work is `tests/benchmarks/work`, ours runs with state log, duplicate check and metrics on. Each program runs alone on the first core
against the same broker, in turn and back again; the better of its runs counts, a ratio is our worse over their better. Every answer of
every run is read back and compared.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.harness import dispatch, told
from tests.benchmarks.harness.chart import Bar, bars
from tests.benchmarks.harness.measure import Run, measure
from tests.benchmarks.harness.programs import OURS, Program, ours, peer
from tests.benchmarks.harness.scene import Scene, scene
from tests.benchmarks.peers import NAMES

PEERS = ("loop_batch", "loop", "faust", "faust_take", "quix", "kafka_streams")
QUICK_PEERS = ("loop",)
LARGE, SMALL, QUICK = 1_500_000, 300_000, 20_000
SHOWN = {
    "ours": "Affluent, forest", "ours_onnxruntime": "Affluent, ONNX", "loop_batch": "loop, micro-batch", "loop": "loop, per record",
    "faust": "Faust", "faust_take": "Faust, take()", "quix": "Quix Streams", "kafka_streams": "Kafka Streams",
}  # fmt: skip
CUT_S = 20.0
"""A slow program is cut after so long: what it answered by then counts."""


def runs(at: Scene, programs: Sequence[Program], rounds: int, failed: dict[str, str], *, quick: bool) -> dict[str, list[Run]]:
    """Run them all, in turn, then in the opposite order, and so on. A peer that does not run goes into `failed`; ours must run."""
    found: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs if number % 2 == 0 else programs[::-1]:
            jobs = QUICK if quick else LARGE if program.large else SMALL
            try:
                run = measure(at, program, jobs, number, most_s=60.0 if program.large else CUT_S)
            except RuntimeError as error:
                if program.is_ours:
                    raise
                failed[program.name] = str(error)
                told.say(f"{program.name}: {error}")
                continue
            found[program.name].append(run)
            errors = f"{run.verdict.errors} errors in {run.verdict.answers:,} answers"
            told.say(f"{program.name}: {run.records_per_s:,.0f}/s, {run.cpu_us_per_record:.2f} us, {errors}")
    return found


def answer(found: dict[str, list[Run]], programs: Sequence[Program]) -> dict[str, Any]:
    """Return the result: the better run of each, ratios of our worse to their better."""
    best = {name: max(each, key=lambda run: run.records_per_s) for name, each in found.items() if each}
    own = best["ours"]
    worse = min(run.records_per_s for run in found["ours"])
    dearer = max(run.cpu_us_per_record for run in found["ours"])
    peers = {name: run for name, run in best.items() if name not in OURS}
    return {
        "records_per_s": round(own.records_per_s),
        "cpu_us_per_record": round(own.cpu_us_per_record, 2),
        "stages_us": own.stages_us,
        "peers": {name: round(run.records_per_s) for name, run in peers.items()},
        "ratios": {name: round(worse / run.records_per_s, 2) for name, run in peers.items()},
        "cpu_ratios": {name: round(run.cpu_us_per_record / dearer, 2) for name, run in peers.items()},
        "rss_mb": round(own.peak_mb),
        "backend": OURS["ours"],
        "onnxruntime": best["ours_onnxruntime"].as_dict() if "ours_onnxruntime" in best else None,
        "errors": sum(run.verdict.errors for each in found.values() for run in each),
        "duplicates": sum(run.verdict.duplicates for each in found.values() for run in each),
        "bytes_per_answer": {name: run.verdict.bytes_per_answer for name, run in best.items()},
        "programs": {program.name: {"lines": program.lines, "at_least_once": program.promise} for program in programs},
        "runs": {name: [run.as_dict() for run in each] for name, each in found.items()},
    }


def table(found: dict[str, Any]) -> str:
    """Return the result for people."""
    best = {name: max(each, key=lambda run: run["records_per_s"]) for name, each in found["runs"].items() if each}
    lines = [f"{'program':18}{'records/s':>11}{'CPU us':>9}{'RSS MB':>8}{'lines':>7}{'ours is':>9}  answers verified"]
    for name, run in best.items():
        ratio = found["ratios"].get(name)
        size, checked = found["programs"][name]["lines"] or "", run["verified"]
        lines.append(
            f"{name:18}{run['records_per_s']:11,}{run['cpu_us_per_record']:9.2f}{run['rss_mb']:8,}{size:>7}"
            f"{f'{ratio:.1f} x' if ratio else '':>9}  {checked['answers']:,}: {checked['errors']} errors, {checked['duplicates']} twice"
        )
    lines.append("")
    lines.append("ours, us of CPU a record: " + ", ".join(f"{stage} {us:.2f}" for stage, us in found["stages_us"].items()))
    if found.get("dispatch"):
        line = found["dispatch"]
        lines.append(
            f"dispatch agent: {line['records_per_s']:,}/s, {line['cpu_us_per_record']:.2f} us, replayed: {line['verify']}"
        )
    lines += [f"{name} keeps through a crash: {each['at_least_once']}" for name, each in found["programs"].items()]
    lines += [f"not run: {name}: {why}" for name, why in found.get("not_run", {}).items()]
    return "\n".join(lines)


def chart(found: dict[str, Any]) -> str:
    """Return the table as a picture."""
    best = {name: max(each, key=lambda run: run["records_per_s"]) for name, each in found["runs"].items() if each}
    given = [
        Bar(
            SHOWN.get(name, name),
            run["records_per_s"],
            f"{run['records_per_s']:,}/s · {run['cpu_us_per_record']:.1f} µs",
            name in OURS,
        )
        for name, run in best.items()
    ]
    return bars("Delay-scoring on one core", "records a second · processor time a record; the same work, broker and run", given)


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="small sizes, one round, no dispatch: to see that it works")
    options.add_argument("--peers", default=None, help=f"of {', '.join(PEERS)}; none by an empty text")
    options.add_argument("--rounds", type=int, default=None)
    options.add_argument("--dispatch", type=int, default=300_000, help="facts for the dispatch agent; 0 leaves it out")
    given = options.parse_args()
    usual = QUICK_PEERS if given.quick else PEERS
    wanted = usual if given.peers is None else tuple(filter(None, given.peers.split(",")))
    if unknown := sorted(set(wanted) - set(NAMES)):
        options.error(f"--peers: expected names among {', '.join(NAMES)}, found {', '.join(unknown)}")
    asked = {name: peer(name) for name in wanted}
    programs = [*map(ours, OURS), *(each for each in asked.values() if isinstance(each, Program))]
    with scene() as at:
        failed = {name: why for name, why in asked.items() if isinstance(why, str)}
        found = answer(runs(at, programs, given.rounds or (1 if given.quick else 2), failed, quick=given.quick), programs)
        if given.dispatch and not given.quick:
            try:
                found["dispatch"] = dispatch.line(at, given.dispatch)
            except RuntimeError as error:
                failed["dispatch"] = str(error)
    found |= {"not_run": failed, "machine": told.machine()}
    told.result(found) if given.json else print(table(found))


if __name__ == "__main__":
    told.run(main)
