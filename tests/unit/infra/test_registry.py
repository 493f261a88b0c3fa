"""Does the registry client register, find and fail clearly? Against a registry of a few lines behind the HTTP client."""

import json
from dataclasses import dataclass, field

import httpx2
import pytest

from infra.errors import Fault, Unavailable
from infra.registry import RULE, Registry
from schemas import avro, catalogue
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted

SUBJECT = "dispatch.assignments.v1-AssignmentAccepted"
ONE = {SUBJECT: (ASSIGNMENTS, AssignmentAccepted)}


@dataclass
class Server:
    """Answers as the Confluent API does; `answer`, if set, is all it says; `conflicts` meet the next writes."""

    level: str = "BACKWARD"
    schemas: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    answer: httpx2.Response | Exception | None = None
    conflicts: list[str] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((request.method, request.url.path))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        if request.method != "GET" and self.conflicts:
            return httpx2.Response(409, json={"message": self.conflicts.pop(0)})
        body = json.loads(request.content or b"{}")
        match request.method, request.url.path.removeprefix("/v7").split("/")[1:]:
            case "GET", ["config"]:
                return httpx2.Response(200, json={"compatibilityLevel": self.level})
            case "PUT", ["config"]:
                self.level = body["compatibility"]
                return httpx2.Response(200, json=body)
            case "POST", ["subjects", _, "versions"]:
                if body["schema"] not in self.schemas:
                    self.schemas.append(body["schema"])
                return httpx2.Response(200, json={"id": self.schemas.index(body["schema"]) + 1})
            case "GET", ["schemas", "ids", text] if int(text) <= len(self.schemas):
                return httpx2.Response(200, json={"schema": self.schemas[int(text) - 1]})
        return httpx2.Response(404, json={"error_code": 40403, "message": "Schema not found"})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def registry(server: Server) -> Registry:
    return Registry("http://registry:8081/v7/", transport=httpx2.MockTransport(server))


def test_the_whole_catalogue_is_registered_under_its_subjects(registry: Registry, server: Server) -> None:
    ids = registry.register_all(catalogue.subjects())
    assert ids.keys() == catalogue.subjects().keys()
    assert registry.schema(ids[SUBJECT]) == avro.schema(AssignmentAccepted)


def test_registering_twice_changes_nothing(registry: Registry, server: Server) -> None:
    first = registry.register_all(catalogue.subjects())
    before = list(server.schemas)
    assert registry.register_all(catalogue.subjects()) == first
    assert server.schemas == before


def test_the_rule_is_set_once(registry: Registry, server: Server) -> None:
    registry.register_all(ONE)
    registry.register_all(ONE)
    assert server.level == RULE
    assert [ask for ask in server.asked if ask[0] == "PUT"] == [("PUT", "/v7/config")]


def test_a_schema_is_asked_for_once(registry: Registry, server: Server) -> None:
    registry.register_all(ONE)
    assert registry(1) is registry(1)
    assert server.asked.count(("GET", "/v7/schemas/ids/1")) == 1


def test_a_missing_schema_may_come_later(registry: Registry) -> None:
    assert registry(1) is None
    registry.register_all(ONE)
    assert registry(1) == avro.schema(AssignmentAccepted)


def test_an_incompatible_schema_names_its_subject_the_reason_and_the_way_out(registry: Registry, server: Server) -> None:
    server.level = RULE
    server.conflicts = ["READER_FIELD"] * 2
    with pytest.raises(Fault, match=rf"{SUBJECT}.*READER_FIELD.*default.*\.v2"):
        registry.register_all(ONE)


def test_a_conflict_with_another_process_that_does_the_same_is_none(registry: Registry, server: Server) -> None:
    server.conflicts = ["rule already exists"]
    assert registry.register_all(ONE) == {SUBJECT: 1}
    server.conflicts = ["subject already exists"]
    assert registry.register_all(ONE) == {SUBJECT: 1}


@pytest.mark.parametrize(
    "broken", [httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow"), httpx2.Response(503, text="starting")]
)
def test_a_registry_that_is_away_is_unavailable(registry: Registry, server: Server, broken: httpx2.Response | Exception) -> None:
    server.answer = broken
    with pytest.raises(Unavailable, match="http://registry:8081/v7"):
        registry(1)


def test_a_locked_registry_says_what_to_set_and_hides_the_password(server: Server) -> None:
    server.answer = httpx2.Response(401, json={"message": "who are you?"})
    with pytest.raises(Fault, match="AFFLUENT_REGISTRY__URL") as found:
        Registry("http://me:secret@registry:8081", transport=httpx2.MockTransport(server)).register_all(ONE)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(("url", "says"), [("", "affluent up"), ("registry:8081", "http://"), ("ftp://registry", "http://")])
def test_an_address_that_is_none_is_a_fault(url: str, says: str) -> None:
    with pytest.raises(Fault, match=says):
        Registry(url)
