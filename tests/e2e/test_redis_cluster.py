"""tests/e2e/test_redis_cluster.py: `redis:` with a cluster of real servers, and with sentinels."""
import contextlib
import threading

import pytest
from leat import await_true, check
from redis_servers import FalseServer, RedisError, RedisServer, free_port, needs_redis

pytestmark = needs_redis

CONF = r'''
server: { threads: 2, compute_threads: 1 }
redis: { main: { @WHERE@ } }
routes:
  GET /get/{key}: { tasks: { r: { redis: main, command: [GET, "${path.key}"] } }, reply: { json: "${r}" } }
  POST /set/{key}/{value}: { tasks: { r: { redis: main, command: [SET, "${path.key}", "${path.value}"], retry: { times: 20, wait: 50ms, codes: [connect_failed, redis_error, timeout] } } }, reply: { json: "${r}" } }
  GET /mget/{a}/{b}: { tasks: { r: { redis: main, command: [MGET, "${path.a}", "${path.b}"] } }, reply: { json: "${r}" }, on_error: { redis_error: "${error.detail}" } }
  GET /many: { tasks: { r: { redis: main, commands: [[SET, a, 1], [SET, b, 2], [SET, c, 3], [GET, a], [PING]] } }, reply: { json: "${r}" } }
  POST /transfer/{key}: { tasks: { r: { redis: main, transaction: true, commands: [[INCR, "{${path.key}}1"], [DECR, "{${path.key}}2"]] } }, reply: { json: "${r}" }, on_error: { redis_error: "${error.detail}" } }
  POST /each: { tasks: { r: { redis: main, commands: [[INCR, "${query.a}"], [INCR, "${query.b}"]], retry: { times: 3, wait: 1ms } } }, reply: { json: "${r}" } }
  POST /apart: { tasks: { r: { redis: main, transaction: true, commands: [[INCR, "${query.a}"], [INCR, "${query.b}"]] } }, reply: { json: "${r}" }, on_error: { redis_error: "${error.detail}" } }
  POST /script/{key}: { tasks: { r: { redis: main, script: "return redis.call('INCR', KEYS[1])", keys: ["${path.key}"] } }, reply: { json: "${r}" } }
'''


class Cluster:
    def __init__(self, n_masters=3, n_replicas=0):
        self.servers = []
        for _ in range(n_masters + n_replicas):
            self.servers.append(self.add())
        for number, server in enumerate(self.servers):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in self.servers[1:]:
            self.servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, server.bus)
        slots = 16384 // n_masters
        for i, server in enumerate(self.servers[:n_masters]):
            last = 16383 if i == n_masters - 1 else (i + 1) * slots - 1
            server.ask("CLUSTER", "ADDSLOTSRANGE", i * slots, last)
        await_true(lambda: all(self.is_whole(server) for server in self.servers), seconds=30, what="the cluster")
        for i, server in enumerate(self.servers[n_masters:]):
            server.ask("CLUSTER", "REPLICATE", self.servers[i].ask("CLUSTER", "MYID"))
        if n_replicas:
            await_true(lambda: all(server.says("master_link_status:up", "replication")
                                   for server in self.servers[n_masters:]), seconds=30, what="the replicas")

    def add(self):
        port, bus = free_port(), free_port()
        server = RedisServer("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "1500",
                             "--cluster-require-full-coverage", "no", port=port)
        server.bus = bus
        return server

    def is_whole(self, server):
        info = server.ask("CLUSTER", "INFO").decode()
        return "cluster_state:ok" in info and "cluster_slots_assigned:16384" in info and \
            f"cluster_known_nodes:{len(self.servers)}" in info

    def home(self, key):
        slot = self.servers[0].ask("CLUSTER", "KEYSLOT", key)
        for server in self.servers:
            with contextlib.suppress(RedisError):
                server.ask("GET", key)
                return slot, server
        raise AssertionError("nobody has it")

    def where(self):
        return f'servers: ["127.0.0.1:{self.servers[0].port}"], cluster: true'

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture(scope="module")
def cluster():
    with contextlib.closing(Cluster()) as made:
        yield made


