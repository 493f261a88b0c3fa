"""How do raw records become a batch? Each schema id gets a plan once; then one kernel reads all records into columns."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from schemas import catalogue
from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Int64s
from schemas.columns.batch import Batch
from schemas.columns.columns import Columns
from schemas.columns.decoding import decode
from schemas.columns.faults import Letter, describe_bytes, describe_value
from schemas.columns.framing import frame
from schemas.columns.layout import Layout, Shape, layout
from schemas.columns.nullable import Column, Nullable
from schemas.columns.plan import Plan, Unplanned, Unresolvable, compile_plan
from schemas.columns.program import Program, program
from schemas.columns.ragged import Ragged
from schemas.columns.records import Records
from schemas.columns.slots import slots
from schemas.columns.strings import Strings
from schemas.columns.transcode import Transcoder, transcoder
from schemas.columns.values import objects
from schemas.event import Event, Topic

Schemas = Callable[[int], Mapping[str, Any] | None]
"""A schema by its id, None if the registry has none; may raise Unavailable."""
_ASK_AGAIN = 64
"""After so many batches an id the registry did not know is asked for again."""


class Reader:
    """Reads one topic. It remembers every schema it met; two threads must not read with one reader."""

    def __init__(self, topic: Topic, schemas: Schemas, *, holds: tuple[type[Event], ...] | None = None) -> None:
        """holds: the classes in the topic, by default what the catalogue says.

        Raises TypeError if a class states a rule that columns cannot check.
        """
        self.topic, self.schemas = topic, schemas
        self.holds = catalogue.holds(topic) if holds is None else holds
        self._layouts = tuple(layout(event) for event in self.holds)
        self._slots = tuple(slots(event) for event in self.holds)
        self._places: dict[int, int] = {}
        self._plans: list[tuple[Plan, int]] = []
        self._transcoders: dict[int, Transcoder] = {}
        self._refusals: list[str] = []
        self._absent: dict[int, int] = {}
        self._batches = 0
        self._program = program({}, [])

    def plan(self, schema_id: int) -> Plan | None:
        """Return the plan of a schema, None if its records cannot be used or the registry has no such id."""
        self._resolve(schema_id)
        place = self._places.get(schema_id, -1)
        return self._plans[place][0] if place >= 0 else None

    def read(self, records: Records) -> Batch:
        """Return the records as a batch; a bad one becomes a letter. Raises only what `schemas` raises."""
        self._batches += 1
        n = len(records)
        raw = records.values
        fault, schema_id, plan = np.empty(n, np.int16), np.empty(n, np.int64), np.empty(n, np.int32)
        begin, end = np.empty(n, np.int64), np.empty(n, np.int64)
        while True:
            made = self._program
            counts = np.zeros(max(len(self._plans), 1), np.int64)
            unknown = frame(
                raw.data, raw.start, raw.length, made.ids, made.plan_of, fault, schema_id, plan, begin, end, counts
            )
            if not unknown or not self._resolve_all(schema_id[fault == op.NO_SCHEMA]):
                break
        refused = plan < 0
        fault[refused & (fault == op.GOOD)] = op.REFUSED
        data, found = self._transcoded(raw, counts, fault, plan, begin, end)
        return self._decoded(records, made, data, found, fault, schema_id, plan, begin, end, counts)

    def _resolve_all(self, ids: Int64s) -> bool:
        """Make a plan for each id that can be had; return whether any is new."""
        before = len(self._places)
        for each in np.unique(ids).tolist():
            self._resolve(each)
        return len(self._places) > before

    def _resolve(self, schema_id: int) -> None:
        if schema_id in self._places or self._batches < self._absent.get(schema_id, -1):
            return
        writer = self.schemas(schema_id)
        if writer is None:
            if len(self._absent) > 10_000:
                self._absent.clear()
            self._absent[schema_id] = self._batches + _ASK_AGAIN
            return
        try:
            self._admit(schema_id, writer)
        except Unresolvable as refusal:
            self._places[schema_id] = -1 - len(self._refusals)
            self._refusals.append(str(refusal))
        self._program = program(self._places, self._plans)

    def _admit(self, schema_id: int, writer: Mapping[str, Any]) -> None:
        name = str(writer.get("name", "")).rsplit(".", 1)[-1] if isinstance(writer, Mapping) else str(writer)
        kind = next((k for k, event in enumerate(self.holds) if event.__name__ == name), None)
        if kind is None:
            raise Unresolvable(f"expected one of {', '.join(e.__name__ for e in self.holds)}; found {name or writer}")
        target: Layout = self._layouts[kind]
        try:
            plan = compile_plan(writer, target)
        except Unplanned as reason:
            made = transcoder(writer, target, str(reason))
            self._transcoders[len(self._plans)] = made
            plan = made.plan
        self._places[schema_id] = len(self._plans)
        self._plans.append((plan, kind))

    def _transcoded(
        self, raw: Strings, counts: Int64s, fault: Any, plan: Any, begin: Int64s, end: Int64s
    ) -> tuple[Bytes, dict[int, list[Any]]]:
        """Return the bytes to decode, with defaults and what fastavro wrote behind them, and the object values by position."""
        objects_at: dict[int, list[Any]] = {}
        made: list[bytes] = []
        at = len(raw.data)
        for number, each in self._transcoders.items():
            if not counts[number]:
                continue
            for i in np.flatnonzero((plan == number) & (fault == op.GOOD)).tolist():
                try:
                    avro, objects_at[i] = each.transcode(raw.data[begin[i] : end[i]].tobytes())
                except Exception:  # noqa: BLE001  # fastavro raises anything on bytes that are not Avro
                    fault[i] = op.REJECTED
                else:
                    begin[i], end[i] = at, at + len(avro)
                    at += len(avro)
                    made.append(avro)
        if not made and not len(self._program.texts):
            return raw.data, objects_at
        return np.concatenate([raw.data, np.frombuffer(b"".join(made), np.uint8), self._program.texts]), objects_at

    def _decoded(
        self, records: Records, made: Program, data: Bytes, found: dict[int, list[Any]], fault: Any, schema_id: Int64s, plan: Any,
        begin: Int64s, end: Int64s, counts: Int64s,
    ) -> Batch:  # fmt: skip
        n, kinds = len(records), len(self.holds)
        base, room = np.zeros((kinds, 5), np.int64), [0] * kinds
        for (_, k), count in zip(self._plans, counts.tolist(), strict=False):
            room[k] += count
        sizes = [0, 0, 0, 0]
        for k in range(kinds):
            base[k] = (*sizes, room[k])
            sizes = [size + columns * room[k] for size, columns in zip(sizes, self._slots[k].sizes, strict=True)]
        floats, longs = np.empty(sizes[0], np.float64), np.empty(sizes[1], np.int64)
        lengths, octets = np.empty(sizes[2], np.int32), np.empty(sizes[3], np.uint8)
        prefix = len(made.numbers)
        lists = any(f.shape in (Shape.FLOATS, Shape.INTS) for k in range(kinds) if room[k] for f in self._layouts[k].fields.values())
        values = np.empty(prefix + (int((end - begin).sum()) if lists else 0), np.float64)
        values[:prefix] = made.numbers
        good, kind, row = np.zeros(kinds, np.int64), np.empty(n, np.int16), np.empty(n, np.int32)
        at, id_start, id_length = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
        where, whole, real = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.float64)
        keys = records.keys
        decode(
            data, begin, end, plan, fault, keys.data, keys.start, keys.length,
            made.rows, made.reals, made.first, made.kind_of, made.symbols,
            made.const_whole, made.const_real, made.const_start, made.const_length, made.const_from, made.const_count,
            made.const_valid, len(data) - len(made.texts), prefix,
            base, floats, longs, lengths, octets, values, values.view(np.int64),
            good, kind, row, at, id_start, id_length, where, whole, real,
        )  # fmt: skip
        stores = (floats, longs, lengths, octets)
        columns = [
            self._columns(k, int(good[k]), base[k].tolist(), stores, data, values) if room[k] else Columns.empty(self.holds[k])
            for k in range(kinds)
        ]
        if found:
            self._fill_objects(columns, kind, plan, found)
        bad = np.flatnonzero(fault).tolist()
        letters = [
            self._letter(i, int(fault[i]), records, data, made, int(schema_id[i]), int(plan[i]), int(where[i]), int(whole[i]),
                         float(real[i]), columns)
            for i in bad
        ]  # fmt: skip
        return Batch(records, self.holds, columns, kind, row, Strings(data, id_start, id_length), at, letters)

    def _columns(self, k: int, n: int, base: list[int], stores: Any, data: Bytes, values: Any) -> Columns[Any]:
        floats, longs, lengths, octets = stores
        to_float, to_long, to_length, to_octet, room = base
        place = self._slots[k]
        fields: dict[str, Column] = {}
        for name, each in self._layouts[k].fields.items():
            if each.shape is Shape.OBJECT:
                continue
            slot = place.main[name] * room
            made: Any
            if each.shape is Shape.FLOAT:
                made = floats[to_float + slot : to_float + slot + n]
            elif each.shape in (Shape.BOOL, Shape.SYMBOL):
                made = octets[to_octet + slot : to_octet + slot + n]
                made = made.view(np.bool_) if each.shape is Shape.BOOL else made
            else:
                made = longs[to_long + slot : to_long + slot + n]
                if name in place.length:
                    size = to_length + place.length[name] * room
                    if each.shape in (Shape.TEXT, Shape.BYTES):
                        made = Strings(data, made, lengths[size : size + n])
                    else:
                        numbers = values if each.shape is Shape.FLOATS else values.view(np.int64)
                        made = Ragged(numbers, made, lengths[size : size + n])
            if each.nullable:
                valid = to_octet + place.valid[name] * room
                made = Nullable(made, octets[valid : valid + n].view(np.bool_))
            fields[name] = made
        return Columns.trusted(self.holds[k], n, fields)

    def _fill_objects(self, columns: list[Columns[Any]], kind: Any, plan: Any, found: dict[int, list[Any]]) -> None:
        """Give every class with fields that have no column type its object columns."""
        for k, each in enumerate(columns):
            names = [name for name, f in self._layouts[k].fields.items() if f.shape is Shape.OBJECT]
            if names and each.n:
                rows = [found[i] for i in np.flatnonzero(kind == k).tolist()]
                made = each.fields | {name: objects([row[at] for row in rows]) for at, name in enumerate(names)}
                each.fields = {name: made[name] for name in self._layouts[k].fields}

    def _letter(
        self, i: int, code: int, records: Records, data: Bytes, made: Program, schema_id: int, plan: int, where: int, whole: int,
        real: float, columns: list[Columns[Any]],
    ) -> Letter:  # fmt: skip
        framed = schema_id if schema_id >= 0 else None
        if code == op.REFUSED:
            return Letter(i, "wrong_type", self._refusals[-1 - plan], framed)
        if code == op.REJECTED:
            return Letter(i, "malformed", f"fastavro cannot read it ({self._plans[plan][0].fallback})", framed)
        name = made.names[where] if where >= 0 else None
        if code < op.BAD_NULL:
            if code == op.TOO_BIG:
                whole = int(records.values.length[i])
            head = (records.values.raw(i) or b"")[:5].hex(" ")
            reason, detail = describe_bytes(code, name, whole, head, schema_id)
            return Letter(i, reason, detail, framed)
        assert name is not None
        target = self._layouts[self._plans[plan][1]].fields[name]
        key = repr(records.keys[i]) if records.keys.length[i] >= 0 else "null"
        text = made.symbol_names[whole] if code == op.BAD_SYMBOL else ""
        if code == op.BAD_KEY:
            text = data[int(real) : int(real) + whole].tobytes().decode(errors="replace")
        reason, detail = describe_value(code, target, whole, real, text, key)
        return Letter(i, reason, detail[:2_000], framed)


