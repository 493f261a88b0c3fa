"""Which commands are there? Each says what it takes and hands on to the module that does it, imported when it runs.

Exit codes: 0 done, 1 it could not be done (one line on standard error says why), 2 the command was written wrongly.
With `--json` a command's answer is one JSON object on standard output and nothing else.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Context, Exit, Option, Typer

from affluent.cli_letters import Json, letters
from infra.errors import Fault, Unavailable

app = Typer(
    name="affluent",
    help="Turns the events of a business into predictions, and predictions into safe automatic actions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
schemas = Typer(help="The words: events and their Avro schemas.", no_args_is_help=True)
topics = Typer(help="The topics of Kafka.", no_args_is_help=True)
models = Typer(help="The models that were trained.", no_args_is_help=True)
app.add_typer(schemas, name="schemas", rich_help_panel="Look inside")
app.add_typer(topics, name="topics", rich_help_panel="Look inside")
app.add_typer(models, name="models", rich_help_panel="Run the parts")
app.add_typer(letters, name="letters", rich_help_panel="Look inside")

FIRST, PARTS, INSIDE = "Start here", "Run the parts", "Look inside"

Domain = Annotated[Literal["dispatch"], Argument(help="Which part of the business.", show_default=False)]
SourceName = Literal["flights", "restaurant", "simulation"]


@app.command(rich_help_panel=FIRST)
def demo(
    events: Annotated[int | None, Option(min=1, help="Stop after so many events; all of the samples by default.")] = None,
    rate: Annotated[float, Option(min=1, help="Events a second, at most.")] = 5000.0,
    keep: Annotated[bool, Option("--keep", help="Leave the servers running at the end.")] = False,
    json: Json = False,
) -> None:
    """Stream real deliveries through everything, show what happened, verify by replay, stop."""
    from affluent.demo import demo as run

    _end(run(events=events, rate=rate, keep=keep, json=json))


@app.command(rich_help_panel=FIRST)
def up(
    json: Json = False,
    port: Annotated[list[str] | None, Option(metavar="SERVER=PORT", help="Take this port and no other; repeatable.")] = None,
) -> None:
    """Start the servers on this machine, or find those that run. They stay until `affluent down`."""
    from affluent.stack import up as run

    _end(run(port=port or [], json=json))


@app.command(rich_help_panel=FIRST)
def down(
    wipe: Annotated[bool, Option("--wipe", help="Forget topics, tables and passwords too.")] = False, json: Json = False
) -> None:
    """Stop the servers; what they know is kept."""
    from affluent.stack import down as run

    _end(run(wipe=wipe, json=json))


@app.command(rich_help_panel=FIRST)
def status(json: Json = False) -> None:
    """Show which servers run, and where."""
    from affluent.stack import status as run

    _end(run(json=json))


@app.command(rich_help_panel=PARTS)
def train(
    domain: Domain,
    model: Annotated[Literal["delay"], Argument(help="What it predicts.", show_default=False)],
    source: Annotated[SourceName, Option(help="Whose events it learns from.")] = "flights",
    file: Annotated[
        list[Path] | None,
        Option(help="A file of that source, repeatable (flights and their weather); the sample by default.", show_default=False),
    ] = None,
    out: Annotated[str | None, Option(help="Store it in this folder or address instead.", show_default=False)] = None,
    promote: Annotated[bool, Option(help="Put it in force if it beats the baseline.")] = True,
    json: Json = False,
) -> None:
    """Train a model on events of the past, judge it on later ones beside the baseline, sign and store it."""
    from affluent.train import train as run

    _end(run(domain=domain, model=model, source=source, file=file, out=out, promote=promote, json=json))


@app.command(rich_help_panel=PARTS)
def produce(
    domain: Domain,
    source: Annotated[SourceName, Option(help="Where the events come from.")] = "flights",
    file: Annotated[
        list[Path] | None,
        Option(help="A file of that source, repeatable (flights and their weather); the sample by default.", show_default=False),
    ] = None,
    rate: Annotated[float | None, Option(min=0.001, help="Events a second; as fast as it goes by default.")] = None,
    speed_up: Annotated[float | None, Option(min=0.001, help="Event time runs so many times faster than the clock.")] = None,
    limit: Annotated[int | None, Option(min=1, help="Stop after so many facts.")] = None,
    until: Annotated[datetime | None, Option(help="Stop before this moment of event time, UTC.")] = None,
    seed: Annotated[int, Option(help="Seed of the simulation.")] = 1,
    ticks: Annotated[bool, Option(help="Tell the hours too, as a run of the past needs.")] = True,
    json: Json = False,
) -> None:
    """Send facts into Kafka, from a file or a seeded simulation."""
    from affluent.produce import produce as run

    end = None if until is None else until.replace(tzinfo=UTC)
    paced = {"rate": rate, "speed_up": speed_up}
    _end(run(domain, source=source, file=file, **paced, limit=limit, until=end, seed=seed, ticks=ticks, json=json))


@app.command(rich_help_panel=PARTS)
def stream(
    domain: Domain,
    workers: Annotated[int, Option(min=1, max=64, help="Processes that share the partitions; each is restarted if it ends.")] = 1,
) -> None:
    """Run workers that turn facts into predictions, until they are stopped."""
    from affluent.stream import stream as run

    _end(run(domain=domain, workers=workers))


@app.command(rich_help_panel=PARTS)
def relay(
    domain: Domain,
    clock: Annotated[bool, Option("--clock", help="Tell the hours too, by this machine's clock.")] = False,
    from_start: Annotated[bool, Option("--from-start", help="Copy everything once more; agents ignore what they know.")] = False,
    until_now: Annotated[bool, Option("--until-now", help="End when all versions known by now are copied.")] = False,
    json: Json = False,
) -> None:
    """Copy model versions into the log of the facts, until it is stopped."""
    from affluent.relay import relay as run

    _end(run(domain=domain, clock=clock, from_start=from_start, until_now=until_now, json=json))


@app.command(rich_help_panel=PARTS)
def sink(
    domain: Domain,
    into: Annotated[Literal["all", "history", "latest"], Option(help="Postgres (history), Redis (latest), or both.")] = "all",
    again: Annotated[bool, Option("--again", help="Read the topics from their beginning once more; changes nothing.")] = False,
    drain: Annotated[bool, Option("--drain", help="End when everything in the topics is written.")] = False,
) -> None:
    """Write every event into Postgres and the latest predictions into Redis, until it is stopped."""
    from affluent.sink import sink as run

    _end(run(domain=domain, into=into, again=again, drain=drain))


@app.command(rich_help_panel=INSIDE)
def trace(
    id: Annotated[str, Argument(metavar="ID", help="An assignment, or the id of any event of its life.", show_default=False)],
    json: Json = False,
) -> None:
    """Print the life of an assignment, from the first event to the error of its prediction."""
    from affluent.trace import trace as run

    run(id=id, json=json)


@app.command(rich_help_panel=INSIDE)
def replay(
    domain: Domain,
    verify: Annotated[bool, Option("--verify", help="Compare with what was published; exit 1 on any difference.")] = False,
    into: Annotated[
        str | None,
        Option(
            metavar="null|NAME",
            help="Compare nothing: count the outputs (null), or write them into new topics TOPIC.replay-NAME.",
        ),
    ] = None,
    agent: Annotated[str | None, Option(help="This agent only.", show_default=False)] = None,
    partition: Annotated[int | None, Option(min=0, help="This partition only.", show_default=False)] = None,
    start: Annotated[
        int | None,
        Option(
            "--from",
            min=0,
            help="Look at facts from this offset on; those before are folded, but not looked at.",
            show_default=False,
        ),
    ] = None,
    stop: Annotated[int | None, Option("--to", min=0, help="Look at facts before this offset.", show_default=False)] = None,
    since: Annotated[datetime | None, Option(help="Look at facts appended from this moment on, UTC.", show_default=False)] = None,
    until: Annotated[datetime | None, Option(help="Look at facts appended before this moment, UTC.", show_default=False)] = None,
    jobs: Annotated[int | None, Option(min=1, max=64, help="Processes; one a core by default.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Compute the predictions again from the log: compare them with what was published, or write them elsewhere.

    State is built from the first record of each partition on, whatever the range: no snapshots are archived yet to begin at.
    Live topics are never written to.
    """
    from affluent.replay import replay as run

    moments = (since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))
    offsets = (start, stop)
    _end(
        run(
            domain,
            verify=verify,
            into=into,
            agent=agent,
            partition=partition,
            offsets=offsets,
            moments=moments,
            jobs=jobs,
            json=json,
        )
    )


