"""tests/e2e/test_auth.py: `auth:`: passwords, API keys and tokens; where it stands; what a refusal says."""
import hashlib
import select
import time

import pytest

from leat import TIMEOUT, Daemon, await_true, check
from tokens import Key, Secret, base64url, basic, bearer, jwks, token

# of "wonderland", at the lowest cost, and at one of about a second
QUICK = "$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu"
SLOW = "$2y$12$abcdefghijklmnopqrstuu3wWEVMNelR6A2tdDfkUrgsOQPKRHJ3a"
SHA512 = ("$6$saltsalt$pqxtaP8VN9msji06dnBCbUbaSGTOXyo9jZDqZxik1rPexoqRIW4UKuiD0ZHZchCSd7S4/"
          "HoRU8bcFbnz2ihUr.")
YESCRYPT = "$y$j75$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29"
API_KEY = "the-key-of-ci-0123456789"
DIGEST = hashlib.sha256(b"the-key-of-the-app-0123").hexdigest()
SECRET = Secret()

CONF = f"""
listen:
  - 127.0.0.1:0
  - address: 127.0.0.2:0
    auth: {{ basic: {{ users: {{ eve: "{QUICK}" }} }}, realm: the listener }}
secrets: {{ dir: "@DIR@/secrets" }}
defaults:
  /in: {{ auth: {{ basic: {{ users: {{ ada: "{QUICK}" }} }} }} }}
routes:
  GET /hello: {{ reply: hello }}
  GET /in/a: {{ reply: {{ json: "${{auth}}" }} }}
  GET /in/off: {{ auth: off, reply: open }}
  GET /basic:
    auth:
      basic:
        users: {{ ada: "{QUICK}", bob: "{SHA512}", cy: "{YESCRYPT}", dan: "${{secret.dan}}" }}
        file: users
      realm: the house
    reply: {{ json: {{ user: "${{auth.user}}", kind: "${{auth.kind}}", claims: "${{auth.claims}}" }} }}
  GET /key:
    auth: {{ api_key: {{ keys: {{ ci: "${{secret.ci}}", app: "sha256:{DIGEST}" }} }} }}
    reply: {{ json: {{ key: "${{auth.key}}", user: "${{auth.user}}", kind: "${{auth.kind}}" }} }}
  GET /key/query:
    auth: {{ api_key: {{ from: "query:api_key", keys: {{ ci: "${{secret.ci}}" }} }} }}
    reply: ${{auth.key}}
  GET /key/denied:
    deny: [127.0.0.0/8]
    auth: {{ api_key: {{ from: "query:api_key", keys: {{ ci: "${{secret.ci}}" }} }} }}
    reply: ${{auth.key}}
  GET /key/cookie:
    auth: {{ api_key: {{ from: "cookie:k", keys: {{ ci: "${{secret.ci}}" }} }} }}
    reply: ${{auth.key}}
  GET /jwt:
    auth:
      jwt: {{ secret: "${{secret.jwt}}", issuer: "https://id.example", audience: [api, web], leeway: 1m }}
    reply: {{ json: {{ auth: "${{auth}}", sub: "${{auth.sub}}", user: "${{auth.user}}", aud: "${{auth.claims.aud}}" }} }}
  GET /jwt/plain: {{ auth: {{ jwt: {{ secret: "${{secret.jwt}}" }} }}, reply: "${{auth.sub}}" }}
  GET /jwt/query:
    auth: {{ jwt: {{ secret: "${{secret.jwt}}", from: "query:access_token" }} }}
    reply: ${{auth.sub}}
  GET /jwt/cookie:
    auth: {{ jwt: {{ secret: "${{secret.jwt}}", from: "cookie:session" }} }}
    reply: ${{auth.sub}}
  GET /any:
    auth:
      basic: {{ users: {{ ada: "{QUICK}" }} }}
      api_key: {{ keys: {{ ci: "${{secret.ci}}" }} }}
      jwt: {{ secret: "${{secret.jwt}}" }}
    reply: ${{auth.kind}}
  GET /admin/{{name}}:
    auth:
      jwt: {{ secret: "${{secret.jwt}}" }}
      require: ${{auth.role == 'admin' && path.name != 'never'}}
    reply: admin
  GET /require/wrong:
    auth: {{ jwt: {{ secret: "${{secret.jwt}}" }}, require: "${{auth.role.deep.er}}" }}
    reply: never
  GET /optional:
    auth: {{ jwt: {{ secret: "${{secret.jwt}}" }}, optional: true }}
    reply: {{ json: {{ user: "${{auth.user}}", whole: "${{auth}}" }} }}
  POST /upload:
    auth: {{ basic: {{ users: {{ ada: "{QUICK}" }} }} }}
    reply: "${{len(request.body)}}"
"""


