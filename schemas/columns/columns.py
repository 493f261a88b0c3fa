"""What are n events without n objects? One column per field of their class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from schemas.columns.arrays import Rows
from schemas.columns.layout import Layout, layout
from schemas.columns.nullable import Column, concat, take
from schemas.columns.values import column, of_plain, plain
from schemas.event import Event

E = TypeVar("E", bound=Event)


class Columns(Generic[E]):
    """n events of one class. Arrays are shared with whoever made them: look, do not write."""

    __slots__ = ("event", "fields", "n")

    def __init__(self, event: type[E], fields: Mapping[str, Any]) -> None:
        """fields: a column (or an array, or a list) for every field of the class, all of one length.

        A whole-number array gives ms for a Moment, unscaled digits for a Decimal, codes for a Literal. A field left out takes its
        default. Raises ValueError naming a field that is missing, unknown, or of another length; TypeError for another type.
        """
        known = layout(event).fields
        for name in fields:
            if name not in known:
                raise ValueError(f"{event.__name__} has no field {name!r}; it has {', '.join(known)}")
        made = {name: column(known[name], value) for name, value in fields.items()}
        n = len(next(iter(made.values()))) if made else 0
        for name, each in known.items():
            if name not in made:
                if each.default is None:
                    raise ValueError(f"{event.__name__}: field {name!r} is missing")
                made[name] = of_plain(each, [event.model_fields[name].get_default(call_default_factory=True)] * n)
            if len(made[name]) != n:
                raise ValueError(f"{event.__name__}.{name}: expected {n} values as in the first field, found {len(made[name])}")
        self.event, self.n, self.fields = event, n, {name: made[name] for name in known}

    @classmethod
    def trusted(cls, event: type[E], n: int, fields: dict[str, Column]) -> "Columns[E]":
        """Return columns that are known to be those of the class, without looking."""
        made = cls.__new__(cls)
        made.event, made.n, made.fields = event, n, fields
        return made

    @classmethod
    def of(cls, events: Sequence[E]) -> "Columns[E]":
        """Return events as columns. Raises ValueError if there are none or they are of several classes."""
        kinds = {type(each) for each in events}
        if len(kinds) != 1:
            raise ValueError(f"expected events of one class, found {sorted(kind.__name__ for kind in kinds) or 'none'}")
        event = kinds.pop()
        fields = {
            name: of_plain(each, [getattr(one, name) for one in events]) for name, each in layout(event).fields.items()
        }  # fmt: skip
        return cls.trusted(event, len(events), fields)

    @classmethod
    def empty(cls, event: type[E]) -> "Columns[E]":
        """Return no events of a class."""
        return cls.trusted(event, 0, {name: of_plain(each, []) for name, each in layout(event).fields.items()})

    @classmethod
    def concat(cls, parts: Sequence["Columns[E]"]) -> "Columns[E]":
        """Return the events of all parts, one part after the other. Raises ValueError if there are no parts."""
        if not parts:
            raise ValueError("expected at least one part")
        fields = {name: concat([part.fields[name] for part in parts]) for name in parts[0].fields}
        return cls.trusted(parts[0].event, sum(part.n for part in parts), fields)

    @property
    def layout(self) -> Layout:
        """Return what each column consists of."""
        return layout(self.event)

    def __len__(self) -> int:
        """Return n."""
        return self.n

    def __getitem__(self, name: str) -> Any:
        """Return one field's column. Raises KeyError naming the fields there are."""
        try:
            return self.fields[name]
        except KeyError:
            raise KeyError(f"{self.event.__name__} has no field {name!r}; it has {', '.join(self.fields)}") from None

    def __repr__(self) -> str:
        """Show class and size."""
        return f"Columns({self.event.__name__}, n={self.n})"

    def take(self, rows: Rows) -> "Columns[E]":
        """Return these rows: numbers, a mask, or a slice (then arrays are views)."""
        fields: dict[str, Column] = {name: take(each, rows) for name, each in self.fields.items()}
        return Columns.trusted(self.event, len(next(iter(fields.values()))), fields)

    def tuples(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield plain Python values of these fields: aware UTC times, text, symbols, float, Decimal, lists, None."""
        known = self.layout.fields
        return zip(*(plain(known[name], self[name]) for name in names), strict=True)

    def rows(self) -> Iterator[E]:
        """Yield the events, made as you go; they are not checked again."""
        names = list(self.fields)
        for values in self.tuples(names):
            yield cast("E", self.event.model_construct(**dict(zip(names, values, strict=True))))
