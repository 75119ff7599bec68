#!/usr/bin/env python3
"""tests/e2e/corpus/run.py: run a JSON Lines corpus of raw HTTP/1.x exchanges against one server.

usage: run.py --host 127.0.0.1 --port 8080 [options] [FILE...]

FILE is h1-cases.jsonl beside this program unless given.  Every case runs on a
fresh connection.  One line is printed per failing case; the last line is
'N passed, N failed' (exit status 1 when anything failed).  With --known FILE (ids
of cases that may fail, one a line, # begins a comment) those are printed as
'known', and do not count; one of them that passes is printed as 'PASSES', and
counts as failed, so that the list stays true.

Server contract (what the cases assume is running at host:port)
  /echo          GET, HEAD, POST: 200; the body is the request body, or 'hello'
                 when the request has no body (or an empty one)
  /static/       a directory with a.txt = the 26 letters abc...z (no newline);
                 GET and HEAD, ETag, Last-Modified, byte ranges
  anything else  404
  header, body and keep-alive timeouts set to 2 s each (area 'slow' measures them), a body
  limit of at least 128 KB and below 4 GB

Case:  {"id","area","level","send":[step...],"expect":{...},"why"}
  level  must    the RFC says MUST, or memory/framing safety
         should  RFC SHOULD, or the RFC's recommended choice
         policy  stricter than the RFC asks; a choice of this project
Steps
  "BASE64"                       bytes to send
  {"b64":"BASE64","times":n}     the same bytes n times
  {"dribble":"BASE64","ms":n}    one byte each n ms; stops quietly when the peer closes
  {"tmpl":"BASE64"}              bytes in which {{name}} is replaced by header NAME of the newest response
  {"delay_ms":n}                 wait (whatever arrives is kept)
  {"quiet_ms":n}                 wait; fail if anything arrives or the peer closes
  {"await":n}                    wait until n final responses have arrived
  {"await_100":true}             wait (at most 2 s) for a 100 response, or any final one
  {"shutdown":true}              half-close (FIN) our side
Expectations (all optional; every key present must hold)
  status:[..]        allowed codes of the first final (non-1xx) response
  statuses:[[..],..] the same for each response in order (implies responses)
  responses:n        exact number of final responses (default 1)
  close:true|false   the peer must (not) close after the last response
  close_ok:true      closing without any response is accepted too
  keepalive:true     afterwards GET /echo on the same connection must answer 200 'hello'
  body / bodies      exact body of the first / each response (latin-1; null: any)
  body_len:n         exact length of the first body
  header / headers   {name: regex} for the first / [{..},..] for each response
  if_header          {name: regex}: checked only where the header is present
  no_header:[..]     names absent from every final response
  head:[i,..]        indexes of responses to HEAD (they carry no body)
  interim            'required' or 'forbidden': a 1xx before the final response
  must / must_not    regex over every byte received (DOTALL)
  max_bytes:n        at most n bytes received in total
  max_ms:n           the connection must be over at most n ms after the last byte we sent
  alive:true         a new connection must still get 200 from GET /echo
  any_of:[{..},..]   at least one of these expectation objects must hold
Each response must also be well formed in itself: status-line, CRLF line ends, token
names, no Content-Length together with Transfer-Encoding, no framing fields in 1xx/204,
a body that ends where its framing says, and no stray bytes after the last one.
"""
import argparse, base64, concurrent.futures, json, os, re, select, socket, ssl, sys, time

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ?([\t\x20-\x7e\x80-\xff]*)\Z")
PROBE = b"GET /echo HTTP/1.1\r\nHost: probe.test\r\n\r\n"


class Resp:
    __slots__ = ("ver", "code", "hdr", "body", "until_close")

    def get(self, name):
        return [v for n, v in self.hdr if n == name]


class Bad(Exception):
    pass


