"""What is installed is complete, agrees with itself, and runs. Nothing here needs root or a booted systemd."""

import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("LEAT_BINARY", ROOT / "build/release/leat"))


def needs(command):
    return pytest.mark.skipif(shutil.which(command) is None, reason=f"no {command} here")


def install(dest, prefix="/usr", **environment):
    subprocess.run(
        ["scripts/install", str(dest), prefix, str(BINARY)], cwd=ROOT, check=True, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    dest = tmp_path_factory.mktemp("installed")
    install(dest)
    return dest


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def unit_settings(unit):
    """Key to the list of its values; the names of sections do not matter here."""
    settings = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            settings.setdefault(key, []).append(value)
    return settings


def test_everything_has_its_place_and_nobody_else_may_write_it(installed):
    files = {f"/{path.relative_to(installed)}": path for path in installed.rglob("*") if path.is_file()}
    for wanted in (
        "/usr/sbin/leat",
        "/usr/lib/systemd/system/leat.service",
        "/usr/lib/sysusers.d/leat.conf",
        "/usr/lib/tmpfiles.d/leat.conf",
        "/usr/share/man/man8/leat.8",
        "/usr/share/man/man5/leat.yaml.5",
        "/usr/share/man/man3/leat.h.3",
        "/usr/share/bash-completion/completions/leat",
        "/usr/share/zsh/site-functions/_leat",
        "/usr/share/fish/vendor_completions.d/leat.fish",
        "/usr/share/doc/leat/examples/leat.socket",
        "/etc/leat/leat.yaml",
        "/etc/logrotate.d/leat",
        "/usr/include/leat.h",
        "/usr/share/pkgconfig/leat.pc",
        "/usr/share/doc/leat/examples/modules/hello.c",
        "/usr/share/doc/leat/examples/modules/hello.yaml",
        "/usr/share/doc/leat/examples/README.md",
        "/usr/share/doc/leat/examples/gpu.yaml",
        "/usr/share/doc/leat/examples/blur.cl",
        "/usr/share/doc/leat/examples/www/index.html",
        "/usr/share/doc/leat/examples/leat.service.d/gpu.conf",
    ):
        assert wanted in files
    for name, path in files.items():
        assert path.stat().st_mode & 0o777 == (0o755 if name == "/usr/sbin/leat" else 0o644), name
    assert (installed / "etc/leat/conf.d").is_dir()


def test_a_configuration_that_is_there_stays_as_it_is(tmp_path):
    mine = tmp_path / "etc/leat/leat.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("listen: [127.0.0.1:1]\n")
    install(tmp_path)
    assert mine.read_text() == "listen: [127.0.0.1:1]\n"


def test_another_prefix_reaches_the_unit(tmp_path):
    install(tmp_path, "/opt/leat")
    unit = unit_settings(tmp_path / "opt/leat/lib/systemd/system/leat.service")
    assert unit["ExecStart"] == ["/opt/leat/sbin/leat run"]
    assert unit["ExecReload"] == ["/opt/leat/sbin/leat reload"]
    assert (tmp_path / "opt/leat/sbin/leat").exists()


def test_the_installed_program_accepts_the_installed_configuration(installed):
    command = [installed / "usr/sbin/leat", "check", "--strict", "-c", installed / "etc/leat/leat.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_installed_tour_is_accepted(installed):
    tour = installed / "usr/share/doc/leat/examples/leat.yaml"
    if not tour.exists():
        pytest.skip("there is no tour yet")
    done = subprocess.run([installed / "usr/sbin/leat", "check", "-c", tour], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs("pkg-config")
@needs("cc")
def test_a_module_is_built_by_what_is_installed_alone(installed, tmp_path):
    examples = installed / "usr/share/doc/leat/examples/modules"
    env = {**os.environ, "PKG_CONFIG_PATH": str(installed / "usr/share/pkgconfig"),
           "PKG_CONFIG_SYSROOT_DIR": str(installed)}
    flags = subprocess.run(["pkg-config", "--cflags", "leat"], env={**env, "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"},
                           check=True, capture_output=True, text=True).stdout.split()
    assert flags == [f"-I{installed}/usr/include"]
    for name in ("hello", "matrix"):
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", *flags,
                        "-o", tmp_path / f"{name}.so", examples / f"{name}.c"], check=True)
        (tmp_path / f"{name}.yaml").write_text((examples / f"{name}.yaml").read_text())
        if os.environ.get("LEAT_FLAVOR", "release") == "release":
            subprocess.run([installed / "usr/sbin/leat", "check", "-c", tmp_path / f"{name}.yaml"], check=True)


def test_what_is_installed_serves_tells_systemd_and_reloads(installed, tmp_path):
    """The packaged configuration, with only its addresses moved to where a test may listen."""
    port = free_port()
    admin = tmp_path / "admin.sock"
    conf = tmp_path / "leat.yaml"
    text = (installed / "etc/leat/leat.yaml").read_text()
    conf.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/run/leat/admin.sock", str(admin)))
    leat = installed / "usr/sbin/leat"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20)
        daemon = subprocess.Popen([leat, "run", "-c", conf], env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
        try:
            while b"READY=1" not in (state := notify.recv(4096)):
                assert b"FDSTORE=1" in state
            conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            conn.request("GET", "/")
            answer = conn.getresponse()
            assert answer.status == 200
            assert b"leat works" in answer.read()
            conn.close()
            assert admin.stat().st_mode & 0o007 == 0

            assert subprocess.run([leat, "reload", "-c", conf]).returncode == 0
            assert b"RELOADING=1" in notify.recv(4096)
            assert b"READY=1" in notify.recv(4096)

            conf.write_text(conf.read_text() + "nonsense: 1\n")
            refused = subprocess.run([leat, "reload", "-c", conf], capture_output=True, text=True)
            assert refused.returncode == 1
            assert 'unknown key "nonsense"' in refused.stderr
            assert b"RELOADING=1" in notify.recv(4096)
            state = notify.recv(4096)
            assert b"READY=1" in state and b"STATUS=reload refused, generation 2 goes on" in state

            daemon.terminate()
            assert b"STOPPING=1" in notify.recv(4096)
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()
            daemon.wait()


def test_an_access_log_that_cannot_be_opened_is_an_error_with_its_place(tmp_path):
    conf = tmp_path / "leat.yaml"
    conf.write_text(
        f"listen: [127.0.0.1:{free_port()}]\nadmin: {{ listen: off }}\n"
        f"log: {{ access: {tmp_path}/missing/access.log }}\nroutes: {{ GET /: {{ reply: x }} }}\n"
    )
    done = subprocess.run([BINARY, "run", "-c", conf], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"{conf}:3:16: error: cannot open the access log" in done.stderr


@needs("systemd-analyze")
def test_the_sandbox_is_as_tight_as_was_promised():
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=16", "packaging/leat.service"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_gives_the_daemon_the_time_that_it_asks_for():
    unit = unit_settings(ROOT / "packaging/leat.service")
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["on-failure"]
    assert int(unit["TimeoutStopSec"][0].rstrip("s")) > 30  # timeouts.shutdown
    assert int(unit["WatchdogSec"][0].rstrip("s")) > 0


@needs("systemd-sysusers")
def test_the_user_is_made(installed, tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    shutil.copytree(installed / "usr/lib/sysusers.d", root / "usr/lib/sysusers.d")
    done = subprocess.run(["systemd-sysusers", f"--root={root}", "leat.conf"], capture_output=True, text=True)
    if done.returncode != 0 and os.geteuid() != 0:
        pytest.skip("systemd-sysusers wants root here")
    assert done.returncode == 0, done.stderr
    line = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("leat:"))
    assert line.split(":")[5] == "/var/lib/leat"
    assert line.split(":")[6].endswith("nologin")


@needs("logrotate")
def test_the_rotation_of_the_log_is_understood(installed):
    done = subprocess.run(
        ["logrotate", "--debug", installed / "etc/logrotate.d/leat"], capture_output=True, text=True
    )
    if "unknown user" in done.stderr:
        pytest.skip("there is no user leat here")
    assert "error:" not in done.stderr


def test_every_place_that_names_the_version_names_the_same():
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert (ROOT / "packaging/debian/changelog").read_text().startswith(f"leat ({version}-")
    assert f"\nVersion:        {version}\n" in (ROOT / "packaging/rpm/leat.spec").read_text()


def test_the_manual_names_every_command(installed):
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True).stdout
    commands = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.strip()[0].isalpha()]
    manual = (installed / "usr/share/man/man8/leat.8").read_text()
    assert "run" in commands and "jobs" in commands
    for command in commands:
        assert any(
            line.startswith(".B") and command in line.replace('"', " ").split() for line in manual.splitlines()
        ), command


