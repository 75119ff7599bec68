"""scripts/bench_peers.py: what asking an actor costs, here and on another host, for scripts/bench."""
import sys

from bench_servers import LOAD_CPU, free_port, get, interleave, row_ratio, row_round, running, start_leat

KEY = "0123456789abcdef0123456789abcdef"
ACTOR = 'actors: { echo: { expose: false, handlers: { say: { reply: "${message}" } } } }\n'
NEAR = '  GET /near: { tasks: { a: { ask: echo, handler: say, message: "${request.id}" } }, reply: "${a}" }\n'
FAR = '  GET /far: { tasks: { a: { ask: echo@there, handler: say, message: "${request.id}" } }, reply: "${a}" }\n'
HTTP = '  GET /http: { tasks: { a: { get: "backend:/near" } }, reply: "${a.body}" }\n'


def bench_peers(directory, n_rounds):
    """The other host has the load's core, so that the one who asks has its own for itself."""
    port = free_port()
    here = f'peers: {{ there: {{ address: "127.0.0.1:{port}", as: here, key: {KEY} }} }}\n{ACTOR}'
    there = f"peers: {{ here: {{ as: there, key: {KEY} }} }}\n{ACTOR}"
    print("an actor that says what it was told, asked in a route by 64 clients:")
    with running(start_leat(directory, "there", port=port, cpus=(LOAD_CPU,), sections=there, more_routes="\n" + NEAR)), \
            running(start_leat(directory, "here", backend_port=port, sections=here,
                               more_routes="\n" + NEAR + FAR + HTTP)) as (leat,):
        for path in ("/near", "/far", "/http"):
            answer = get(leat.port, path)
            if not answer.startswith(b"HTTP/1.1 200"):
                sys.exit(f"bench: {path} answers {answer[:300]!r}")
        near, far, http = interleave(max(3, n_rounds // 3), (leat, "/near"), (leat, "/far"), (leat, "/http"))
    row_round("ask of an actor of this process", near)
    row_round("ask of an actor on another host", far)
    row_round("the same question by HTTP", http)
    row_ratio("ask on another host / by HTTP", far, http)
