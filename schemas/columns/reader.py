"""How do raw records become a batch? Each schema id gets a plan once; then a kernel reads all records of a plan into columns."""

from typing import Any, NamedTuple

import numpy as np

from schemas import catalogue
from schemas.columns import opcodes as op
from schemas.columns.arrays import Codes, Floats, Int32s, Int64s
from schemas.columns.batch import Batch
from schemas.columns.block import new_block
from schemas.columns.columns import Columns
from schemas.columns.decoding import decode
from schemas.columns.faults import Found, Letter, describe
from schemas.columns.framing import arrange, frame, outside, settle
from schemas.columns.layout import Shape, layout
from schemas.columns.plan import Plan
from schemas.columns.plans import Plans, Schemas
from schemas.columns.records import Records
from schemas.columns.stores import Stores, empty
from schemas.columns.strings import Strings
from schemas.columns.supply import Supply
from schemas.columns.transcode import Slow
from schemas.columns.values import objects
from schemas.event import Event, Topic


class Reader:
    """Reads one topic. It remembers every schema it met, and its scratch memory: two threads must not read with one reader."""

    def __init__(self, topic: Topic, schemas: Schemas, *, holds: tuple[type[Event], ...] | None = None) -> None:
        """holds: the classes in the topic, by default what the catalogue says.

        Raises TypeError if a class states a rule that columns cannot check.
        """
        self.topic, self.holds = topic, catalogue.holds(topic) if holds is None else holds
        self._layouts = tuple(layout(event) for event in self.holds)
        self._plans = Plans(self.holds, schemas)
        self._block = new_block()
        self._batches = 0

    def plan(self, schema_id: int) -> Plan | None:
        """Return the plan of a schema, None if its records cannot be used or the registry has no such id."""
        self._plans.learn(np.array([schema_id], np.int64), self._batches)
        return self._plans.of(schema_id)

    def take_slow(self) -> list[Slow]:
        """Return which schemas fastavro had to read since the last call, why, and how many records."""
        return self._plans.take_slow() if self._plans.slow else []

    def read(self, records: Records) -> Batch:
        """Return the records as a batch; a bad one becomes a letter. Raises only what `schemas` raises.

        Raises ValueError if a key or a value does not lie in its buffer: a fault of whoever made the records.
        """
        self._batches += 1
        n, raw, plans = len(records), records.values, self._plans
        for place in (raw, records.keys):
            if len(place) != n or outside(place.data, place.start, place.length) >= 0:
                raise ValueError(f"{records.topic}[{records.partition}]: a key or a value does not lie in its buffer")
        fault, schema_id, plan = np.empty(n, np.int16), np.empty(n, np.int64), np.empty(n, np.int32)
        begin, end = np.empty(n, np.int64), np.empty(n, np.int64)
        while frame(raw.data, raw.start, raw.length, plans.ids, plans.plan_of, fault, schema_id, plan, begin, end):
            if not plans.learn(schema_id[fault == op.NO_SCHEMA], self._batches):
                break
        supply = Supply(plans, raw.data, fault, plan, begin, end)
        rooms, ends = np.zeros(len(self.holds), np.int64), np.zeros(len(plans.plans), np.int64)
        order, row_of = np.empty(n, np.int64), np.empty(n, np.int64)
        arrange(fault, plan, plans.kind_of, rooms, ends, order, row_of)
        stores = [Stores(event, room) if room else None for event, room in zip(self.holds, rooms.tolist(), strict=True)]
        marks = Marks.of(n)
        first = 0
        for number, last in enumerate(ends.tolist()):
            store = stores[int(plans.kind_of[number])]
            if last > first and store is not None:
                self._decode(number, records, supply, store, begin, end, order[first:last], row_of, fault, marks)
            first = last
        good, kind, row = np.zeros(len(self.holds), np.int64), np.empty(n, np.int16), np.empty(n, np.int32)
        bad = settle(fault, plan, plans.kind_of, kind, row, good)
        columns = [
            self._columns(k, store, int(good[k]), supply, kind, row_of) if store else empty(self.holds[k])
            for k, store in enumerate(stores)
        ]
        ids = Strings(supply.data, marks.id_start, marks.id_length)
        letters = (
            [self._letter(i, records, supply, fault, schema_id, plan, marks) for i in np.flatnonzero(fault).tolist()]
            if bad
            else []
        )
        return Batch(records, self.holds, columns, kind, row, ids, marks.at, letters)

    def _decode(
        self, number: int, records: Records, supply: Supply, store: Stores, begin: Int64s, end: Int64s, mine: Int64s,
        place: Int64s, fault: Codes, marks: "Marks",
    ) -> None:  # fmt: skip
        """Decode the records of one plan into the stores of its class."""
        plan, kind, keys = self._plans.plans[number], int(self._plans.kind_of[number]), records.keys
        supply.used = decode(
            supply.data, begin, end, mine, fault, keys.data, keys.start, keys.length, plan.rows, plan.reals, plan.symbols,
            store.room, store.floats, store.longs, store.lengths, store.octets,
            supply.values, supply.values.view(np.int64), supply.used, self._block,
            place, marks.at, marks.id_start, marks.id_length, marks.where, marks.whole, marks.real,
        )  # fmt: skip
        for field in plan.defaults:
            behind = supply.text_at if field.shape in (Shape.TEXT, Shape.BYTES) else 0
            store.fill(field, place[mine], behind + self._plans.default_at(kind, field))

    def _columns(self, k: int, store: Stores, good: int, supply: Supply, kind: Codes, place: Int64s) -> Columns[Any]:
        """Return the good rows of a class as columns."""
        columns = store.columns(store.room, supply.data, supply.values)
        known = self._layouts[k].fields
        names = [name for name, field in known.items() if field.shape is Shape.OBJECT]
        if names or good < store.room:
            mine = np.flatnonzero(kind == k)
            columns = columns.take(place[mine]) if good < store.room else columns
            found = [supply.objects[i] for i in mine.tolist()] if names else []
            made = columns.fields | {name: objects([each[at] for each in found]) for at, name in enumerate(names)}
            columns = Columns.trusted(columns.event, good, {name: made[name] for name in known})
        return columns

    def _letter(
        self, i: int, records: Records, supply: Supply, fault: Codes, schema_id: Int64s, plan: Int32s, marks: "Marks"
    ) -> Letter:
        code, whole, real, text, name, field = int(fault[i]), int(marks.whole[i]), float(marks.real[i]), "", None, None
        if code == op.TOO_BIG:
            whole = int(records.values.length[i])
        elif code == op.NO_FRAME:
            text = (records.values.raw(i) or b"")[:5].hex(" ")
        elif code == op.REFUSED:
            text = self._plans.refusals[-1 - plan[i]]
        elif code == op.REJECTED:
            text = supply.complaints[i]
        elif code > op.REJECTED and marks.where[i] >= 0:
            each = self._plans.plans[plan[i]]
            name = each.names[marks.where[i]]
            field = self._layouts[self._plans.kind_of[plan[i]]].fields.get(name)
            if code == op.BAD_SYMBOL:
                text = each.symbol_names[whole]
            elif code == op.BAD_KEY:
                text = supply.data[int(real) : int(real) + whole].tobytes().decode(errors="replace")
        key = repr(records.keys[i]) if records.keys.length[i] >= 0 else "null"
        found = Found(code, int(schema_id[i]), whole, real, text, key)
        return Letter(i, *describe(found, name, field), found.schema_id if found.schema_id >= 0 else None)


class Marks(NamedTuple):
    """What is noted of each record: its time and id; of a bad one, where in the plan it was found, and what."""

    at: Int64s
    id_start: Int64s
    id_length: Int32s
    where: Int32s
    whole: Int64s
    real: Floats

    @classmethod
    def of(cls, n: int) -> "Marks":
        """Return empty marks for n records."""
        return cls(*(np.zeros(n, kind) for kind in ("i8", "i8", "i4", "i4", "i8", "f8")))