@models.command("list")
def models_list(json: Json = False) -> None:
    """Show every trained version, its figures beside the baseline's, and which is in force."""
    from affluent.models import list_models

    _end(list_models(json=json))


@models.command("promote")
def models_promote(
    model: Annotated[str, Argument(help="Its name, such as dispatch.delay/flights.", show_default=False)],
    version: Annotated[str, Argument(help="The version that shall be in force.", show_default=False)],
    note: Annotated[str, Option(help="Why, for people.")] = "",
) -> None:
    """Put a version in force: now for new events, at the same place of the log in every replay."""
    from affluent.models import promote

    _end(promote(model=model, version=version, note=note))


@schemas.command("list")
def schemas_list(json: Json = False) -> None:
    """List every event with its topic, key and fields."""
    from affluent.schemas import list_events

    list_events(json=json)


@schemas.command("render")
def schemas_render() -> None:
    """Write the `.avsc` files from the event classes."""
    from affluent.schemas import render

    render()


@schemas.command("check")
def schemas_check() -> None:
    """Exit 1 if an `.avsc` file is not what its class renders."""
    from affluent.schemas import check

    check()


@topics.command("list")
def topics_list(json: Json = False) -> None:
    """List the topics of the catalogue, with partitions and retention."""
    from affluent.topics import list_topics

    list_topics(json=json)


