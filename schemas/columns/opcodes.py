"""How is a plan written down? The columns of its table, and the codes in them, that the decoding kernel interprets."""

READ, STORE, SLOT, PLACE, VALID, BRANCHES, NULL, ARG, MORE, LOW, HIGH, FLAGS, WIDTH = range(13)
"""READ: what lies on the wire. STORE: what becomes of it. SLOT: its column among the kind's columns of that store; PLACE: the same
among lengths; VALID: among bytes, -1 if the field is never null. BRANCHES: of the writer's union, 0 if there is none; NULL: which of
them is null. ARG, MORE: of READ. LOW, HIGH: inclusive bounds of a whole number, length or code. FLAGS: of the field."""

NOTHING, BOOLEAN, INT, LONG, FLOAT, DOUBLE, BLOB, FIXED, ENUM, INTS, LONGS, FLOATS, DOUBLES = range(13)
"""READ. FIXED: ARG bytes. ENUM: MORE symbols, mapped by `symbols[ARG + index]`. LONG: divided by ARG."""

SKIP, TO_FLOAT, TO_LONG, TO_BYTE, TO_TEXT, TO_BYTES, TO_DECIMAL, TO_FLOATS, TO_LONGS = range(9)
"""STORE."""

IS_ID, IS_AT, IS_KEY, UNKNOWN = 1, 2, 4, 8
"""FLAGS. UNKNOWN: nan may stand for a number of the list."""

# What is wrong with a record, worst first: whatever is found in a value, bytes that cannot be understood weigh more.
(
    GOOD, NO_VALUE, NO_BYTES, TOO_BIG, NO_FRAME, NO_SCHEMA, REFUSED, REJECTED,
    CUT_SHORT, BAD_VARINT, BAD_INT, BAD_LENGTH, BAD_BRANCH, BAD_BOOLEAN, BAD_INDEX, BAD_COUNT, TRAILING,
) = range(17)  # fmt: skip
"""Faults of the bytes. REFUSED: nothing of this schema can be used. REJECTED: fastavro could not read it."""

BAD_NULL, BAD_NUMBER, BAD_REAL, NOT_FINITE, BAD_TIME, BAD_SYMBOL, BAD_UTF8, BAD_SIZE, BAD_DIGITS, BAD_KEY = range(32, 42)
"""Faults of a value."""
