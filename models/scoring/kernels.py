"""How is a packed forest walked? Few rows: one after the other, sixteen trees at once. Many: tree after tree, sixteen rows at once.

Both add the same leaves in the same order, so they give the same bits and may be chosen by the number of rows. Numbers are
compared as *keys*: whole numbers in the same order as the float32 they stand for, with nan at the end that its column wants.
A *word* is one packed node, int64: the threshold's key (a leaf's weight) in the upper half, then 12 bits of column and 20 of
child. Column 0 is below every key, so a leaf, whose child is itself, stays where it is.

LLVM does not vectorise a loop that loads by computed places and stores, for it cannot know that the two never overlap. So the
four steps say it themselves, in LLVM's own vectors: on a processor with gather instructions they become those, elsewhere as many
plain loads. Comparisons are of whole numbers and sums are one float32 addition a tree, so each processor gives the same bits.
Nothing here checks a bound: `Ensemble` did. All of it is one file, for numba's cache looks only at the age of a kernel's own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from models.compiled import compiled

LANES = 16
BLOCK = 256
"""Rows that stand side by side in a column of keys; a power of two, and whole lanes."""

CHILD_BITS = 20
TOP = 4
"""Levels that need no gather: their 15 nodes are the same for every row, so all are compared."""
START, DEPTH, KEYS, COLUMNS, NEXT, LAYOUT = 0, 1, 2, 17, 32, 48
"""One row of the trees' table, int32: first word, levels below the root, and of the top the keys, the columns, and the 16 places
that it leads to."""

LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1
_INFINITY, _MAGNITUDE = 0x7F800000, 0x7FFFFFFF
_I1, _I32, _I64, _F32 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType()


def _vector(kind: Any) -> Any:
    return ir.VectorType(kind, LANES)


def _all(kind: Any, value: int) -> Any:
    return ir.Constant(_vector(kind), [value] * LANES)


def _spread(build: Any, value: Any) -> Any:
    """Return a vector with the same scalar in each lane."""
    undefined = ir.Constant(_vector(value.type), ir.Undefined)
    return build.shuffle_vector(build.insert_element(undefined, value, _I32(0)), undefined, _all(_I32, 0))


def _load(build: Any, pointer: Any, kind: Any, place: Any) -> Any:
    address = build.gep(build.bitcast(pointer, kind.as_pointer()), [place])
    return build.load(build.bitcast(address, _vector(kind).as_pointer()), align=4)


def _store(build: Any, pointer: Any, kind: Any, place: Any, value: Any) -> None:
    address = build.gep(build.bitcast(pointer, kind.as_pointer()), [place])
    build.store(value, build.bitcast(address, _vector(kind).as_pointer()), align=4)


def _gather(build: Any, pointer: Any, kind: Any, places: Any) -> Any:
    """Return the numbers at 16 places counted from a pointer."""
    addresses = build.gep(_spread(build, build.bitcast(pointer, kind.as_pointer())), [places], source_etype=kind)
    name = f"llvm.masked.gather.v{LANES}i{kind.width}.v{LANES}p0"
    takes = [addresses.type, _I32, _vector(_I1), _vector(kind)]
    gather = cgutils.get_or_insert_function(build.module, ir.FunctionType(_vector(kind), takes), name)
    every, align = _all(_I1, 1), ir.Constant(_I32, kind.width // 8)
    return build.call(gather, [addresses, align, every, ir.Constant(_vector(kind), ir.Undefined)])


def _descend(build: Any, word: Any, keys: Any, first: Any, shift: int) -> Any:
    """Return where each lane goes from its word. keys: pointer; a column's key is at (column << shift) + first."""
    low, threshold = build.trunc(word, _vector(_I32)), build.trunc(build.lshr(word, _all(_I64, 32)), _vector(_I32))
    column = build.lshr(low, _all(_I32, CHILD_BITS))
    key = _gather(build, keys, _I32, build.add(build.shl(column, _all(_I32, shift)), first))
    beyond = build.icmp_signed(">", key, threshold)
    return build.sub(build.and_(low, _all(_I32, (1 << CHILD_BITS) - 1)), build.sext(beyond, _vector(_I32)))