def test_keys_are_found_on_the_servers_that_have_them(leat, cluster):
    daemon = leat(CONF, WHERE=cluster.where())
    for n in range(60):
        assert daemon.post(f"/set/key{n}/v{n}").json() == "OK"
    for n in range(60):
        assert daemon.get(f"/get/key{n}").json() == f"v{n}"
    assert all(server.ask("DBSIZE") > 5 for server in cluster.servers)
    status = daemon.status()["redis"][0]
    assert (status["mode"], status["state"]) == ("cluster", "up")
    assert daemon.get("/many").json() == ["OK", "OK", "OK", "1", "PONG"]


def test_keys_on_different_servers_are_crossslot(leat, cluster):
    daemon = leat(CONF, WHERE=cluster.where())
    assert daemon.get("/mget/a/b").text == "main: CROSSSLOT"
    assert daemon.post("/set/%7Bu%7D1/x").json() == "OK"
    assert daemon.get("/mget/%7Bu%7D1/%7Bu%7D2").json() == ["x", None]
    code, said = check("redis: { main: { servers: [127.0.0.1:1], cluster: true } }\n"
                       "routes: { GET /: { tasks: { r: { redis: main, command: [MGET, a, b] } }, reply: ok } }\n")
    assert code == 1 and "CROSSSLOT" in said and "in braces" in said


def test_transactions_and_scripts_go_to_the_server_of_their_keys(leat, cluster):
    daemon = leat(CONF, WHERE=cluster.where())
    for n in range(12):
        assert daemon.post(f"/transfer/t{n}").json() == [1, -1]
        assert daemon.post(f"/script/s{n}").json() == 1
    assert daemon.post("/apart?a=x&b=y").text in ("main: CROSSSLOT", "main: command 1: CROSSSLOT")


def test_a_slot_that_has_moved_is_followed(leat, cluster):
    daemon = leat(CONF, WHERE=cluster.where())
    assert daemon.post("/set/mover/1").json() == "OK"
    slot, home = cluster.home("mover")
    other = next(server for server in cluster.servers if server is not home)
    home_id, other_id = home.ask("CLUSTER", "MYID"), other.ask("CLUSTER", "MYID")
    other.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", home_id)
    home.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", other_id)
    # what is still there is answered there, what is not is asked for at the other one
    assert daemon.get("/get/mover").json() == "1"
    home.ask("MIGRATE", "127.0.0.1", other.port, "mover", 0, 5000)
    assert [daemon.get("/get/mover").json() for _ in range(5)] == ["1"] * 5
    assert daemon.post("/transfer/mover").text in ("main: command 1: ASK", "main: command 1: TRYAGAIN")
    for server in cluster.servers:
        server.ask("CLUSTER", "SETSLOT", slot, "NODE", other_id)
    assert daemon.get("/get/mover").json() == "1"
    assert daemon.post("/transfer/mover").json() == [1, -1]
    assert daemon.post("/script/mover").json() == 2
    errors = daemon.status()["redis"][0]["errors"]
    assert [daemon.get("/get/mover").json() for _ in range(5)] == ["2"] * 5
    assert daemon.status()["redis"][0]["errors"] == errors


def test_what_caches_keep_is_purged_on_all_servers(leat, cluster):
    conf = ("redis: { main: { @WHERE@ } }\nroutes:\n"
            "  GET /c/{key}: { cache: { key: '${path.key}', ttl: 1h, in: redis.main }, reply: '${path.key}' }\n")
    daemon = leat(conf, WHERE=cluster.where())

    def kept():
        return sum(len(server.ask("KEYS", "leat:*")) for server in cluster.servers)
    for n in range(40):
        assert daemon.get(f"/c/{'ab'[n % 2]}{n}").text == f"{'ab'[n % 2]}{n}"
    await_true(lambda: kept() == 40, what="that all are kept")
    assert all(server.ask("KEYS", "leat:*") for server in cluster.servers)
    assert daemon.admin("DELETE", "/v1/cache?prefix=a").json()["removed"] == 20
    assert kept() == 20
    assert daemon.admin("DELETE", "/v1/cache").json()["removed"] == 20
    assert kept() == 0