@topics.command("create")
def topics_create(
    partitions: Annotated[int | None, Option(min=1, help="Instead of the catalogue's number.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Create the topics that are missing and register their schemas."""
    from affluent.topics import create

    create(partitions=partitions, json=json)


@topics.command("map")
def topics_map(
    write: Annotated[bool, Option("--write", help="Write it to docs/topology.md.")] = False,
    check: Annotated[bool, Option("--check", help="Exit 1 if docs/topology.md says something else.")] = False,
) -> None:
    """Print which agent reads and writes what, and what it remembers."""
    from affluent.topics import show_map

    show_map(write=write, check=check)


@app.command(rich_help_panel=INSIDE)
def settings(json: Json = False) -> None:
    """List every setting: its variable, its value here, what it is for."""
    from affluent.settings import list_settings

    list_settings(json=json)


@app.command(rich_help_panel=INSIDE, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: Context,
    name: Annotated[
        Literal["scoring", "latency", "replay", "sink", "recovery", "memory", "scaling"],
        Argument(help="What to measure.", show_default=False),
    ],
    quick: Annotated[bool, Option("--quick", help="Small sizes: to see that it works, not how fast it is.")] = False,
    json: Json = False,
) -> None:
    """Measure speed, latency, memory on real servers of their own, in a checkout; further options go to the benchmark."""
    from affluent.bench import bench as run

    _end(run(name, quick=quick, json=json, more=tuple(context.args)))


def _end(code: int) -> None:
    raise Exit(code)


def main() -> None:
    """Run the command line; what a person can put right is one line and exit code 1, never a traceback."""
    try:
        app()
    except Fault as fault:
        _stop(str(fault))
    except Unavailable as away:
        _stop(f"{away}; `affluent status` shows which servers run")
    except KeyboardInterrupt:
        _stop("stopped")


def _stop(why: str) -> None:
    print(f"affluent: {' '.join(why.split())}", file=sys.stderr)  # noqa: T201  # the one place where a command speaks last
    raise SystemExit(1)
