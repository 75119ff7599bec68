"""tests/e2e/test_examples.py: conf/examples: each is right, and does what its first lines say."""
import glob
import os
import re
import socket
import subprocess

import pytest

from leat import SLOW, Daemon, cli

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "examples")
NAMES = sorted(os.path.basename(path) for path in glob.glob(f"{FOLDER}/*.yaml")
               if not os.path.exists(path[:-len("yaml")] + "c"))  # those with a module: test_modules.py


def others():
    """What the examples name: file name to content."""
    files = {}
    for path in glob.glob(f"{FOLDER}/**", recursive=True):
        if os.path.isfile(path) and not path.endswith((".yaml", ".c", ".md")):
            with open(path, "rb") as file:
                files[os.path.relpath(path, FOLDER)] = file.read()
    return files


def with_ports(text):
    """The same with ports of the kernel's instead of those that it names; where they are all the same, so are these."""
    ports, probes = sorted(set(re.findall(r"(?<=[:=])(?:8080|8443|9001)\b|(?<=port: )8443", text))), []
    for port in ports:
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        probes.append(probe)
        text = re.sub(rf"\b{port}\b", str(probe.getsockname()[1]), text)
    for probe in probes:
        probe.close()
    return text


def tries(text):
    """The comment before the first key: lines that begin with "$", each with the lines that it answers."""
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        line = line[1:].removeprefix(" ")
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and line.strip():
            found[-1][1].append(line)
        elif found:
            found.append((None, []))  # behind a blank line it is prose again
    return [(command, answer) for command, answer in found if command]


def needs(name, text):
    if os.environ.get(f"WITH_{name[:-5].upper()}") == "no":
        pytest.skip("built without it")
    if name == "gpu.yaml" and not glob.glob("/etc/OpenCL/vendors/*pocl*"):
        pytest.skip("install the package pocl-opencl-icd")
    return text


@pytest.mark.parametrize("name", NAMES)
def test_an_example_does_what_its_first_lines_say(stage, name, tmp_path):
    with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
        text = needs(name, with_ports(file.read()))
    daemon = Daemon(text, start=False, files=others(), env={"POCL_CACHE_DIR": str(tmp_path)})
    daemon.write_conf(text, whole=True)
    found = tries(text)
    assert len(found) >= 2

    def run(command):
        done = subprocess.run(["bash", "-c", command], cwd=daemon.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60 * SLOW, check=False)
        return done.stdout.decode().rstrip()
    while found[0][0].startswith("openssl "):
        assert run(found.pop(0)[0]) == ""
    done = cli("check", "--strict", "-c", daemon.path)
    assert done.returncode == 0 and "warning" not in done.err, done.err
    stage.daemons.append(daemon)
    daemon.start()
    for command, answer in found:
        want = "\n".join(answer)
        got = run(command)
        pattern = ".*".join(re.escape(part) for part in want.split("…"))
        assert re.fullmatch(pattern, got, re.S), f"$ {command}\n{got}\n\nshould be\n{want}\n\n{daemon.stderr}"


def test_the_index_names_each_example():
    with open(f"{FOLDER}/README.md", encoding="utf-8") as file:
        index = file.read()
    assert [name for name in NAMES if f"[{name}]({name})" not in index] == []
    assert len(NAMES) >= 8