def parse_one(buf, pos, head, closed):
    """Parse one response at pos. -> (Resp, newpos), or None when more bytes are needed."""
    end = buf.find(b"\r\n\r\n", pos)
    if end < 0:
        if len(buf) - pos >= 5 and not buf[pos:pos + 5] == b"HTTP/":
            raise Bad("bytes that are no HTTP response: %r" % bytes(buf[pos:pos + 40]))
        return None
    lines = bytes(buf[pos:end]).split(b"\r\n")
    m = STATUS.match(lines[0])
    if not m:
        raise Bad("malformed status-line %r" % lines[0][:60])
    r = Resp()
    r.ver, r.code, r.hdr, r.until_close = m.group(1).decode(), int(m.group(2)), [], False
    for l in lines[1:]:
        n, c, v = l.partition(b":")
        if not c or not TOKEN.match(n):
            raise Bad("malformed response field %r" % l[:60])
        if b"\r" in v or b"\n" in v or b"\0" in v:
            raise Bad("CR, LF or NUL in response field %r" % l[:60])
        r.hdr.append((n.decode().lower(), v.strip(b" \t").decode("latin1")))
    cl, te = r.get("content-length"), r.get("transfer-encoding")
    if cl and te:
        raise Bad("response has Content-Length and Transfer-Encoding")
    if len(set(cl)) > 1 or (cl and not cl[0].isdigit()):
        raise Bad("bad Content-Length in response: %r" % cl)
    if (r.code < 200 or r.code == 204) and (te or (cl and r.code != 204) or (cl and cl[0] != "0")):
        raise Bad("framing field in a %d response" % r.code)
    p = end + 4
    if head or r.code < 200 or r.code in (204, 304):
        r.body = b""
        return r, p
    if te:
        if te[-1].lower() != "chunked":
            raise Bad("response Transfer-Encoding %r" % te)
        out = bytearray()
        while True:
            e = buf.find(b"\r\n", p)
            if e < 0:
                return None
            sz = bytes(buf[p:e]).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]+", sz):
                raise Bad("bad chunk-size in response: %r" % sz[:40])
            n = int(sz, 16)
            p = e + 2
            if n == 0:
                while True:
                    e = buf.find(b"\r\n", p)
                    if e < 0:
                        return None
                    blank = e == p
                    p = e + 2
                    if blank:
                        r.body = bytes(out)
                        return r, p
            if len(buf) < p + n + 2:
                return None
            out += buf[p:p + n]
            if buf[p + n:p + n + 2] != b"\r\n":
                raise Bad("response chunk not ended by CRLF")
            p += n + 2
    if cl:
        n = int(cl[0])
        if len(buf) < p + n:
            return None
        r.body = bytes(buf[p:p + n])
        return r, p + n
    if not closed:
        return None
    r.body, r.until_close = bytes(buf[p:]), True
    return r, len(buf)


TLS = None  # an ssl.SSLContext: the same cases over TLS