@pytest.fixture(scope="module")
def site(module_stage):
    daemon = Daemon(CONF, start=False)
    module_stage.daemons.append(daemon)
    for name, text in {"ci": API_KEY, "dan": SHA512, "jwt": SECRET.text + "\n"}.items():
        daemon.write(f"secrets/{name}", text)
    daemon.write("users", f"# people\nfay:{QUICK}\n\n")
    daemon.start()
    return daemon


def challenges(answer):
    return answer.all("www-authenticate")


# ------------------------------------------------------------------ passwords

@pytest.mark.parametrize("user", ["ada", "bob", "cy", "dan", "fay"])
def test_users_log_in_by_hashes_of_each_kind(site, user):
    answer = site.get("/basic", headers=basic(user, "wonderland"))
    assert answer.json() == {"user": user, "kind": "basic", "claims": None}


@pytest.mark.parametrize("headers", [
    {}, basic("ada", "Wonderland"), basic("ada", ""), basic("nobody", "wonderland"), basic("", ""),
    basic("ada", "wonderland\0x"), basic("ada", "wonderland" + "x" * 300),
    {"Authorization": "Basic"}, {"Authorization": "Basic !"}, {"Authorization": "Basic " + base64url("ada")},
    {"Authorization": "Bearer YWRhOndvbmRlcmxhbmQ="}, {"Authorization": "BasicYWRhOndvbmRlcmxhbmQ="},
    {"Authorization": basic("ada", QUICK)["Authorization"]},
])
def test_who_does_not_know_the_password_gets_a_challenge(site, headers):
    answer = site.get("/basic", headers=headers)
    assert answer.status == 401
    assert challenges(answer) == ['Basic realm="the house", charset="UTF-8"']
    assert answer.get("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem.pop("request_id")
    assert problem == {"status": 401, "title": "Unauthorized", "code": "unauthorized"}


def test_the_scheme_has_no_case_and_spaces_may_follow(site):
    credentials = basic("ada", "wonderland")["Authorization"].split()[1]
    assert site.get("/basic", headers={"Authorization": "bAsIc  " + credentials}).status == 200


def test_two_authorizations_are_none(site):
    with site.connect() as client:
        line = "Authorization: " + basic("ada", "wonderland")["Authorization"] + "\r\n"
        client.send("GET /basic HTTP/1.1\r\nHost: a\r\n" + line + line + "\r\n")
        assert client.response().status in (400, 401)


def test_the_log_tells_why_and_never_the_password(site):
    site.get("/basic", headers=basic("ada", "sesame-open"))
    site.await_line(r"auth refused status=401 kind=basic reason=\"wrong password\" user=ada path=/basic client=127")
    site.get("/basic", headers=basic("mallory-sesame", "sesame-open"))
    site.await_line(r"kind=basic reason=\"no such user\" path=/basic")
    site.get("/basic")
    site.await_line(r"kind=none reason=\"nothing shown\"")
    assert "sesame" not in site.stderr and "wonderland" not in site.stderr


def test_a_password_is_checked_before_the_body_is_read(site):
    with site.connect() as client:
        client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
        assert client.head().status == 401
    assert site.post("/upload", b"x" * 1000, headers=basic("ada", "wonderland")).text == "1000"


# ------------------------------------------------------------------ where it stands

def test_it_stands_on_a_prefix_and_a_route_switches_it_off(site):
    assert site.get("/in/a").status == 401
    assert site.get("/in/nothing").status == 401
    assert site.get("/in/nothing", headers=basic("ada", "wonderland")).status == 404
    answer = site.get("/in/a", headers=basic("ada", "wonderland"))
    assert answer.json() == {"kind": "basic", "user": "ada", "key": None, "claims": None}
    assert site.get("/in/off").text == "open"


def test_it_stands_on_a_listener_and_a_route_replaces_it(site):
    def at(target, **more):
        with site.connect(site.addresses[1]) as client:
            return client.get(target, **more)
    assert challenges(at("/hello")) == ['Basic realm="the listener", charset="UTF-8"']
    assert at("/hello", headers=basic("eve", "wonderland")).text == "hello"
    assert at("/hello", headers=basic("ada", "wonderland")).status == 401
    assert at("/basic", headers=basic("ada", "wonderland")).status == 200
    assert at("/basic", headers=basic("eve", "wonderland")).status == 401
    assert site.get("/hello").text == "hello"


# ------------------------------------------------------------------ API keys

def test_api_keys_have_names(site):
    assert site.get("/key", headers={"X-API-Key": API_KEY}).json() == {"key": "ci", "user": None, "kind": "api_key"}
    assert site.get("/key", headers={"x-api-key": "the-key-of-the-app-0123"}).json()["key"] == "app"
    assert site.get("/key/cookie", headers={"Cookie": f"a=b; k={API_KEY}"}).text == "ci"
    assert site.get(f"/key/query?a=b&api_key={API_KEY}").text == "ci"


@pytest.mark.parametrize("key", ["", "x", API_KEY[:-1], API_KEY + "x", "sha256:" + DIGEST, DIGEST], ids=range(6))
def test_other_api_keys_are_refused(site, key):
    answer = site.get("/key", headers={"X-API-Key": key})
    assert answer.status == 401
    assert challenges(answer) == ['ApiKey realm="leat"']


def test_a_credential_of_the_query_is_in_no_log_also_when_another_policy_refuses(site):
    assert site.get("/key/denied?api_key=hidden-key&n=4").status == 403
    line = await_true(lambda: [line for line in site.access_lines(1) if "n=4" in line])[0]
    assert 'path="/key/denied?api_key=...&n=4"' in line and "hidden-key" not in line


def test_a_credential_of_the_query_is_in_no_log(site):
    assert site.get(f"/key/query?first=1&api_key={API_KEY}&%61pi_key=hidden-too&last=2").status == 200
    assert site.get("/jwt/query?access_token=hidden-token&first=3").status == 401

    def lines():
        return [line for line in site.access_lines(2) if "first=" in line]
    await_true(lambda: len(lines()) == 2)
    assert 'path="/key/query?first=1&api_key=...&%61pi_key=...&last=2"' in lines()[0]
    assert 'path="/jwt/query?access_token=...&first=3"' in lines()[1]
    assert API_KEY not in site.stderr and "hidden" not in site.stderr


# ------------------------------------------------------------------ tokens

def test_claims_of_a_token_are_values(site):
    claims = {"iss": "https://id.example", "aud": ["web", "other"], "sub": "u7", "role": "admin", "kind": "trap"}
    answer = site.get("/jwt", headers=bearer(SECRET.token(claims))).json()
    assert (answer["sub"], answer["user"], answer["aud"]) == ("u7", "u7", ["web", "other"])
    assert answer["auth"]["kind"] == "jwt"
    assert answer["auth"]["claims"]["kind"] == "trap"
    assert answer["auth"]["role"] == "admin"


GOOD = {"iss": "https://id.example", "aud": "api"}


@pytest.mark.parametrize("reason,value", [
    ("not three parts", "x"),
    ("not three parts", SECRET.token(GOOD) + "."),
    ("wrong signature", SECRET.token(GOOD)[:-5] + "AAAAA"),
    ("wrong signature", Secret("another secret, which has 32 bytes").token(GOOD)),
    ("its alg is not known", SECRET.token(GOOD, alg="none")),
    ("its alg is not known", token(SECRET, {"alg": "none"}, GOOD).rpartition(".")[0] + "."),
    ("its alg is not among algorithms", SECRET.token(GOOD, alg="HS512")),
    ("its alg is not among algorithms", SECRET.token(GOOD, alg="RS256")),
    ("has crit", SECRET.token(GOOD, crit=["exp"])),
    ("expired", SECRET.token({**GOOD, "exp": 1})),
    ("has no exp", SECRET.token({**GOOD, "exp": None})),
    ("not valid yet", SECRET.token({**GOOD, "nbf": 99999999999})),
    ("issued in the future", SECRET.token({**GOOD, "iat": 99999999999})),
    ("another issuer", SECRET.token({"aud": "api"})),
    ("another issuer", SECRET.token({**GOOD, "iss": "https://id.example/"})),
    ("for another audience", SECRET.token({**GOOD, "aud": "admin"})),
    ("its claims are not well formed", SECRET.token({**GOOD, "exp": "soon"})),
    ("larger than 16k", "x" * 17000),
], ids=lambda value: value.replace(" ", "-") if " " in value else "")
def test_bad_tokens_are_refused_and_only_the_log_says_why(site, reason, value):
    before = len(site.lines)
    answer = site.get("/jwt", headers=bearer(value))
    assert answer.status == 401
    assert challenges(answer) == ['Bearer realm="leat", error="invalid_token"']
    assert set(answer.json()) == {"status", "title", "code", "request_id"}
    line = site.await_line("auth refused status=401 kind=jwt", after=before)
    assert reason in line and value[:40] not in line


def test_without_a_token_the_challenge_names_no_error(site):
    assert challenges(site.get("/jwt")) == ['Bearer realm="leat"']
    assert challenges(site.get("/jwt", headers=basic("a", "b"))) == ['Bearer realm="leat"']


def test_a_token_for_somebody_is_refused_where_no_audience_is_set(site):
    assert site.get("/jwt/plain", headers=bearer(SECRET.token({"sub": "a"}))).text == "a"
    assert site.get("/jwt/plain", headers=bearer(SECRET.token({"sub": "a", "aud": "b"}))).status == 401


def test_tokens_come_in_cookies_and_queries(site):
    text = SECRET.token({"sub": "a"})
    assert site.get("/jwt/cookie", headers={"Cookie": f"session={text}"}).text == "a"
    assert site.get(f"/jwt/query?access_token={text}").text == "a"
    assert site.get("/jwt/query", headers=bearer(text)).status == 401


def test_a_token_that_was_good_expires_all_the_same(site):
    """The signature is remembered, the claims are judged each time."""
    end = time.time() + 1.2
    headers = bearer(SECRET.token({"sub": "a", "exp": end}))
    assert site.get("/jwt/plain", headers=headers).status == 200
    await_true(lambda: site.get("/jwt/plain", headers=headers).status == 401)
    assert time.time() >= end


# ------------------------------------------------------------------ several kinds, require, optional

def test_of_several_kinds_any_will_do(site):
    assert site.get("/any", headers=basic("ada", "wonderland")).text == "basic"
    assert site.get("/any", headers={"X-API-Key": API_KEY}).text == "api_key"
    assert site.get("/any", headers=bearer(SECRET.token({"sub": "a"}))).text == "jwt"
    assert site.get("/any", headers={"X-API-Key": "wrong", **basic("ada", "wonderland")}).text == "basic"
    answer = site.get("/any")
    assert challenges(answer) == ['Bearer realm="leat"', 'ApiKey realm="leat"', 'Basic realm="leat", charset="UTF-8"']
    assert challenges(site.get("/any", headers=bearer("x")))[0] == 'Bearer realm="leat", error="invalid_token"'


def test_what_is_required_beyond_answers_403(site):
    admin, user = SECRET.token({"role": "admin"}), SECRET.token({"role": "user"})
    assert site.get("/admin/a", headers=bearer(admin)).text == "admin"
    assert site.get("/admin/a").status == 401
    for target, text in (("/admin/a", user), ("/admin/never", admin), ("/admin/a", SECRET.token({}))):
        answer = site.get(target, headers=bearer(text))
        assert answer.status == 403
        assert answer.json()["code"] == "forbidden"
        assert challenges(answer) == ['Bearer realm="leat", error="insufficient_scope"']


def test_a_requirement_that_cannot_be_computed_is_not_fulfilled(site):
    assert site.get("/require/wrong", headers=bearer(SECRET.token({"role": "x"}))).status == 403


def test_where_it_is_optional_nobody_is_null_and_a_bad_token_is_refused(site):
    assert site.get("/optional").json() == {"user": None, "whole": None}
    assert site.get("/optional", headers=bearer(SECRET.token({"sub": "a"}))).json()["user"] == "a"
    assert site.get("/optional", headers=bearer("x")).status == 401
    assert site.get("/optional", headers=bearer(SECRET.token({"exp": 1}))).status == 401


# ------------------------------------------------------------------ the pool

POOL = f"""
server: {{ threads: 1, compute_threads: 1 }}
routes:
  GET /hello: {{ reply: hello }}
  GET /dyn: {{ reply: "${{request.id}}" }}
  GET /slow: {{ auth: {{ basic: {{ users: {{ ada: "{SLOW}" }}, remember: 1h }} }}, reply: in }}
  GET /each: {{ auth: {{ basic: {{ users: {{ ada: "{SLOW}" }}, remember: 0 }} }}, reply: in }}
"""


def test_checking_a_password_holds_up_nobody_else(leat):
    site = leat(POOL)
    with site.connect() as slow, site.connect() as other:
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n" + "".join(
            f"{n}: {v}\r\n" for n, v in basic("ada", "wonderland").items()) + "\r\n")
        for _ in range(5):
            assert other.get("/hello").text == "hello"
            assert other.get("/dyn").status == 200
        assert slow.is_silent(0.001)
        assert slow.response().text == "in"


