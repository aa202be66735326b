"""HTTP/1.1 by hand: requests formatted before the clock starts, answers looked at no more than needed."""

import socket

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
TIMEOUT_SECONDS = 300


def connect(port: int) -> socket.socket:
    """A connection to this machine that sends small requests at once."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def post(path: str, key: str, body: bytes, **headers: str) -> bytes:
    """A POST of JSON, ready to send; `headers` may say another Content_Type, or add some."""
    lines = {"Content_Type": "application/json", "Authorization": f"Bearer {key}"} | headers
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{told}Content-Length: {len(body)}\r\n\r\n".encode() + body


def whole(data: bytes) -> bool:
    """Whether this is a whole answer. Answers must state their length."""
    head = data.find(HEAD_END)
    if head < 0:
        return False
    lower = data[:head].lower()
    at = lower.find(LENGTH)
    if at < 0:
        raise RuntimeError(f"an answer without a length: {data[:300]!r}")
    return len(data) - head - len(HEAD_END) >= int(lower[at + len(LENGTH) :].partition(b"\r")[0])


def read(connection: socket.socket) -> bytes:
    """The next answer, waited for."""
    data = connection.recv(65_536)
    while not whole(data):
        more = connection.recv(65_536)
        if not more:
            raise RuntimeError(f"the connection was closed after {data[:300]!r}")
        data += more
    return data


def status(answer: bytes) -> int:
    """200, 402 ..."""
    return int(answer[9:12])


def body(answer: bytes) -> bytes:
    """What comes after the head."""
    return answer.partition(HEAD_END)[2]