def test_a_master_that_dies_is_replaced_by_its_replica(leat):
    with contextlib.closing(Cluster(3, 3)) as cluster:
        daemon = leat(CONF, WHERE=f'servers: ["127.0.0.1:{cluster.servers[1].port}"], cluster: true')
        keys = [f"key{n}" for n in range(30)]
        for key in keys:
            assert daemon.post(f"/set/{key}/{key}").json() == "OK"
        await_true(lambda: cluster.servers[0].ask("DBSIZE") == cluster.servers[3].ask("DBSIZE"), what="the replica")
        cluster.servers[0].kill()
        statuses = [daemon.get(f"/get/{key}").status for key in keys]
        assert set(statuses) <= {200, 502, 504} and statuses.count(200) >= 5, statuses  # the others are not harmed
        if set(statuses) != {200}:
            # what one server has done is not done again because another cannot be reached
            alive, dead = keys[statuses.index(200)], keys[next(i for i, status in enumerate(statuses) if status != 200)]
            daemon.post(f"/each?a=%7B{alive}%7Dn&b=%7B{dead}%7Dn")
            assert daemon.get(f"/get/%7B{alive}%7Dn").json() == "1"
        await_true(lambda: all(daemon.get(f"/get/{key}").status == 200 for key in keys), seconds=60, what="the failover")
        assert [daemon.get(f"/get/{key}").json() for key in keys] == keys
        assert daemon.post("/set/key0/new").json() == "OK"


def test_a_cluster_that_is_away_stops_no_start_and_is_found(leat):
    server = RedisServer(port=free_port())
    with contextlib.closing(server):
        daemon = leat(CONF, WHERE=f'servers: ["127.0.0.1:{free_port()}", "127.0.0.1:{server.port}"], cluster: true')
        answer = daemon.get("/get/k")
        assert (answer.status, answer.json()["code"]) == (502, "redis_error")  # it is no cluster
        assert daemon.status()["redis"][0]["state"] == "down"


def test_an_answer_in_which_servers_share_a_slot_is_none(leat):
    def serve(link):
        answers = {b"MULTI": b"+OK\r\n", b"EXEC": b"*0\r\n", b"PING": b"+PONG\r\n"}
        slots = b"*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%d\r\n" % port
        while True:
            link.sock.sendall(answers.get(link.read()[0], b"*2\r\n" + slots * 2))
    port = free_port()
    with contextlib.closing(FalseServer(serve, port)):
        daemon = leat(CONF, WHERE=f'servers: ["127.0.0.1:{port}"], cluster: true')
        assert daemon.get("/get/k").status == 502
        assert daemon.status()["redis"][0]["problem"] == "the server has no slots of a cluster"


# ------------------------------------------------------------------ sentinels

