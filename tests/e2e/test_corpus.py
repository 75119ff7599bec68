"""tests/e2e/test_corpus.py: the corpus of raw HTTP/1.1 exchanges, against the daemon."""
import contextlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from certs import Certs
from leat import SLOW

CORPUS = os.path.join(os.path.dirname(__file__), "corpus")
CONF = """
timeouts: { head: 2s, body: 2s, idle: 2s, shutdown: 5s }
routes:
  GET /echo: { reply: "${request.body == '' ? 'hello' : request.body}" }
  POST /echo: { reply: "${request.body == '' ? 'hello' : request.body}" }
  GET /static/{path...}: { files: @STATIC@ }
"""


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_exactly_the_listed_cases_fail(leat, tmp_path, tls):
    (tmp_path / "a.txt").write_text("abcdefghijklmnopqrstuvwxyz")
    conf = CONF
    if tls:
        with contextlib.closing(Certs().make("a", "DNS:a.test")) as certs:
            for suffix in ("pem", "key"):
                shutil.copy(certs.path(f"a.{suffix}"), tmp_path)
        conf += "listen: { address: 127.0.0.1:0, tls: { cert: '@STATIC@/a.pem', key: '@STATIC@/a.key' } }\n"
    command = [sys.executable, os.path.join(CORPUS, "run.py"), "--port", str(leat(conf, STATIC=tmp_path).port),
               "--timeout", str(5 * SLOW), "--known", os.path.join(CORPUS, "known"), *(["--tls"] if tls else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOW, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[1-9]\d\d passed, 0 failed$", done.stdout, re.M), done.stdout


def test_no_case_of_framing_is_listed():
    with open(os.path.join(CORPUS, "known"), encoding="utf-8") as file:
        known = [line.strip() for line in file if not line.startswith("#")]
    assert [case for case in known if not case.startswith(("range-", "cond-"))] == []