def _moved(build: Any, before: Any, after: Any) -> Any:
    """Return whether any lane is at another place."""
    whole = ir.IntType(LANES)
    return build.icmp_unsigned("!=", build.bitcast(build.icmp_unsigned("!=", before, after), whole), whole(0))


Emit = Callable[[Any, list[Any]], Any]


def _typed(result: Any, given: tuple[Any, ...], emit: Emit) -> tuple[Any, Callable[..., Any]]:
    """Return what numba wants of an intrinsic: its signature, and what writes it, given each array as its data's pointer."""

    def write(context: Any, build: Any, signature: Any, args: Any) -> Any:
        plain = [
            context.make_array(kind)(context, build, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]
        return emit(build, plain)

    return result(*given), write


@intrinsic
def step_rows(_typing, words, start, keys, at, row):  # type: ignore[no-untyped-def]  # numba's protocol
    """Take one step down the tree at words[start:] with the rows row to row + 15; return whether any of them moved.

    keys: int32 (columns * BLOCK,), a column's keys side by side. at: int32 (BLOCK,), where each row is in the tree; written.
    """

    def emit(build: Any, given: list[Any]) -> Any:
        words, start, keys, at, row = given
        before = _load(build, at, _I32, row)
        word = _gather(build, build.gep(words, [start]), _I64, before)
        lane = ir.Constant(_vector(_I32), list(range(LANES)))
        after = _descend(build, word, build.gep(keys, [row]), lane, BLOCK.bit_length() - 1)
        _store(build, at, _I32, row, after)
        return _moved(build, before, after)

    return _typed(types.boolean, (words, start, keys, at, row), emit)


@intrinsic
def step_trees(_typing, words, roots, keys, at, tree):  # type: ignore[no-untyped-def]  # numba's protocol
    """Take one step down the trees tree to tree + 15 with one row; return whether it moved in any of them.

    roots: int32, first word of each tree. keys: int32 (columns,), of this row. at: int32, its word in each tree; written.
    """

    def emit(build: Any, given: list[Any]) -> Any:
        words, roots, keys, at, tree = given
        before = _load(build, at, _I32, tree)
        inside = _descend(build, _gather(build, words, _I64, before), keys, _all(_I32, 0), 0)
        after = build.add(inside, _load(build, roots, _I32, tree))
        _store(build, at, _I32, tree, after)
        return _moved(build, before, after)

    return _typed(types.boolean, (words, roots, keys, at, tree), emit)


@intrinsic
def top_rows(_typing, trees, tree, keys, at, row):  # type: ignore[no-untyped-def]  # numba's protocol
    """Take the first four steps down a tree with the rows row to row + 15.

    trees: int32 (trees, LAYOUT). keys: as `step_rows`. at: int32 (BLOCK,); written.
    """

    def emit(build: Any, given: list[Any]) -> None:
        trees, tree, keys, at, row = given
        table = build.gep(trees, [build.mul(tree, _I64(LAYOUT))])
        keys = build.gep(keys, [row])
        beyond = []
        for node in range((1 << TOP) - 1):
            column = build.zext(build.load(build.gep(table, [_I64(COLUMNS + node)])), _I64)
            key = _load(build, keys, _I32, build.mul(column, _I64(BLOCK)))
            beyond.append(build.icmp_signed(">", key, _spread(build, build.load(build.gep(table, [_I64(KEYS + node)])))))

        def path(node: int, levels: int) -> list[Any]:
            """Return which way each lane turns at each level from this node on."""
            turn = beyond[node]
            if levels == 1:
                return [turn]
            ways = zip(path(2 * node + 1, levels - 1), path(2 * node + 2, levels - 1), strict=True)
            return [turn, *(build.select(turn, right, left) for left, right in ways)]

        turns, leads_to = path(0, TOP), _all(_I32, 0)
        for level, turn in enumerate(turns):
            bit = 1 << (TOP - 1 - level)
            leads_to = build.or_(leads_to, build.select(turn, _all(_I32, bit), _all(_I32, 0)))
        _store(build, at, _I32, row, _gather(build, build.gep(table, [_I64(NEXT)]), _I32, leads_to))

    return _typed(types.void, (trees, tree, keys, at, row), emit)


@intrinsic
def add_leaves(_typing, words, start, at, total, row):  # type: ignore[no-untyped-def]  # numba's protocol
    """Add the weights of the leaves where the rows row to row + 15 are to total, float32 (BLOCK,)."""

    def emit(build: Any, given: list[Any]) -> None:
        words, start, at, total, row = given
        word = _gather(build, build.gep(words, [start]), _I64, _load(build, at, _I32, row))
        weight = build.bitcast(build.trunc(build.lshr(word, _all(_I64, 32)), _vector(_I32)), _vector(_F32))
        _store(build, total, _F32, row, build.fadd(_load(build, total, _F32, row), weight))

    return _typed(types.void, (words, start, at, total, row), emit)


@compiled
def key_of(number: np.int32, source: np.int32) -> np.int32:
    """Return the key of one number of x. number: the float32 as it lies in memory. source: as in `score_few`."""
    if number & _MAGNITUDE > _INFINITY:
        return np.int32(LOWEST if source & 1 else HIGHEST)
    if number & _MAGNITUDE == 0:
        return np.int32(0)  # so -0.0 is 0.0
    return np.int32(number ^ ((number >> 31) & _MAGNITUDE))


@compiled
def score_few(
    x: NDArray[np.float32], sources: NDArray[np.int32], words: NDArray[np.int64], roots: NDArray[np.int32],
    trees: NDArray[np.int32], divisor: np.float32, base: np.float32, out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the answer for each row, one after the other. x: float32 (n, features); out: float32 (n,).

    sources: int32, per column but the first 2 * feature, + 1 if nan comes before all numbers there, else after. words: int64.
    roots: int32, first word of each tree, and of a lone leaf until lanes are full. trees: int32 (trees, LAYOUT).
    """
    count, deepest = trees.shape[0], 0
    for tree in range(count):
        deepest = max(deepest, trees[tree, DEPTH])
    weights = words.view(np.float32)
    keys, at = np.empty(sources.shape[0] + 1, np.int32), np.empty(roots.shape[0], np.int32)
    keys[0] = LOWEST
    bits = x.view(np.int32)
    for row in range(x.shape[0]):
        for column in range(sources.shape[0]):
            keys[column + 1] = key_of(bits[row, sources[column] >> 1], sources[column])
        for lane in range(roots.shape[0]):
            at[lane] = roots[lane]
        for _ in range(deepest):
            moved = False
            for tree in range(0, count, LANES):
                moved |= step_trees(words, roots, keys, at, tree)
            if not moved:
                break
        total = np.float32(0.0)
        for tree in range(count):
            total += weights[2 * at[tree] + 1]
        out[row] = total / divisor + base


@compiled
def score_many(
    x: NDArray[np.float32], sources: NDArray[np.int32], words: NDArray[np.int64],
    trees: NDArray[np.int32], divisor: np.float32, base: np.float32, out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the answer for each row, in blocks: a tree stays in the nearest cache while all rows of a block go down it.

    Takes what `score_few` takes, but roots.
    """
    keys = np.zeros((sources.shape[0] + 1) * BLOCK, np.int32)
    keys[:BLOCK] = LOWEST
    at, total = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.float32)
    bits = x.view(np.int32)
    for first in range(0, x.shape[0], BLOCK):
        rows = min(BLOCK, x.shape[0] - first)  # lanes beyond them walk too, over whatever keys are there, and are not read
        for column in range(sources.shape[0]):
            source, place = sources[column], (column + 1) * BLOCK
            for row in range(rows):
                keys[place + row] = key_of(bits[first + row, source >> 1], source)
        total[:] = 0.0
        for tree in range(trees.shape[0]):
            start = trees[tree, START]
            for row in range(0, rows, LANES):
                top_rows(trees, tree, keys, at, row)
            for _ in range(TOP, trees[tree, DEPTH]):
                moved = False
                for row in range(0, rows, LANES):
                    moved |= step_rows(words, start, keys, at, row)
                if not moved:
                    break
            for row in range(0, rows, LANES):
                add_leaves(words, start, at, total, row)
        for row in range(rows):
            out[first + row] = total[row] / divisor + base