def test_a_password_that_was_right_is_remembered_also_over_a_reload(leat):
    site = leat(POOL)
    before = site.cpu_seconds()
    assert site.get("/slow", headers=basic("ada", "wonderland")).status == 200
    once = site.cpu_seconds() - before
    before = site.cpu_seconds()
    for _ in range(20):
        assert site.get("/slow", headers=basic("ada", "wonderland")).status == 200
    assert site.reload(POOL.replace("reply: in }", "reply: in2 }")).returncode == 0
    for _ in range(20):
        assert site.get("/slow", headers=basic("ada", "wonderland")).text == "in2"
    assert site.cpu_seconds() - before < 10 * once  # not 40 times
    assert site.get("/slow", headers=basic("ada", "wonderlanD")).status == 401


def test_where_it_is_not_to_be_remembered_a_password_is_checked_each_time(leat):
    site = leat(POOL)
    before = site.cpu_seconds()
    assert site.get("/slow", headers=basic("ada", "wonderland")).status == 200
    once = site.cpu_seconds() - before
    before = site.cpu_seconds()
    for _ in range(3):
        assert site.get("/each", headers=basic("ada", "wonderland")).status == 200
    assert site.cpu_seconds() - before > 1.5 * once


def test_another_hash_makes_a_remembered_password_unknown(leat):
    site = leat(POOL)
    assert site.get("/slow", headers=basic("ada", "wonderland")).status == 200
    other = SLOW[:-1] + ("a" if SLOW[-1] != "a" else "b")
    assert site.reload(POOL.replace(SLOW, other)).returncode == 0
    assert site.get("/slow", headers=basic("ada", "wonderland")).status == 401


