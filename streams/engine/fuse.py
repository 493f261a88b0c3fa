"""When do dead letters mean that the fault is ours? When too many come in a row: then nothing is set aside, and the agent stops."""

from infra.errors import Fault
from schemas.columns import Records
from streams.engine.processor import Effects


class Fuse:
    """Judges each batch before its letters leave. in_a_row: letters without an event between them."""

    def __init__(self, in_a_row: int) -> None:
        self._in_a_row = in_a_row
        self._run: dict[tuple[str, int], int] = {}

    def judge(self, agent: str, records: Records, effects: Effects) -> None:
        """Let the batch pass. Raises Fault if it must not leave: then nothing of it was sent or acknowledged."""
        place = (records.topic, records.partition)
        letters = sum(effects.letters.values())
        run = 0 if effects.events else self._run.get(place, 0) + letters
        self._run[place] = run
        if run >= self._in_a_row:
            raise Fault(
                f"{agent}: {run} messages in a row of {records.topic}[{records.partition}] became dead letters: "
                "this looks like a release of ours or of an upstream app, not like bad messages; look at the letters, "
                "then start again (AFFLUENT_STREAM__LETTERS_IN_A_ROW raises the limit)"
            )