class Conn:
    def __init__(self, host, port, timeout):
        self.s = socket.create_connection((host, port), timeout=timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if TLS:
            self.s = TLS.wrap_socket(self.s, suppress_ragged_eofs=True)
        self.s.setblocking(False)
        self.buf = bytearray()
        self.closed = self.reset = self.wdead = False
        self.t_closed = None
        self.t_rx = time.monotonic()

    def pump(self, wait):
        """Read whatever is there, waiting at most `wait` seconds. True if something happened."""
        if self.closed:
            return False
        if not (TLS and self.s.pending()) and not select.select([self.s], [], [], max(0.0, wait))[0]:
            return False
        try:
            d = self.s.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            d, self.reset = b"", True
        if d:
            self.buf += d
            self.t_rx = time.monotonic()
        else:
            self.closed, self.t_closed = True, time.monotonic()
        return True

    def send(self, data, deadline):
        view = memoryview(data)
        while view and not self.wdead and not self.reset and time.monotonic() < deadline:
            rl = [] if self.closed else [self.s]
            r, w, _ = select.select(rl, [self.s], [], 0.2)
            if r:
                self.pump(0)
            if w:
                try:
                    n = self.s.send(view[:65536])
                    view = view[n:]
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                except OSError:
                    self.wdead = True

    def wait_until(self, t, stop=None):
        while True:
            left = t - time.monotonic()
            if left <= 0 or (stop and stop()):
                return
            if self.closed:
                if stop:
                    return
                time.sleep(min(left, 0.05))
            else:
                self.pump(min(left, 0.05))


def parse_all(c, heads, limit=None):
    """-> (final responses, interim codes before each, leftover position)"""
    pos, out, interim, cur = 0, [], [], []
    while pos < len(c.buf):
        got = parse_one(c.buf, pos, len(out) in heads, c.closed)
        if got is None:
            break
        r, pos = got
        if r.code < 200 and r.code != 101:
            cur.append(r.code)
            continue
        out.append(r)
        interim.append(cur)
        cur = []
        if r.code == 101 or (limit and len(out) >= limit):
            break
    return out, interim, cur, pos


def flat(e):
    return [e] + [x for a in e.get("any_of", []) for x in flat(a)]


def want(e):
    return e["responses"] if "responses" in e else len(e["statuses"]) if "statuses" in e else 1


def rx(p, s):
    return re.search(p.encode("latin1") if isinstance(p, str) else p, s, re.S)


def check(e, base, c, resps, interim, pend, left, t_sent, host, port, timeout):
    """-> list of complaints"""
    e = {**{k: v for k, v in base.items() if k != "any_of"}, **e}
    bad = []
    if "any_of" in e:
        alts = [check(a, {k: v for k, v in e.items() if k != "any_of"}, c, resps, interim, pend, left, t_sent, host, port, timeout) for a in e["any_of"]]
        if any(not a for a in alts):
            return []
        return ["none of the alternatives holds: " + " | ".join(a[0] for a in alts)]
    codes = [r.code for r in resps]
    raw = bytes(c.buf)
    if e.get("must") and not rx(e["must"], raw):
        bad.append("required pattern %r not received" % e["must"])
    if e.get("must_not") and rx(e["must_not"], raw):
        bad.append("forbidden pattern %r received" % e["must_not"])
    if "max_bytes" in e and len(raw) > e["max_bytes"]:
        bad.append("received %d bytes, more than %d" % (len(raw), e["max_bytes"]))
    if e.get("max_ms") and (not c.closed or (c.t_closed - t_sent) * 1000 > e["max_ms"]):
        bad.append("connection not closed within %d ms" % e["max_ms"])
    if e.get("raw_ok"):
        return bad
    if not resps and c.closed and e.get("close_ok") and not raw:
        return bad
    exp = e.get("statuses") or ([e["status"]] if "status" in e else [])
    n = want(e)
    if len(resps) != n:
        what = "closed" if c.closed else "open"
        bad.append("%d response(s) %s instead of %d, connection %s%s" % (len(resps), codes, n, what, " (reset)" if c.reset else ""))
    for i, allowed in enumerate(exp):
        if i < len(resps) and resps[i].code not in allowed:
            bad.append("response %d has status %d, allowed %s" % (i + 1, resps[i].code, allowed))
    if left:
        bad.append("stray or incomplete bytes after the last response: %r" % bytes(c.buf[-left:][:40]))
    if bad:
        return bad
    bodies = e.get("bodies") or ([e["body"]] if "body" in e else [])
    for i, b in enumerate(bodies):
        if b is not None and i < len(resps) and not (i in e.get("head", [])) and resps[i].body != b.encode("latin1"):
            bad.append("response %d has body %r, expected %r" % (i + 1, resps[i].body[:50], b[:50]))
    if "body_len" in e and len(resps[0].body) != e["body_len"]:
        bad.append("body of %d bytes, expected %d" % (len(resps[0].body), e["body_len"]))
    hs = e.get("headers") or ([e["header"]] if "header" in e else [])
    for i, h in enumerate(hs):
        for k, p in h.items():
            v = resps[i].get(k.lower()) if i < len(resps) else []
            if not any(re.search(p, x, re.S) for x in v):
                bad.append("response %d: header %s is %r, expected /%s/" % (i + 1, k, v, p))
    for k, p in e.get("if_header", {}).items():
        for r in resps:
            for x in r.get(k.lower()):
                if not re.search(p, x, re.S):
                    bad.append("header %s is %r, expected /%s/" % (k, x, p))
    for k in e.get("no_header", []):
        if any(r.get(k.lower()) for r in resps):
            bad.append("header %s present" % k)
    if e.get("interim") == "required" and not (interim and interim[0]):
        bad.append("no interim response before the final one")
    if e.get("interim") == "forbidden" and any(interim + [pend]):
        bad.append("interim response %s" % (interim + [pend]))
    if e.get("close") is True and not c.closed:
        bad.append("connection still open")
    if (e.get("close") is False or e.get("keepalive")) and c.closed:
        bad.append("connection closed")
    return bad


def run_case(case, host, port, timeout):
    exp = case["expect"]
    all_e = flat(exp)
    heads = set(exp.get("head", []))
    steps = case["send"]
    extra = sum(s.get("delay_ms", 0) + s.get("quiet_ms", 0) for s in steps if isinstance(s, dict)) / 1000.0
    extra += sum(len(base64.b64decode(s["dribble"])) * s["ms"] for s in steps if isinstance(s, dict) and "dribble" in s) / 1000.0
    t0 = time.monotonic()
    deadline = t0 + timeout + extra
    try:
        c = Conn(host, port, timeout)
    except OSError as x:
        return ["cannot connect: %s" % x]
    bad = []
    try:
        for s in steps:
            if isinstance(s, str):
                c.send(base64.b64decode(s), deadline)
            elif "b64" in s:
                c.send(base64.b64decode(s["b64"]) * s["times"], deadline)
            elif "dribble" in s:
                for b in base64.b64decode(s["dribble"]):
                    if c.closed or c.wdead:
                        break
                    c.send(bytes([b]), deadline)
                    c.wait_until(time.monotonic() + s["ms"] / 1000.0, stop=lambda: c.closed)
            elif "tmpl" in s:
                rs = parse_all(c, heads)[0]
                d = base64.b64decode(s["tmpl"])
                for name in set(re.findall(rb"\{\{([a-z-]+)\}\}", d)):
                    v = rs[-1].get(name.decode()) if rs else []
                    if not v:
                        return ["needed header %s in the first response" % name.decode()]
                    d = d.replace(b"{{" + name + b"}}", v[0].encode("latin1"))
                c.send(d, deadline)
            elif "delay_ms" in s:
                c.wait_until(time.monotonic() + s["delay_ms"] / 1000.0)
            elif "quiet_ms" in s:
                n = len(c.buf)
                c.wait_until(time.monotonic() + s["quiet_ms"] / 1000.0)
                if len(c.buf) != n or c.closed:
                    return ["server %s before the request was complete" % ("closed" if c.closed else "answered %r" % bytes(c.buf[n:n + 30]))]
            elif "await" in s:
                c.wait_until(deadline, stop=lambda: len(parse_all(c, heads)[0]) >= s["await"])
            elif "await_100" in s:
                c.wait_until(time.monotonic() + 2.0, stop=lambda: b"\r\n\r\n" in c.buf)
            elif "shutdown" in s:
                try:
                    socket.socket.shutdown(c.s, socket.SHUT_WR)  # an SSLSocket's own forgets its TLS
                except OSError:
                    pass
        t_sent = time.monotonic()
        leaves = [e for e in all_e if "any_of" not in e]
        need, lo = max(want(e) for e in leaves), min(want(e) for e in leaves)

        def verdict():
            rs, im, pe, pos = parse_all(c, heads)
            left = 0 if rs and rs[-1].code == 101 else len(c.buf) - pos
            return len(rs), check(exp, {}, c, rs, im, pe, left, t_sent, host, port, timeout)
        c.t_rx = time.monotonic()
        while not c.closed and time.monotonic() < deadline:
            n = len(parse_all(c, heads)[0])
            if n >= lo and time.monotonic() - c.t_rx >= 0.25:     # quiet: decide, or wait for what may still come
                n, bad = verdict()
                if not bad:
                    break
                if n >= need:
                    c.closed, c.t_closed = True, time.monotonic()  # would a close help?
                    bad = verdict()[1]
                    c.closed, c.t_closed = False, None
                    if bad:
                        break
            c.pump(0.05)
        resps, interim, pend, pos = parse_all(c, heads)
        left = len(c.buf) - pos
        if resps and resps[-1].code == 101:
            left = 0
        bad = check(exp, {}, c, resps, interim, pend, left, t_sent, host, port, timeout)
        if not bad and exp.get("keepalive") and not c.closed:
            n = len(resps)
            c.send(PROBE, deadline + 2)
            c.wait_until(time.monotonic() + timeout, stop=lambda: len(parse_all(c, heads)[0]) > n)
            rs = parse_all(c, heads)[0]
            if len(rs) != n + 1 or rs[-1].code != 200 or rs[-1].body != b"hello":
                bad.append("the connection was not usable afterwards (probe: %s)" % ([r.code for r in rs[n:]] or "no answer"))
    except Bad as x:
        bad = [str(x)] if not exp.get("raw_ok") else []
        if any(e.get("raw_ok") for e in all_e):
            for e in all_e:
                if e.get("raw_ok") and (not e.get("must") or rx(e["must"], bytes(c.buf))):
                    bad = []
    finally:
        try:
            c.s.close()
        except OSError:
            pass
    if exp.get("alive"):
        try:
            p = Conn(host, port, timeout)
            p.send(PROBE, time.monotonic() + timeout)
            p.wait_until(time.monotonic() + timeout, stop=lambda: bool(parse_all(p, set())[0]))
            rs = parse_all(p, set())[0]
            p.s.close()
            if not rs or rs[0].code != 200:
                bad.append("server no longer answers a new connection")
        except (OSError, Bad) as x:
            bad.append("server no longer answers a new connection: %s" % x)
    return bad


def main():
    ap = argparse.ArgumentParser(description="run raw HTTP/1.x cases against a server")
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--tls", action="store_true", help="over TLS, whatever its certificate")
    ap.add_argument("--timeout", type=float, default=5.0, help="seconds per case, not counting its own delays")
    ap.add_argument("--jobs", type=int, default=8)
    ap.add_argument("--area", action="append", help="only these areas (repeatable)")
    ap.add_argument("--skip-area", action="append", default=[])
    ap.add_argument("--level", action="append", help="only these levels: must, should, policy")
    ap.add_argument("--id", action="append", help="only cases whose id matches this regex")
    ap.add_argument("-v", "--verbose", action="store_true", help="print passing cases too")
    ap.add_argument("--summary", action="store_true", help="print passed/total by area and level before the last line")
    ap.add_argument("--known", metavar="FILE", help="ids of cases that may fail")
    ap.add_argument("files", nargs="*", metavar="FILE")
    a = ap.parse_args()
    if a.tls:
        global TLS
        TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
    a.files = a.files or [os.path.join(os.path.dirname(os.path.abspath(__file__)), "h1-cases.jsonl")]
    known = set()
    if a.known:
        with open(a.known, encoding="utf-8") as fh:
            known = {l.split("#")[0].strip() for l in fh} - {""}
    cases, seen = [], set()
    for f in a.files:
        with open(f, encoding="utf-8") as fh:
            for ln, l in enumerate(fh, 1):
                if not l.strip():
                    continue
                k = json.loads(l)
                if k["id"] in seen:
                    sys.exit("%s:%d: id %s twice" % (f, ln, k["id"]))
                seen.add(k["id"])
                if (a.area and k["area"] not in a.area) or k["area"] in a.skip_area or (a.level and k["level"] not in a.level):
                    continue
                if a.id and not any(re.search(p, k["id"]) for p in a.id):
                    continue
                cases.append(k)
    ok = ko = 0
    tab = {}
    with concurrent.futures.ThreadPoolExecutor(max(1, a.jobs)) as ex:
        for k, bad in zip(cases, ex.map(lambda k: run_case(k, a.host, a.port, a.timeout), cases)):
            for key in (("area", k["area"]), ("level", k["level"])):
                t = tab.setdefault(key, [0, 0])
                t[0] += not bad
                t[1] += 1
            if bad and k["id"] in known:
                print("known %s [%s/%s]: %s" % (k["id"], k["area"], k["level"], bad[0]), flush=True)
            elif not bad and k["id"] in known:
                ko += 1
                print("PASSES %s: take it off the list of known ones" % k["id"], flush=True)
            elif bad:
                ko += 1
                print("FAIL %s [%s/%s]: %s  -- %s" % (k["id"], k["area"], k["level"], "; ".join(bad), k["why"]), flush=True)
            else:
                ok += 1
                if a.verbose:
                    print("ok   %s" % k["id"])
    if a.summary:
        for (kind, name), (p, n) in sorted(tab.items()):
            print("%-6s %-12s %d/%d" % (kind, name, p, n))
    print("%d passed, %d failed" % (ok, ko))
    return 1 if ko else 0


if __name__ == "__main__":
    sys.exit(main())