def test_a_flood_of_passwords_is_bounded_and_ends_with_its_clients(leat):
    site = leat(POOL)
    request = "GET /each HTTP/1.1\r\nHost: a\r\n" + "".join(
        f"{n}: {v}\r\n" for n, v in basic("ada", "wrong").items()) + "\r\n"
    flood = [site.connect() for _ in range(160)]
    for client in flood:
        client.send(request)
    waiting, refused = {client.sock: client for client in flood}, None
    while not refused:  # some find the queue full; which ones is up to the loops
        assert waiting, "nobody was refused"
        for sock in select.select(list(waiting), [], [], TIMEOUT)[0]:
            answer = waiting.pop(sock).response()
            assert answer.status in (401, 503)
            refused = answer if answer.status == 503 else refused
    assert refused.get("retry-after") == "1"
    assert refused.json()["code"] == "unavailable"
    assert site.get("/hello").text == "hello"
    for client in flood:
        client.reset()
    await_true(lambda: site.get("/each", headers=basic("ada", "wonderland")).status == 200)


def test_an_unknown_user_costs_what_a_known_one_does(leat):
    """By the daemon's CPU time: each wrong login checks a hash."""
    site = leat(POOL)

    def cost(user):
        before = site.cpu_seconds()
        for _ in range(2):
            assert site.get("/slow", headers=basic(user, "wrong")).status == 401
        return site.cpu_seconds() - before
    known, unknown = cost("ada"), cost("nobody")
    assert unknown > known / 2 and known > unknown / 2


