"""How do we speak to the schema registry? Plain HTTP, by the Confluent API.

Schemas are registered under their subjects with the rule FULL_TRANSITIVE: every version can be read as every other.
Registering what is there already, or from several processes at once, changes nothing.
"""

import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from infra.errors import Fault, Unavailable
from schemas import avro
from schemas.event import Event, Topic

RULE = "FULL_TRANSITIVE"
_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """A schema registry. As a callable it is the `schemas` of a `Reader`: id -> the parsed schema, None if there is no such id.

    url: where the API begins (for Apicurio with `/apis/ccompat/v7`); a user and password may stand in it.
    """

    def __init__(
        self, url: str, *, ca_file: str = "", timeout_s: float = 10.0, transport: httpx2.BaseTransport | None = None
    ) -> None:
        if not url:
            raise Fault("no schema registry is known: run `affluent up`, or set AFFLUENT_REGISTRY__URL to its address")
        self.url = url.rstrip("/")
        if httpx2.URL(self.url).scheme not in ("http", "https"):
            raise Fault(f"registry.url: expected an address with http:// or https://, found {url!r}")
        self._http = httpx2.Client(
            timeout=timeout_s,
            verify=ssl.create_default_context(cafile=ca_file or None),
            # A proxy named in the environment is for the world outside, not for our own servers.
            trust_env=False,
            transport=transport,
            headers={"Accept": _TYPE},
        )
        self._shown = str(httpx2.URL(self.url).copy_with(username=None, password=None))
        self._known: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        """Keep the connection open for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def register_all(self, subjects: Mapping[str, tuple[Topic, type[Event]]]) -> dict[str, int]:
        """Set the rule, register each event's schema under its subject and return the schema ids by subject.

        Raises Fault that names the subject if its schema does not fit the versions before it, Unavailable if nobody answers.
        """
        self._require_rule()
        return {subject: self._register(subject, event) for subject, (_, event) in subjects.items()}

    def _require_rule(self) -> None:
        answer = self._ask("GET", "/config")
        if answer.status_code == httpx2.codes.OK and answer.json().get("compatibilityLevel") == RULE:
            return
        answer = self._insisting("PUT", "/config", {"compatibility": RULE})
        self._require_ok(answer, f"refused the rule {RULE}")

    def _register(self, subject: str, event: type[Event]) -> int:
        answer = self._insisting("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(avro.schema(event))})
        if answer.status_code == httpx2.codes.CONFLICT:
            raise Fault(
                f"{subject}: {event.__name__} and its earlier versions cannot read each other ({_said(answer)}); "
                "give a new field a default, take nothing away, or make a new class on a new topic (.v2)"
            )
        self._require_ok(answer, f"refused the schema of {subject}")
        return int(answer.json()["id"])

    def _insisting(self, verb: str, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Ask once more after a conflict: it may only say that another process made the same thing at the same moment."""
        answer = self._ask(verb, path, body)
        return self._ask(verb, path, body) if answer.status_code == httpx2.codes.CONFLICT else answer

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """Return the parsed schema of an id, or None if the registry has none. Raises Unavailable if it is away.

        Found schemas are kept, for they never change; a missing one is asked for again, for it may come.
        """
        if schema_id in self._known:
            return self._known[schema_id]
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        self._require_ok(answer, f"refused to show schema {schema_id}")
        found: dict[str, Any] = json.loads(answer.json()["schema"])
        return self._known.setdefault(schema_id, found)

    __call__ = schema

    def _ask(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        headers = {} if body is None else {"Content-Type": _TYPE}
        try:
            answer = self._http.request(
                verb, self.url + path, content=None if body is None else json.dumps(body), headers=headers
            )
        except httpx2.TransportError as error:
            raise Unavailable(f"the schema registry at {self._shown} is away: {str(error) or type(error).__name__}") from error
        if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"the schema registry at {self._shown} answered {answer.status_code}: {_said(answer)}")
        return answer

    def _require_ok(self, answer: httpx2.Response, refused: str) -> None:
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise Fault(
                f"the schema registry at {self._shown} does not let us in: put user:password@ into AFFLUENT_REGISTRY__URL"
            )
        if answer.status_code != httpx2.codes.OK:
            raise Fault(f"the schema registry at {self._shown} {refused}: {answer.status_code}, {_said(answer)}")


def _said(answer: httpx2.Response) -> str:
    """Return what the registry gave as its reason, in one line."""
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.text or "no reason given"
    return " ".join(text.split())[:500]
