"""What is there to decode from? The records' bytes, with what fastavro wrote anew and the defaults of added fields behind them."""

from typing import Any

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Codes, Floats, Int32s, Int64s
from schemas.columns.plans import Plans


class Supply:
    """data: uint8, where texts lie; values: float64, where lists will lie, of which `used` are. text_at, number_at: where the defaults
    begin. objects: values without a column type, by position in the batch; complaints: of fastavro, by position."""

    def __init__(self, plans: Plans, data: Bytes, fault: Codes, plan: Int32s, begin: Int64s, end: Int64s) -> None:
        """Transcode the records that need it: their begin and end move, or they get a fault."""
        self.objects: dict[int, tuple[Any, ...]] = {}
        self.complaints: dict[int, str] = {}
        tail: list[bytes] = []
        self.text_at = len(data)
        for number in plans.transcoders:
            mine = np.flatnonzero((plan == number) & (fault == op.GOOD)).tolist()
            if mine:
                plans.slow[number] = plans.slow.get(number, 0) + len(mine)
            for i in mine:
                self._transcode(plans, number, i, data, tail, fault, begin, end)
        self.data = data
        if tail or plans.texts:
            self.data = np.concatenate([data, np.frombuffer(b"".join([*tail, plans.texts]), np.uint8)])
        room = len(plans.numbers)
        self.number_at, self.used = 0, room
        if plans.lists:
            room += int((end - begin).sum())  # a number takes a byte at least
        self.values: Floats = np.empty(room, np.float64)
        self.values[: self.used] = plans.numbers

    def _transcode(
        self, plans: Plans, number: int, i: int, data: Bytes, tail: list[bytes], fault: Codes, begin: Int64s, end: Int64s
    ) -> None:
        try:
            made, self.objects[i] = plans.transcoders[number].transcode(data[begin[i] : end[i]].tobytes())
        except Exception as complaint:  # noqa: BLE001  # fastavro raises anything on bytes that are not what it expects
            fault[i] = op.REJECTED
            self.complaints[i] = f"{complaint} (read by fastavro because of {plans.plans[number].fallback})"
        else:
            begin[i], end[i] = self.text_at, self.text_at + len(made)
            self.text_at += len(made)
            tail.append(made)