# ------------------------------------------------------------------ keys of files, and reload

@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {(alg, kid): Key(folder, alg, kid) for alg, kid in
            [("RS256", "a"), ("ES256", "a"), ("ES384", "a"), ("EdDSA", "a"), ("ES256", "b")]}


FILE_CONF = """
routes:
  GET /jwt: { auth: { jwt: { keys: keys.json } }, reply: "${auth.sub}" }
  GET /pem: { auth: { jwt: { keys: key.pem, algorithms: [ES256] } }, reply: "${auth.sub}" }
"""


@pytest.fixture
def files(stage, keys):
    daemon = Daemon(FILE_CONF, start=False)
    stage.daemons.append(daemon)
    daemon.write("keys.json", jwks(*(keys[alg, "a"] for alg in ("RS256", "ES256", "ES384", "EdDSA"))))
    daemon.write("key.pem", keys["ES256", "a"].pem())
    daemon.start()
    return daemon


def test_tokens_are_verified_by_public_keys_of_a_file(files, keys):
    for alg in ("RS256", "ES256", "ES384", "EdDSA"):
        text = keys[alg, "a"].token({"sub": alg})
        with files.connect() as client:
            for _ in range(3):  # the first time it is verified, then it is remembered
                assert client.get("/jwt", headers=bearer(text)).text == alg
            assert client.get("/jwt", headers=bearer(text[:-8] + "AAAAAAAA")).status == 401
    assert files.get("/pem", headers=bearer(keys["ES256", "a"].token({"sub": "p"}))).text == "p"
    assert files.get("/pem", headers=bearer(keys["RS256", "a"].token({"sub": "p"}))).status == 401


