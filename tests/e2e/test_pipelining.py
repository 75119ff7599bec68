"""Requests behind one another, from clients that read late, and what a reload or a refusal does to them."""

CONF = """
limits: {{ requests: 1000000 }}
routes:
  GET /big: {{ reply: "{big}" }}
  GET /flow: {{ tasks: {{ w: {{ wait: 1ms }} }}, reply: flow }}
  POST /echo: {{ reply: "${{request.body}}" }}
  /constant: {{ reply: "constant @n@" }}
"""


N = 400


def await_standstill(daemon):
    """Until the number of answers has been the same for many looks."""
    seen = [-1]
    while len(seen) < 40 or len(set(seen[-40:])) > 1:
        seen.append(daemon.status()["requests"])


def test_flows_between_answers_that_do_not_fit_the_socket(leat):
    daemon = leat(CONF.format(big="x" * 12000), n=0)
    round_ = (b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"GET /flow HTTP/1.1\r\nHost: a\r\n\r\n"
              + b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    with daemon.connect(receive_buffer=4096) as client:
        client.send(round_ * N)
        await_standstill(daemon)  # no byte was read: its answers fill the socket, in the middle of something
        sizes = [len(client.response().body) for _ in range(5 * N)]
        assert sizes == [12000, 12000, 12000, 4, 5] * N


def test_a_body_that_is_dropped_while_the_file_is_reloaded(leat):
    daemon = leat(CONF.format(big="x"), n=0)
    with daemon.connect() as client:
        client.send("GET /constant HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /constant HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf.")
        assert client.response().text == "constant 0"  # and so what came with it was read
        for n in range(1, 4):
            daemon.names["n"] = n
            assert daemon.reload(CONF.format(big="x")).returncode == 0
        client.send("half.")
        assert client.response().text == "constant 0"
        client.send("GET /constant HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().text == "constant 3"
        client.send("garbage\r\n\r\n")
        assert client.response().status == 400


def test_a_refusal_behind_a_head_request_has_its_body(leat):
    daemon = leat(CONF.format(big="x"), n=0)
    with daemon.connect() as client:
        client.send("HEAD /constant HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response(head=True).status == 200
        client.send("garbage\r\n\r\n")
        answer = client.response()
        assert answer.status == 400 and b'"status":400' in answer.body
