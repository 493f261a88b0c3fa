"""Does a server serve, asked in its own language?"""

import http.client
import socket
import struct

from infra.stack.ports import HOST


def answers_http(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers_valkey(port: int, password: str) -> bool:
    """Whether PING is answered."""
    return _ask(port, f"AUTH {password}\r\nPING\r\n".encode(), b"+PONG")


def answers_kafka(port: int) -> bool:
    """Whether a broker lists itself: it is then registered and unfenced, so topics can be created.

    A Metadata request (key 3, version 1) for no topics; the answer is length, correlation id, number of brokers.
    """
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 12:
                if not (more := connection.recv(12 - len(answer))):
                    return False
                answer += more
    except OSError:
        return False
    return bool(struct.unpack(">iii", answer)[2] > 0)


def _ask(port: int, question: bytes, expected: bytes) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(question)
            answer = b""
            while expected not in answer:
                if b"-ERR" in answer or not (more := connection.recv(256)):
                    return False
                answer += more
    except OSError:
        return False
    return True