def test_a_public_key_is_no_secret(files, keys):
    confused = Secret(keys["ES256", "a"].pem()).token({"sub": "p"}, kid="a")
    assert files.get("/jwt", headers=bearer(confused)).status == 401
    assert files.get("/pem", headers=bearer(confused)).status == 401


def test_keys_of_a_file_change_with_a_reload_and_remembered_tokens_with_them(files, keys):
    old, new = keys["ES256", "a"].token({"sub": "old"}), keys["ES256", "b"].token({"sub": "new"})
    with files.connect() as client:
        assert client.get("/jwt", headers=bearer(old)).text == "old"
        assert client.get("/jwt", headers=bearer(new)).status == 401
        files.write("keys.json", jwks(keys["ES256", "b"]))
        assert files.reload().returncode == 0
        assert client.get("/jwt", headers=bearer(old)).status == 401
        assert client.get("/jwt", headers=bearer(new)).text == "new"
        files.write("keys.json", "{}")
        assert files.reload().returncode == 1
        assert client.get("/jwt", headers=bearer(new)).text == "new"


# ------------------------------------------------------------------ mistakes of the file

def errors(auth, **more):
    code, text = check("listen: 127.0.0.1:0\nroutes:\n  GET /a:\n    reply: a\n    auth:\n      " + auth, **more)
    assert code == 1
    return text


