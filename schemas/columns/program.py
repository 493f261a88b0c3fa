"""What does the kernel need to know about all schemas seen so far? Their plans laid end to end, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Floats, Int32s, Int64s
from schemas.columns.plan import Plan


@dataclass(frozen=True)
class Program:
    """Plan p has the rows first[p]..first[p + 1] and makes events of kind kind_of[p].

    ids: schema ids, sorted; plan_of: the plan of each, -1 - r for refusal r. const_*: the defaults of added fields; texts holds their
    bytes, numbers their lists.
    """

    ids: Int64s
    plan_of: Int32s
    rows: Int64s
    reals: Floats
    first: Int64s
    kind_of: Int64s
    symbols: Int64s
    names: tuple[str, ...]
    symbol_names: tuple[str, ...]
    const_whole: Int64s
    const_real: Floats
    const_start: Int64s
    const_length: Int32s
    const_from: Int64s
    const_count: Int32s
    const_valid: Bytes
    texts: Bytes
    numbers: Floats


def program(places: dict[int, int], plans: Sequence[tuple[Plan, int]]) -> Program:
    """Return the program of these plans. places: schema id -> plan, or -1 - refusal. plans: each with the kind it makes."""
    ids = sorted(places)
    rows, symbols, names = [np.empty((0, op.WIDTH), np.int64)], [], []  # type: ignore[var-annotated]  # lists of int and str
    symbol_names: list[str] = []
    whole, real, text, numbers, valid = [], [], [], [], []  # type: ignore[var-annotated]  # as in Constants
    for plan, _ in plans:
        moved = plan.rows.copy()
        moved[moved[:, op.READ] == op.ENUM, op.ARG] += len(symbols)
        moved[moved[:, op.READ] == op.CONSTANT, op.ARG] += len(whole)
        rows.append(moved)
        symbols += plan.symbols
        symbol_names += plan.symbol_names
        names += plan.names
        made = plan.constants
        whole, real, text = whole + made.whole, real + made.real, text + made.text
        numbers, valid = numbers + made.numbers, valid + made.valid
    length, count = np.array([len(t) for t in text], np.int32), np.array([len(v) for v in numbers], np.int32)
    return Program(
        ids=np.array(ids, np.int64),
        plan_of=np.array([places[each] for each in ids], np.int32),
        rows=np.concatenate(rows),
        reals=np.concatenate([np.empty((0, 2)), *(plan.reals for plan, _ in plans)]),
        first=np.cumsum([0, *(len(plan.rows) for plan, _ in plans)]).astype(np.int64),
        kind_of=np.array([kind for _, kind in plans], np.int64),
        symbols=np.array(symbols, np.int64),
        names=tuple(names),
        symbol_names=tuple(symbol_names),
        const_whole=np.array(whole, np.int64),
        const_real=np.array(real, np.float64),
        const_start=(np.cumsum(length) - length).astype(np.int64),
        const_length=length,
        const_from=(np.cumsum(count) - count).astype(np.int64),
        const_count=count,
        const_valid=np.array(valid, np.uint8),
        texts=np.frombuffer(b"".join(text), np.uint8),
        numbers=_numbers(numbers),
    )


def _numbers(lists: list[list[float]]) -> Floats:
    """Return the defaults of lists as float64, whole numbers by their bits (a list[int] is read as int64 from the same memory)."""
    flat = [np.array(each, np.int64).view(np.float64) if each and isinstance(each[0], int) else np.array(each) for each in lists]
    return np.concatenate([np.empty(0), *flat])
