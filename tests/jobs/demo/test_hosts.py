import http.client
import socket

import pytest

from jobs.demo.hosts import Answer, Hosts


def _get(hosts: Hosts, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", hosts.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{hosts.port}"})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_the_host_header_chooses_the_answer() -> None:
    hosts = Hosts()
    hosts.put("a.localhost", "/x", Answer(b"of a"))
    hosts.put("b.localhost", "/x", Answer(b"of b", 203, "text/plain", (("X-Robots-Tag", "noai"),)))
    with hosts:
        assert _get(hosts, "a.localhost", "/x")[2] == b"of a"
        status, headers, body = _get(hosts, "b.localhost", "/x")
        assert (status, headers["X-Robots-Tag"], body) == (203, "noai", b"of b")
        assert _get(hosts, "c.localhost", "/x")[0] == 404
    assert hosts.asked == [("a.localhost", "/x"), ("b.localhost", "/x"), ("c.localhost", "/x")]


def test_the_closed_port_refuses() -> None:
    with Hosts() as hosts, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", hosts.closed_port), timeout=5)


def test_a_port_that_is_taken_gives_another() -> None:
    with Hosts() as first, Hosts(first.port) as second:
        assert first.port != second.port


def test_hosts_are_named_once() -> None:
    hosts = Hosts()
    for path in ("/1", "/2"):
        hosts.put("a.localhost", path, Answer())
    assert hosts.names() == ["a.localhost"]
    assert hosts.url("a.localhost", "/1") == f"http://a.localhost:{hosts.port}/1"
    hosts.stop()