@pytest.mark.parametrize("auth,message", [
    ("{}", "auth asks for one of basic, api_key and jwt"),
    ("{ basick: {} }", 'unknown key "basick"'),
    ("{ basic: { users: { ada: sesame } } }", "htpasswd -nB NAME"),
    ("{ basic: { users: { ada: $1$aaaaaaaa$bbbbbbbbbbbbbbbbbbbbbb } } }", "it is no hash of a password"),
    ("{ basic: { users: { 'a:b': %s } } }" % QUICK, "no colon"),
    ("{ basic: { users: { ada: %s } } }" % QUICK.replace("$04$", "$17$"), "makes every login take seconds"),
    ("{ basic: { file: nowhere } }", "nowhere: No such file"),
    ("{ basic: { file: users } }", "users:2: user \"bob\": it is no hash"),
    ("{ basic: { users: { a: '${query.x}' } } }", "query"),
    ("{ api_key: { keys: { a: short } } }", "can be guessed"),
    ("{ api_key: { keys: { a: 'sha256:12' } } }", "64 hexadecimal digits"),
    ("{ api_key: { keys: { a: 0123456789abcdefg }, from: body } }", "is no place for it"),
    ("{ api_key: {} }", '"keys"'),
    ("{ jwt: {} }", "jwt needs one of keys (a file), url, and secret"),
    ("{ jwt: { secret: tooshort } }", "openssl rand -hex 16"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef, algorithms: [HS512] } }", "ask for 64"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef, algorithms: [RS256] } }", "takes public keys, not a secret"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef, algorithms: [none] } }", '"none" is no algorithm'),
    ("{ jwt: { keys: users } }", "users has no keys to verify with; it is no JSON"),
    ("{ jwt: { keys: private.pem } }", "openssl pkey -in FILE -pubout"),
    ("{ jwt: { url: 'ftp://x/y' } }", "is not a URL of an upstream"),
    ("{ jwt: { url: 'http://x' } }", "is no URL of keys"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef }, realm: 'a\"b' }", "a realm is of printable ASCII"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef }, require: '${body.x}' }", "body"),
    ("{ jwt: { secret: 0123456789abcdef0123456789abcdef }, require: 'auth.x ==' }", "error"),
])
def test_a_mistake_is_shown_with_its_place_and_its_mend(auth, message, keys):
    with open(keys["ES256", "a"].path, encoding="ascii") as file:
        private = file.read()
    text = errors(auth, files={"users": "ada:%s\nbob:sesame\n" % QUICK, "private.pem": private})
    assert message in text
    assert "leat.yaml:6:" in text
    assert "sesame" not in text.replace("ada: sesame", "")


def test_a_check_without_the_secrets_is_no_error():
    conf = ("listen: 127.0.0.1:0\nroutes:\n  GET /a: { reply: a, auth: { basic: { users: { a: '${secret.a}' } }, "
            "api_key: { keys: { a: '${secret.b}' } }, jwt: { secret: '${secret.c}' } } }\n")
    code, text = check(conf)
    assert code == 0 and "secret" in text
    code, text = check(conf, "--strict")
    assert code == 1