class Watched:
    """A master, a replica, and three sentinels."""

    def __init__(self):
        self.master = RedisServer(port=free_port())
        self.replica = RedisServer("--replicaof", "127.0.0.1", str(self.master.port), port=free_port())
        conf = (f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 2\nsentinel down-after-milliseconds mymaster 1000\n"
                "sentinel failover-timeout mymaster 3000\n")
        self.sentinels = [RedisServer(port=free_port(), program="redis-sentinel", conf=conf) for _ in range(3)]
        await_true(lambda: self.replica.says("master_link_status:up", "replication"), seconds=30, what="the replica")
        await_true(lambda: all(self.knows_all(sentinel) for sentinel in self.sentinels), seconds=60, what="the sentinels")

    @staticmethod
    def knows_all(sentinel):
        info = sentinel.ask("INFO", "sentinel").decode()
        return "status=ok" in info and "slaves=1,sentinels=3" in info

    def master_port(self):
        """That of the master that all sentinels name, once none of them changes it."""
        told = [sentinel.ask("SENTINEL", "MASTER", "mymaster") for sentinel in self.sentinels]
        told = [dict(zip(fields[::2], fields[1::2])) for fields in told]
        ports = {int(fields[b"port"]) for fields in told}
        return ports.pop() if len(ports) == 1 and all(fields[b"flags"] == b"master" for fields in told) else None

    def roles(self):
        """Of the two servers: who is the master, and that the other one is its replica, as the sentinels say too."""
        for one, other in ((self.master, self.replica), (self.replica, self.master)):
            if one.says("role:master", "replication") and other.says(f"master_port:{one.port}", "replication") \
                    and other.says("role:slave", "replication") and self.master_port() == one.port:
                return one, other
        return None

    def where(self):
        ports = ", ".join(f'"127.0.0.1:{sentinel.port}"' for sentinel in self.sentinels)
        return f'sentinels: [{ports}], master: mymaster'

    def close(self):
        for server in [*self.sentinels, self.replica, self.master]:
            server.close()


@pytest.fixture(scope="module")
def watched():
    with contextlib.closing(Watched()) as made:
        yield made


def test_sentinels_tell_the_master(leat, watched):
    daemon = leat(CONF, WHERE=watched.where())
    assert daemon.post("/set/k/v").json() == "OK" and daemon.get("/get/k").json() == "v"
    assert watched.master.ask("GET", "k") == b"v"
    assert daemon.status()["redis"][0]["mode"] == "sentinel"


def test_a_sentinel_that_is_away_is_passed_over(leat, watched):
    where = watched.where().replace("sentinels: [", f'sentinels: ["127.0.0.1:{free_port()}", ')
    daemon = leat(CONF, WHERE=where)
    assert daemon.post("/set/k/w").json() == "OK"


def test_a_master_that_nobody_knows_is_told(leat, watched):
    daemon = leat(CONF, WHERE=watched.where().replace("mymaster", "nobody"))
    answer = daemon.get("/get/k")
    assert (answer.status, answer.json()["code"]) == (502, "redis_error")
    assert daemon.status()["redis"][0]["problem"] == "no sentinel knows this master"


def test_a_failover_is_followed_without_a_reload(leat, watched):
    daemon = leat(CONF, WHERE=watched.where())
    assert daemon.post("/set/before/1").json() == "OK"
    await_true(lambda: watched.replica.ask("GET", "before") == b"1", what="the replica")
    over, wrong = threading.Event(), []

    def ask():
        while not over.is_set():
            answer = daemon.get("/get/before")
            if answer.status == 200 and answer.json() != "1" or answer.status not in (200, 502, 504):
                wrong.append(answer)
    thread = threading.Thread(target=ask)
    thread.start()
    watched.master.kill()
    try:
        await_true(lambda: watched.replica.says("role:master", "replication"), seconds=60, what="the failover")
        await_true(lambda: daemon.get("/get/before").status == 200, seconds=60, what="the new master")
    finally:
        over.set()
        thread.join()
    assert not wrong, wrong
    # the sentinels must have ended it: a server that comes back before may be made the master again
    await_true(lambda: watched.master_port() == watched.replica.port, seconds=60, what="the end of the failover")
    assert daemon.post("/set/after/2").json() == "OK" and watched.replica.ask("GET", "after") == b"2"
    # the old one comes back and becomes a replica (or, where the machine is slow, the master again): one of them is written to
    watched.master.start()
    master, replica = await_true(watched.roles, seconds=60, what="the old master's return")
    assert daemon.post("/set/after/3").json() == "OK" and master.ask("GET", "after") == b"3"
    await_true(lambda: replica.ask("GET", "after") == b"3", what="the replica")
