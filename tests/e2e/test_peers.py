"""tests/e2e/test_peers.py: actors on other hosts, between daemons: messages, answers, links, and what becomes of
them when a host, its key or the connection is gone."""
from databases import free_port

KEY = "0123456789abcdef0123456789abcdef"

ALPHA = """
listen: 127.0.0.1:@PORT@
peers:
  beta: { address: "127.0.0.1:@BETA@", as: alpha, key: @KEY@ @MORE@ }
actors:
  back:
    expose: true
    state: []
    handlers:
      put: { set: "${state + [message]}" }
      get: { method: GET, reply: { json: "${state}" } }
      call: { tasks: { t: { send: log@beta, handler: answer, message: "${message}" } } }
@LINKS@
routes:
  POST /ask/{handler}:
    timeout: @TIMEOUT@
    tasks: { t: { ask: counter@beta, handler: "${path.handler}", message: "${request.body}" } }
    reply: { json: { value: "${t}" } }
  POST /send: { tasks: { t: { send: "log@127.0.0.1:@BETA@", handler: put, message: "${number(request.body)}" } } }
  POST /cart/{id}/{handler}:
    tasks: { t: { ask: "cart/${path.id}@beta", handler: "${path.handler}" } }
    reply: { json: "${t}" }
  POST /any:
    tasks: { t: { ask: "${query.to}", handler: get } }
    reply: { json: "${t}" }
"""

BETA = """
listen: 127.0.0.1:@PORT@
peers:
  alpha: { as: beta, key: @KEY@ @MORE@ }
actors:
  counter:
    state: { n: 0 }
    handlers:
      add: { set: { n: "${state.n + number(message)}" }, reply: { json: "${state.n}" } }
      get: { reply: { json: "${state.n}" } }
      no: { tasks: { t: { fail: no_way, status: 418, detail: because } } }
      slow: { tasks: { t: { wait: 30s } } }
      who: { reply: { json: "${sender}" } }
      big: { reply: { json: "${message + message}" } }
  cart/{user}:
    expose: true
    state: "${path.user}"
    handlers: { get: { reply: { json: "${state}" } } }
  log:
    expose: true
    state: []
    mailbox: { messages: 20000 }
    handlers:
      put: { set: "${state + [message]}" }
      get: { method: GET, reply: { json: "${state}" } }
      len: { method: GET, reply: { json: "${len(state)}" } }
      answer: { tasks: { t: { send: "${sender.actor}", handler: put, message: "${message}" } } }
  frail:
    expose: true
    restart: reset
    handlers: { fall: { tasks: { t: { fail: fallen } } } }
"""

LINKED = """
  watcher:
    expose: true
    state: []
    links: { frail@beta: told, nobody@beta: told }
    handlers:
      told: { set: "${state + [[message.actor, message.reason]]}" }
      get: { method: GET, reply: { json: "${state}" } }
"""


class Pair:
    """Two daemons: alpha connects to beta, which cannot connect to alpha."""

    def __init__(self, stage, start=True, more="", key=KEY, alpha=ALPHA, links="", timeout="10s", through=None):
        port = free_port()
        names = {"KEY": KEY, "MORE": more, "LINKS": links, "TIMEOUT": timeout}
        self.beta = stage.leat(BETA, PORT=port, **{**names, "KEY": key})
        self.alpha = stage.leat(alpha, PORT=free_port(), BETA=through or port, start=start, **names)

    def ask(self, handler, value=""):
        return self.alpha.post(f"/ask/{handler}", body=str(value).encode())


def peer(daemon, name):
    return {one["name"]: one for one in daemon.admin("GET", "/v1/peers").json()["peers"]}[name]


def test_an_ask_runs_as_if_the_actor_were_here(stage):
    pair = Pair(stage)
    assert pair.ask("add", 2).json() == {"value": 2}
    assert pair.ask("add", 40).json() == {"value": 42}
    assert pair.alpha.post("/cart/a%40b%2Fc/get").json() == "a@b/c"
    who = pair.ask("who").json()["value"]
    assert who["actor"] is None and who["id"]
    failed = pair.ask("no")
    assert (failed.status, failed.json()["code"]) == (418, "no_way")
    assert pair.ask("nothing").json()["code"] == "not_found"
    for to in ("nobody@beta", "counter@gamma", "counter@127.0.0.1:1"):
        assert pair.alpha.post(f"/any?to={to}").json()["code"] == "not_found"
    assert pair.alpha.post("/any?to=counter@beta").json() == 42
    assert peer(pair.alpha, "beta")["state"] == "connected"
    assert peer(pair.beta, "alpha")["received"] == peer(pair.alpha, "beta")["acked"]