def test_the_manual_of_the_header_has_all_of_it(installed):
    with open(ROOT / "core/leat.h", encoding="utf-8") as file:
        header = file.read()
    page = (installed / "usr/share/man/man3/leat.h.3").read_text()
    functions = re.findall(r"\(\*(\w+)\)\(", header)
    assert len(functions) > 50
    for name in functions:
        assert f"(*{name})" in page, name
    assert ".SH DESCRIPTION" in page and "long:" not in page
    man = shutil.which("man")
    if man:
        done = subprocess.run([man, "--warnings", "-l", installed / "usr/share/man/man3/leat.h.3"], capture_output=True, timeout=60,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}, check=False)
        assert done.stderr == b"" and done.returncode == 0, done.stderr.decode()


# ------------------------------------------------------------------ what shells complete

def completed(installed, *words):
    """What bash offers for the last of the words behind leat."""
    script = installed / "usr/share/bash-completion/completions/leat"
    line = " ".join(f"'{word}'" for word in ("leat", *words))
    done = subprocess.run(["bash", "-c", f'. "{script}"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _leat; printf "%s\\n" "${{COMPREPLY[@]}}"'],
                          capture_output=True, timeout=60, check=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def commands(installed):
    text = subprocess.run([installed / "usr/sbin/leat", "--help"], capture_output=True, timeout=60, check=True, text=True).stdout
    return re.findall(r"^  ([a-z]+) ", text, re.M)


def test_bash_completes_commands_and_their_words(installed):
    assert set(completed(installed, "")) == {*commands(installed), "--help", "--version", "-c", "--admin"}
    assert completed(installed, "rel") == ["reload"]
    assert completed(installed, "check", "--s") == ["--strict"]
    assert completed(installed, "-c", "x.yaml", "jobs", "h") == ["history"]
    assert set(completed(installed, "log", "")) == {"error", "warning", "info", "debug", "--json", "-c", "--admin"}
    assert "/etc/passwd" in completed(installed, "check", "-c", "/etc/pass")
    assert completed(installed, "--admin", "") == []


@pytest.mark.parametrize("shell,path", [("zsh", "zsh/site-functions/_leat"), ("fish", "fish/vendor_completions.d/leat.fish")])
def test_other_shells_have_every_command_too(installed, shell, path):
    script = installed / "usr/share" / path
    for name in commands(installed):
        assert re.search(rf"\b{name}\b", script.read_text()), name
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here to read it")
    assert subprocess.run([shell, "-n", script], timeout=60, check=False).returncode == 0


def test_a_shell_that_is_not_known_is_refused(installed):
    done = subprocess.run([installed / "usr/sbin/leat", "completion", "csh"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 2 and b"bash, zsh or fish" in done.stderr
