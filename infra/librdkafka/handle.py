"""How is a client made, and what does it say? Configuration, log lines and errors, the same for consumer and producer."""

import ctypes
import logging
from collections.abc import Mapping
from typing import Any

from infra.errors import Fault
from infra.librdkafka.library import CONSUMER, ERRSTR, FAILED, LOGGED, REBALANCED, library

_LEVELS = {0: 50, 1: 50, 2: 50, 3: 40, 4: 30, 5: 20, 6: 20, 7: 10}
"""Levels of syslog as those of Python's logging."""


class Handle:
    """One librdkafka client. Log lines go to the logger in the configuration's `logger`."""

    def __init__(self, kind: int, settings: Mapping[str, Any], *, rebalanced: Any = None, events: int = 0) -> None:
        """settings: by librdkafka's names. Raises Fault if one is unknown or has a bad value."""
        self.library = library()
        settings = dict(settings)
        self._log: logging.Logger = settings.pop("logger", logging.getLogger("librdkafka"))
        conf = self.library.conf_new()
        text = ctypes.create_string_buffer(ERRSTR)
        for name, value in {**settings, "log.queue": True}.items():
            said = str(value).lower() if isinstance(value, bool) else str(value)
            if self.library.conf_set(conf, name.encode(), said.encode(), text, ERRSTR):
                self.library.conf_destroy(conf)
                raise Fault(f"Kafka client: {text.value.decode()}")
        # These must live as long as the client: it calls them.
        self._kept = (LOGGED(self._logged), FAILED(self._failed), REBALANCED(rebalanced or (lambda *_: None)))
        self.library.conf_set_log_cb(conf, self._kept[0])
        self.library.conf_set_error_cb(conf, self._kept[1])
        if kind == CONSUMER:
            self.library.conf_set_rebalance_cb(conf, self._kept[2])
        if events:
            self.library.conf_set_events(conf, events)
        self.pointer = self.library.new(kind, conf, text, ERRSTR)
        if not self.pointer:
            self.library.conf_destroy(conf)
            raise Fault(f"Kafka client: {text.value.decode()}")
        self.library.set_log_queue(self.pointer, None)

    def _logged(self, _client: int, level: int, facility: bytes | None, line: bytes | None) -> None:
        self.say(level, (facility or b"").decode(errors="replace"), (line or b"").decode(errors="replace"))

    def _failed(self, _client: int, code: int, reason: bytes | None, _opaque: int) -> None:
        self.say(4, "ERROR", f"{self.library.err2str(code).decode()}: {(reason or b'').decode(errors='replace')}")

    def say(self, level: int, facility: str, line: str) -> None:
        """Hand a line to the logger."""
        self._log.log(_LEVELS.get(level, 20), "%s %s", facility, line)

    def fatal(self) -> tuple[int, str]:
        """Return the error that ended this client and its text; 0 if there is none."""
        text = ctypes.create_string_buffer(ERRSTR)
        return self.library.fatal_error(self.pointer, text, ERRSTR), text.value.decode(errors="replace")

    def destroy(self) -> None:
        """Free the client; nothing may be called afterwards."""
        if self.pointer:
            pointer, self.pointer = self.pointer, None
            self.library.destroy(pointer)
