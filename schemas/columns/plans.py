"""Which plan has each schema id? Asked once per id, then remembered; what cannot be used is remembered with the reason."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from schemas.columns.arrays import Floats, Int32s, Int64s
from schemas.columns.layout import FieldLayout, Shape, layout
from schemas.columns.plan import Plan, Unplanned, Unresolvable, compile_plan
from schemas.columns.stores import default_column
from schemas.columns.transcode import Slow, Transcoder, transcoder
from schemas.event import Event

Schemas = Callable[[int], Mapping[str, Any] | None]
"""A schema by its id, None if the registry has none; may raise Unavailable."""
_ASK_AGAIN, _ABSENT = 64, 10_000
"""After so many batches an id the registry did not know is asked for again; so many such ids are remembered."""


class Plans:
    """The plans for the schemas of one topic.

    ids: int64, sorted; plan_of: int32, the plan of each, -1 - r for refusal r. plans, kind_of: a plan and the index of the class it
    makes; transcoders: of the plans that need one, by number; slow: how many records each of them read. texts, numbers: the defaults of
    added fields, of which text_of and number_of say where each begins; lists: whether any field of a plan is a list of numbers.
    """

    def __init__(self, holds: tuple[type[Event], ...], schemas: Schemas) -> None:
        self.holds, self.schemas = holds, schemas
        self.plans: list[Plan] = []
        self.transcoders: dict[int, Transcoder] = {}
        self.slow: dict[int, int] = {}
        self.refusals: list[str] = []
        self.ids: Int64s = np.empty(0, np.int64)
        self.plan_of: Int32s = np.empty(0, np.int32)
        self.kind_of: Int64s = np.empty(0, np.int64)
        self.texts, self.text_of = b"", dict[tuple[int, str], int]()
        self.numbers: Floats = np.empty(0, np.float64)
        self.number_of = dict[tuple[int, str], int]()
        self.lists = False
        self._places: dict[int, int] = {}
        self._absent: dict[int, int] = {}

    def of(self, schema_id: int) -> Plan | None:
        """Return the plan of a schema, None if it is not known or cannot be used."""
        place = self._places.get(schema_id, -1)
        return self.plans[place] if place >= 0 else None

    def take_slow(self) -> list[Slow]:
        """Return what fastavro read since the last call, by schema. Two schemas never share a plan."""
        taken, self.slow = self.slow, {}
        ids = {place: schema_id for schema_id, place in self._places.items() if place in taken}
        return [
            Slow(ids[number], self.holds[int(self.kind_of[number])].__name__, self.plans[number].fallback or "", records)
            for number, records in taken.items()
        ]

    def learn(self, ids: Int64s, batch: int) -> bool:
        """Ask for schemas; return whether any is new. batch: its number. Raises what `schemas` raises."""
        before = len(self._places)
        for each in np.unique(ids).tolist():
            if each not in self._places and batch >= self._absent.get(each, 0):
                self._ask(each, batch)
        if len(self._places) == before:
            return False
        self.ids = np.array(sorted(self._places), np.int64)
        self.plan_of = np.array([self._places[each] for each in self.ids.tolist()], np.int32)
        return True

    def default_at(self, kind: int, field: FieldLayout) -> int:
        """Return where the default of a field begins, among texts or numbers."""
        where = self.text_of if field.shape in (Shape.TEXT, Shape.BYTES) else self.number_of
        return where.get((kind, field.name), 0)

    def _ask(self, schema_id: int, batch: int) -> None:
        writer = self.schemas(schema_id)
        if writer is None:
            if len(self._absent) >= _ABSENT:
                self._absent.clear()
            self._absent[schema_id] = batch + _ASK_AGAIN
            return
        try:
            place = self._admit(writer)
        except Unresolvable as refusal:
            place = self._refuse(str(refusal))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as fault:
            place = self._refuse(f"expected an Avro schema, found one with {type(fault).__name__}: {fault}")
        self._places[schema_id] = place

    def _refuse(self, reason: str) -> int:
        self.refusals.append(reason)
        return -len(self.refusals)

    def _admit(self, writer: Mapping[str, Any]) -> int:
        name = str(writer["name"]).rsplit(".", 1)[-1]
        kind = next((k for k, event in enumerate(self.holds) if event.__name__ == name), None)
        if kind is None:
            raise Unresolvable(f"expected {' or '.join(event.__name__ for event in self.holds)}, found {name}")
        target = layout(self.holds[kind])
        try:
            plan, made = compile_plan(writer, target), None
        except Unplanned as reason:
            made = transcoder(writer, target, str(reason))
            plan = made.plan
        for field in plan.defaults:
            self._keep_default(kind, field)
        if made is not None:
            self.transcoders[len(self.plans)] = made
        self.plans.append(plan)
        self.kind_of = np.append(self.kind_of, kind)
        self.lists = self.lists or any(f.shape in (Shape.FLOATS, Shape.INTS) for f in target.fields.values())
        return len(self.plans) - 1

    def _keep_default(self, kind: int, field: FieldLayout) -> None:
        column = default_column(self.holds[kind], field.name)
        inside = getattr(column, "values", column) if field.nullable else column
        if field.shape in (Shape.TEXT, Shape.BYTES):
            self.text_of[kind, field.name] = len(self.texts)
            self.texts += inside.data.tobytes()
        elif field.shape in (Shape.FLOATS, Shape.INTS):
            self.number_of[kind, field.name] = len(self.numbers)
            self.numbers = np.append(self.numbers, inside.values.view(np.float64))
