"""tests/e2e/test_corpus.py: the corpus of raw HTTP/1.1 exchanges, against the daemon."""
import os
import re
import subprocess
import sys

from leat import SLOW

CORPUS = os.path.join(os.path.dirname(__file__), "corpus")
CONF = """
timeouts: { head: 2s, body: 2s, idle: 2s, shutdown: 5s }
routes:
  GET /echo: { reply: "${request.body == '' ? 'hello' : request.body}" }
  POST /echo: { reply: "${request.body == '' ? 'hello' : request.body}" }
  GET /static/{path...}: { files: @STATIC@ }
"""


def test_exactly_the_listed_cases_fail(leat, tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghijklmnopqrstuvwxyz")
    command = [sys.executable, os.path.join(CORPUS, "run.py"), "--port", str(leat(CONF, STATIC=tmp_path).port),
               "--timeout", str(5 * SLOW), "--known", os.path.join(CORPUS, "known")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOW, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[1-9]\d\d passed, 0 failed$", done.stdout, re.M), done.stdout


def test_no_case_of_framing_is_listed():
    with open(os.path.join(CORPUS, "known"), encoding="utf-8") as file:
        known = [line.strip() for line in file if not line.startswith("#")]
    assert [case for case in known if not case.startswith(("range-", "cond-"))] == []
