"""How does a worker avoid compiling while events wait? It folds some simulated events first, into a state that is thrown away."""

from producers.chunk import posting
from producers.simulation import City, simulate
from schemas import avro, catalogue
from schemas.columns import Reader, Records, warm
from schemas.dispatch import ASSIGNMENTS
from streams.engine.processor import Processor
from streams.engine.rehearsal import rehearse
from streams.engine.topology import Topology

EVENTS = 400


def warm_up(topology: Topology) -> None:
    """Compile, or load from the cache on disk, what the agents of a topology run. Takes seconds the first time, then tenths."""
    warm()
    rehearse()
    ids = {event: number for number, (_, event) in enumerate(catalogue.subjects().values(), start=1)}
    schemas = {number: avro.schema(event) for event, number in ids.items()}
    facts = next(simulate(City(orders=EVENTS))).take(slice(EVENTS))
    sent = posting(facts, lambda event, _topic: ids[event])
    rows = [(offset, 0, key, value) for offset, (key, value) in enumerate(zip(sent.keys, sent.values, strict=True))]
    for agent in topology.agents.values():
        if agent.reads == ASSIGNMENTS:
            processor = Processor(agent, 0, reader=Reader(agent.reads, schemas.get), schema_ids=ids)
            processor.process(Records.of(agent.reads.name, 0, rows))
            processor.state.keep()
            for table in processor.state.tables.values():
                table.take_changes()
