"""tests/e2e/journal.py: a program: a journal of its own in a mount namespace, and a daemon that writes to it.

usage: unshare -m python3 journal.py LEAT CONF.  Prints every entry as a JSON object a line, once /hello and /fail were asked.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request


def fields_of(entry):
    """journald's own reading of its native protocol."""
    fields = {}
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8:8 + size], rest[8 + size:9 + size], rest[9 + size:]
            assert end == b"\n" and len(value) == size, entry
        assert name and name.decode().replace("_", "").isalnum() and name == name.upper() and not name.startswith(b"_"), name
        fields.setdefault(name.decode(), value.decode())
        entry = rest
    return fields


def main():
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.makedirs("/run/systemd/journal")
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("/run/systemd/journal/socket")
    journal.settimeout(30)
    ours, theirs = socket.socketpair()
    stat = os.fstat(theirs.fileno())
    daemon = subprocess.Popen([sys.argv[1], "run", "-c", sys.argv[2]], stderr=theirs, stdin=subprocess.DEVNULL,
                              env={**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})

    def fail(*_):
        daemon.kill()
        os._exit(1)
    signal.signal(signal.SIGALRM, fail)
    signal.alarm(100)

    def entry_with(text, field="MESSAGE"):
        while True:
            fields = fields_of(journal.recv(1 << 20))
            print(json.dumps(fields))
            if text in fields.get(field, ""):
                return fields
    base = "http://" + entry_with("127.0.0.1", "LEAT_ADDRESS")["LEAT_ADDRESS"]
    entry_with("serving")
    with urllib.request.urlopen(base + "/hello") as answer:
        assert answer.read() == b"hello"
    entry_with("/hello", "LEAT_PATH")
    try:
        urllib.request.urlopen(base + "/fail?x=a%0Ab%20%22c%22")
        raise AssertionError("that does not fail")
    except urllib.error.HTTPError as error:
        assert error.code == 400
    entry_with("request failed")
    entry_with("/fail", "LEAT_PATH")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    ours.settimeout(0.1)
    theirs.close()
    assert ours.recv(65536) == b"", "the journal took everything, and yet there is something on stderr"


main()
