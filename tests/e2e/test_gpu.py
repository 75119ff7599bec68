"""tests/e2e/test_gpu.py: kernels of OpenCL as tasks, on PoCL's device, which is the CPU."""
import glob
import json
import os
import shutil
import signal
import tempfile
import threading

import pytest

from leat import SLOW, await_true, check, cli

if os.environ.get("WITH_GPU") == "no":
    pytest.skip("built without gpu: see test_compute.py", allow_module_level=True)
if not glob.glob("/etc/OpenCL/vendors/*pocl*"):
    pytest.skip("install the package pocl-opencl-icd", allow_module_level=True)

# what was compiled is kept for all of these tests, so that each kernel costs a second once
CACHE = tempfile.mkdtemp(prefix="leat-pocl-")
ENV = {"POCL_CACHE_DIR": CACHE}

KERNELS = """
__kernel void saxpy(float a, __global const float *x, __global float *y)
{
	size_t i = get_global_id(0);

	y[i] = a * x[i] + y[i];
}

__kernel void matmul(uint n, __global const double *a, __global const double *b, __global double *c)
{
	size_t row = get_global_id(1), col = get_global_id(0);
	double sum = 0;

	for (uint k = 0; k < n; k++)
		sum += a[row * n + k] * b[k * n + col];
	c[row * n + col] = sum;
}

__kernel void table(__constant int *weights, __global uchar *text)
{
	text[get_global_id(0)] += weights[get_global_id(0) % 2];
}

__kernel void vectors(float4 add, __global float4 *v, __global int *seen)
{
	v[get_global_id(0)] += add;
	seen[get_global_id(0)] = (int)get_global_id(0);
}

__kernel void sums(__global const int *x, __local int *partial, __global int *out)
{
	size_t i = get_local_id(0);

	partial[i] = x[get_global_id(0)];
	barrier(CLK_LOCAL_MEM_FENCE);
	for (size_t n = get_local_size(0) / 2; n > 0; n /= 2) {
		if (i < n)
			partial[i] += partial[i + n];
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	if (i == 0)
		out[get_group_id(0)] = partial[0];
}

__kernel void big(ulong u, long s, __global ulong *out, __global long *sout)
{
	out[get_global_id(0)] = u;
	sout[get_global_id(0)] = s;
}

__kernel void odd(__global float *x)
{
	x[0] = INFINITY;
	x[1] = NAN;
}

__kernel void divide(int by, __global int *x)
{
	x[get_global_id(0)] /= by;
}

__kernel void spin(uint millions, __global uint *x)
{
	volatile uint n = 0;

	for (uint i = 0; i < millions; i++)
		for (uint j = 0; j < 1000000; j++)
			n++;
	x[get_global_id(0)] = n;
}
"""

CONF = """
listen: 127.0.0.1:0
server: { threads: 2, compute_threads: 2 }
timeouts: { route: 120s, shutdown: 60s }
limits: { body: 4m, memory: 64m }
gpu: { running: 2, waiting: 2, max_size: 100000, memory: 8m }
routes:
  GET /hello: { reply: hello }
  POST /saxpy:
    body: { type: json }
    tasks: { y: { gpu: k.cl, function: saxpy, args: ["${body.a}", "${body.x}", "${body.y}"], size: "${body.n ?? len(body.x)}" } }
    reply: { json: "${y}" }
    on_error: { invalid_input: { status: 400, text: "${error.detail}" } }
  POST /default:
    body: { type: json }
    tasks: { y: { gpu: k.cl, function: saxpy, args: [2, "${body}", "${body}"] } }
    reply: { json: "${y}" }
  POST /matmul:
    body: { type: json }
    tasks:
      c: { gpu: k.cl, function: matmul, args: ["${body.n}", "${body.a}", "${body.b}", { elements: "${body.n * body.n}" }], size: ["${body.n}", "${body.n}"] }
    reply: { json: "${c}" }
  POST /table:
    body: { type: any }
    tasks: { t: { gpu: k.cl, function: table, args: [[1, -1], "${body}"], output: bytes } }
    reply: { headers: { Content-Type: application/octet-stream }, body: "${t}" }
  POST /vectors:
    body: { type: json }
    tasks:
      v: { gpu: k.cl, function: vectors, args: [[1, 2, 3, 4], "${body}", { elements: 2 }], size: 2 }
      only: { gpu: k.cl, function: vectors, args: [[1, 2, 3, 4], "${body}", { elements: 2 }], size: 2, returns: seen }
    reply: { json: { v: "${v}", only: "${only}" } }
  POST /sums:
    body: { type: json }
    tasks:
      s: { gpu: k.cl, function: sums, args: ["${body}", { elements: 8 }, { elements: "${len(body) / 8}" }], local: 8, size: "${len(body)}", bounds: kernel }
    reply: { json: "${s}" }
    on_error: { invalid_input: { status: 400, text: "${error.detail}" } }
  GET /big:
    tasks: { b: { gpu: k.cl, function: big, args: [18446744073709551615, -9223372036854775808, { elements: 1 }, { elements: 1 }], size: 1 } }
    reply: { json: "${b}" }
  GET /odd:
    tasks: { b: { gpu: k.cl, function: odd, args: [[1, 2, 3]], size: 1 } }
    reply: { json: "${b}" }
  GET /elements/{n}:
    tasks: { b: { gpu: k.cl, function: odd, args: [{ elements: "${number(path.n)}" }], size: 1 } }
    reply: { json: "${b}" }
  GET /divide/{by}:
    tasks: { d: { gpu: k.cl, function: divide, args: ["${number(path.by)}", [7, 8]] } }
    reply: { json: "${d}" }
  GET /spin/{n}:
    tasks: { s: { gpu: k.cl, function: spin, args: ["${number(path.n)}", { elements: 1 }], size: 1 } }
    reply: { json: "${s}" }
  GET /impatient/{n}:
    tasks: { s: { gpu: k.cl, function: spin, timeout: 300ms, args: ["${number(path.n)}", { elements: 1 }], size: 1 } }
    reply: { json: "${s}" }
  GET /programs:
    tasks: { e: { exec: [ls, -l, /proc/self/fd] } }
    reply: "${e.text}"
"""

LONG = 1500  # millions of rounds: longer than any deadline here, and not for ever


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF, files={"k.cl": KERNELS}, env=ENV)


def leave_kernel(daemon, millions=LONG):
    """A kernel that runs on, though its task has ended by its deadline: also where that passed before it began."""
    daemon.get("/spin/0")  # compiled from now on

    def left():
        assert daemon.get(f"/impatient/{millions}").status in (504, 503)
        return gpu(daemon)["left"] == 1
    await_true(left, 30)


def post(daemon, path, value, status=200):
    answer = daemon.post(path, json.dumps(value), headers={"Content-Type": "application/json"})
    assert answer.status == status, answer
    return answer


def gpu(daemon):
    return daemon.status()["gpu"][0]


# ------------------------------------------------------------------ values in and out

def test_a_kernel_computes_with_numbers_and_arrays(daemon):
    assert post(daemon, "/saxpy", {"a": 2, "x": [1, 2, 3.5], "y": [0.1, 0.2, 1e30]}).json() == [2.1, 4.2, 1e30]
    many = list(range(10000))
    assert post(daemon, "/saxpy", {"a": 3, "x": many, "y": many}).json() == [4 * n for n in many]
    assert post(daemon, "/saxpy", {"a": 3, "x": [], "y": [5]}).json() == [5]


def test_without_a_size_there_is_a_work_item_for_each_element_of_the_first_array(daemon):
    assert post(daemon, "/default", [1, 2, 3]).json() == [3, 6, 9]


def test_two_dimensions_and_lists_of_lists(daemon):
    body = {"n": 2, "a": [[1, 2], [3, 4]], "b": [[0.5, 0], [0, 0.25]]}
    assert post(daemon, "/matmul", body).json() == [0.5, 0.5, 1.5, 1]


def test_bytes_go_in_and_come_out_as_they_are(daemon):
    answer = daemon.post("/table", b"HAL\x00\xff", headers={"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.body) == (200, b"I@M\xff\x00")


def test_vectors_and_several_results_by_name(daemon):
    answer = post(daemon, "/vectors", [0, 0, 0, 0, 10, 10, 10, 10]).json()
    assert answer["v"] == {"v": [1, 2, 3, 4, 11, 12, 13, 14], "seen": [0, 1]}
    assert answer["only"] == [0, 1]


def test_memory_of_work_groups(daemon):
    assert post(daemon, "/sums", list(range(32))).json() == [28, 92, 156, 220]
    assert "no multiple" in post(daemon, "/sums", list(range(33)), 400).text


def test_integers_of_64_bits_are_exact(daemon):
    assert daemon.get("/big").text == '{"out":[18446744073709551615],"sout":[-9223372036854775808]}'


def test_what_is_no_number_is_null(daemon):
    assert daemon.get("/odd").text == "[null,null,3]"


# ------------------------------------------------------------------ what clients send

@pytest.mark.parametrize("body, detail", [
    ({"a": 2, "x": [1, 2], "y": [1]}, "y has 1 elements for 2 work items"),
    ({"a": 2, "x": [1, 2], "y": [1, 2], "n": 3}, "x has 2 elements for 3 work items"),
    ({"a": 2, "x": [1], "y": [1], "n": 10**18}, "more than 100000 work items"),
    ({"a": 2, "x": [1], "y": [1], "n": -1}, "size is a whole number"),
    ({"a": 2, "x": [1], "y": [1], "n": 1.5}, "size is a whole number"),
    ({"a": 2, "x": [1], "y": [1], "n": [1, 1, 1, 1]}, "size is one to three numbers"),
    ({"a": 2, "x": [1], "y": [1], "n": [2**33, 2**33]}, "more than 100000 work items"),
    ({"a": "2", "x": [1], "y": [1]}, "a takes a number for float"),
    ({"a": 1e300, "x": [1], "y": [1]}, "does not fit in float"),
    ({"a": 2, "x": [1, "b"], "y": [1, 2]}, "element 1 of x is not a number"),
    ({"a": 2, "x": [1, None], "y": [1, 2]}, "element 1 of x is not a number"),
    ({"a": 2, "x": [1, 1e300], "y": [1, 2]}, "number 1 of x does not fit"),
    ({"a": 2, "x": [1], "y": {"z": 1}}, "y wants a list of numbers, or bytes, not object"),
    ({"a": 2, "x": [1], "y": "abc"}, "y is no whole number of float: 3 bytes"),
])
def test_what_does_not_fit_the_kernel_is_invalid_input_and_never_reaches_it(daemon, body, detail):
    assert detail in post(daemon, "/saxpy", body, 400).text


def test_an_array_past_the_memory_of_all_tasks_is_refused(daemon):
    answer = daemon.get(f"/elements/{3 * 10**6}")
    assert (answer.status, answer.json()["code"]) == (500, "memory_limit")
    assert daemon.get(f"/elements/{10**18}").json()["code"] == "memory_limit"
    assert daemon.get("/elements/2").text == "[null,null]"
    await_true(lambda: gpu(daemon)["memory"] == 0)


# ------------------------------------------------------------------ time

def test_a_task_past_its_deadline_ends_at_once_and_its_kernel_is_left_to_end(daemon):
    leave_kernel(daemon)
    state = gpu(daemon)
    assert (state["running"], state["left"]) == (1, 1), state
    assert daemon.get("/hello").text == "hello"
    # half of what may run is stuck: the rest is not queued up behind it
    answer = daemon.get("/spin/0")
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    await_true(lambda: gpu(daemon)["left"] == 0, 60)
    assert (gpu(daemon)["running"], gpu(daemon)["memory"]) == (0, 0)
    assert daemon.get("/spin/0").json() == [0]


def test_a_client_that_leaves_leaves_its_kernel_behind(daemon):
    client = daemon.connect()
    client.send(f"GET /spin/{LONG} HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: gpu(daemon)["running"] == 1)
    client.reset()
    await_true(lambda: gpu(daemon)["left"] == 1)
    await_true(lambda: gpu(daemon)["left"] == 0, 60)
    assert daemon.get("/spin/0").json() == [0]


def test_past_what_may_run_and_wait_it_is_503(daemon):
    daemon.get("/spin/0")
    for longer in (2, 4, 8, 16, 32):  # until they last long enough for this machine
        clients = [daemon.connect(timeout=120 * SLOW) for _ in range(4)]
        for client in clients[:2]:
            client.send(f"GET /spin/{longer * LONG} HTTP/1.1\r\nHost: x\r\n\r\n")
        await_true(lambda: gpu(daemon)["running"] > 0)
        for client in clients[2:]:  # these wait
            client.send("GET /spin/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = daemon.get("/impatient/0")
        while answer.status == 504 and gpu(daemon)["running"] == 2:  # the others were not there yet
            answer = daemon.get("/impatient/0")
        assert daemon.get("/hello").text == "hello"
        statuses = [client.response().status for client in clients]
        if answer.status == 503:
            break
    assert (answer.status, answer.json()["code"]) == (503, "queue_full")
    assert statuses[:2] == [200, 200] and set(statuses[2:]) <= {200, 503}


def test_many_at_once_are_each_their_own(daemon):
    wrong = []

    def many(k):
        for i in range(30):
            n = 50 + (k * 31 + i) % 7
            answer = daemon.post("/saxpy", json.dumps({"a": k, "x": [i] * n, "y": [k] * n}),
                                 headers={"Content-Type": "application/json"})
            if answer.status == 200 and answer.json() != [k * i + k] * n:
                wrong.append(answer)
            elif answer.status not in (200, 503):
                wrong.append(answer)
    threads = [threading.Thread(target=many, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


# ------------------------------------------------------------------ the process

def test_a_shutdown_waits_for_a_kernel_that_nobody_waits_for(leat):
    daemon = leat(CONF, files={"k.cl": KERNELS}, env=ENV)
    leave_kernel(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(90) == 0


def test_a_shutdown_does_not_wait_for_ever(leat):
    daemon = leat(CONF.replace("shutdown: 60s", "shutdown: 100ms"), files={"k.cl": KERNELS}, env=ENV)
    leave_kernel(daemon, 4000000)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("shutdown not clean")
    assert daemon.wait() == 1
    daemon.code = 0  # as this test wants it


def test_a_reload_keeps_what_is_on_the_device_and_takes_new_kernels(leat):
    daemon = leat(CONF, files={"k.cl": KERNELS}, env=ENV)
    assert post(daemon, "/default", [1]).json() == [3]
    leave_kernel(daemon)
    daemon.write("k.cl", KERNELS.replace("a * x[i] + y[i]", "a * x[i] - y[i]"))
    assert daemon.reload().returncode == 0
    await_true(lambda: gpu(daemon)["left"] == 0, 60)
    assert post(daemon, "/default", [1]).json() == [1]
    await_true(lambda: daemon.status()["generations_in_use"] == 1)
    daemon.write("k.cl", KERNELS.replace("float4 add", "float5 add"))
    done = daemon.reload()
    assert done.returncode == 1 and "k.cl:24:" in done.err and "float5" in done.err, done.err
    assert post(daemon, "/default", [1]).json() == [1]
    assert daemon.reload("routes: { GET /: { reply: none } }\n").returncode == 0
    await_true(lambda: daemon.status()["gpu"] == [])


def test_a_driver_is_loaded_only_when_a_configuration_names_gpu(leat):
    def loaded(daemon):
        with open(f"/proc/{daemon.pid}/maps", encoding="ascii") as file:
            return "pocl" in file.read()
    daemon = leat("routes: { GET /: { reply: none } }\n", env=ENV)
    assert not loaded(daemon)
    daemon.write("k.cl", KERNELS)
    assert daemon.reload(CONF).returncode == 0
    assert loaded(daemon)
    assert post(daemon, "/default", [1]).json() == [3]


def test_a_division_by_zero_in_a_kernel_ends_nothing(daemon):
    assert daemon.get("/divide/2").json() == [3, 4]
    assert daemon.get("/divide/0").status == 200
    assert daemon.get("/divide/2").json() == [3, 4]


def test_what_signals_do_is_what_it_was_without_a_driver(leat):
    def dispositions(daemon):
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
            state = dict(line.split(":\t", 1) for line in file.read().splitlines())
        faults = sum(1 << (number - 1) for number in
                     (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS))
        return int(state["SigIgn"], 16) & ~faults, int(state["SigCgt"], 16) & ~faults, state["SigBlk"]
    daemon = leat("routes: { GET /: { reply: none } }\n", env=ENV)
    before = dispositions(daemon)
    daemon.write("k.cl", KERNELS)
    assert daemon.reload(CONF).returncode == 0
    assert post(daemon, "/default", [1]).json() == [3]
    assert dispositions(daemon) == before


def test_no_descriptor_of_the_driver_leaks_into_programs(daemon):
    assert "pocl" not in daemon.get("/programs").text
    assert len([line for line in daemon.get("/programs").text.splitlines() if "->" in line]) == 4  # and ls's own


def test_the_metrics_tell_of_the_device(daemon):
    text = daemon.admin("GET", "/metrics").text
    assert " left behind, " in daemon.cli("status").out
    assert 'leat_gpu_done_total{device="' in text and 'leat_gpu_running{device="' in text


# ------------------------------------------------------------------ what load finds

def check_task(task, kernels=KERNELS, top="", env=None):
    return check(f"{top}routes:\n  POST /x:\n    body: {{ type: json }}\n    tasks:\n      t: {task}\n",
                 files={"k.cl": kernels}, env={**ENV, **(env or {})})


@pytest.mark.parametrize("task, message", [
    ("{ gpu: k.cl, function: saxpi }", 'there is no kernel "saxpi" in k.cl; did you mean "saxpy"?'),
    ("{ gpu: k.cl }", "k.cl has several kernels; say which one by `function`: saxpy, matmul"),
    ("{ gpu: none.cl }", 'none.cl": No such file'),
    ("{ gpu: '${body.x}' }", "`gpu` takes a file of kernels"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1]] }", "saxpy takes 3 arguments, not 2: saxpy(float a, float* x, float* y)"),
    ("{ gpu: k.cl, function: saxpy }", "saxpy takes 3 arguments, not 0"),
    ("{ gpu: k.cl, function: saxpy, args: [a, [1], [1]] }", "a takes a number for float"),
    ("{ gpu: k.cl, function: saxpy, args: [[1], [1], [1]] }", "a takes a number for float"),
    ("{ gpu: k.cl, function: saxpy, args: [1, 5, [1]] }", "x is float*: write a list of numbers that fit"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [x], [1]] }", "x is float*: write a list of numbers that fit"),
    ("{ gpu: k.cl, function: saxpy, args: [1, { n: 5 }, [1]] }", "write a list of numbers, or {elements: n}"),
    ("{ gpu: k.cl, function: saxpy, args: [1, { elements: x }, [1]] }", "`elements` is a number"),
    ("{ gpu: k.cl, function: saxpy, args: [1, '${secret.x}', [1]] }", "secret"),
    ("{ gpu: k.cl, function: sums, args: [[1], 8, { elements: 1 }] }", "memory of a work group; write {elements: n}"),
    ("{ gpu: k.cl, function: table, args: [[1, 2147483648], [1]] }", "weights is int*: write a list of numbers that fit"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], size: 0 }", "`size` is one to three numbers, 1 or more"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], size: [1, 1, 1, 1] }", "`size` is one to three numbers"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], size: [65536, 65536] }", "more work items than `max_size`"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], size: 10, local: 4 }", "`size` is a multiple of the work group"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], size: 10, local: [2, 2] }", "`size` has as many numbers as the work group"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], local: 1000000 }", "too large for the device"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], local: 0 }", "`local` is one to three numbers"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], returns: x }", '"x" is no array that the kernel can write'),
    ("{ gpu: k.cl, function: vectors, args: [[1, 2, 3, 4], [1], [1]], output: bytes }", "the bytes of one array can be the result, not of 2"),
    ("{ gpu: k.cl, function: vectors, args: [[1, 2, 3], [1], [1]] }", "add takes a list of 4 numbers for float4"),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], device: teapot }", 'no device has "teapot" in its name; there is "'),
    ("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]], queue: none }", 'there is no compute queue "none"'),
])
def test_wrong_tasks_are_load_errors(task, message):
    code, out = check_task(task)
    assert code == 1 and message in out, out


def test_a_device_is_chosen_by_part_of_its_name():
    task = "{ gpu: k.cl, function: saxpy, args: [1, [1], [1]]%s }"
    assert check_task(task % ", device: PTHREAD")[0] == 0
    assert check_task(task % "", top="gpu: { device: portable }\n")[0] == 0
    code, out = check_task(task % "", top="gpu: { device: teapot }\n")
    assert code == 1 and "leat.yaml:1:16: error: no device has \"teapot\"" in out, out


def test_what_the_compiler_says_stands_in_the_file_of_kernels():
    code, out = check_task("{ gpu: k.cl, args: [[1]] }", "__kernel void f(__global int *x)\n{\n\tx[0] = y;\n}\n")
    assert code == 1 and "k.cl:3:9: error: use of undeclared identifier 'y'" in out and "|         ^" in out, out
    code, out = check_task("{ gpu: k.cl, args: [[1]] }", "")
    assert code == 1 and "k.cl" in out, out


def test_arguments_that_no_task_can_give_are_load_errors():
    code, out = check_task("{ gpu: k.cl, args: [[1], 1] }",
                           "typedef struct { int a; } s;\n__kernel void f(__global s *x, sampler_t y)\n{\n}\n")
    assert code == 1 and "x is s*: no task can give that" in out and "y is sampler_t" in out, out


def test_a_kernel_may_say_the_size_of_its_work_groups():
    kernel = "__attribute__((reqd_work_group_size(4, 1, 1))) __kernel void f(__global int *x)\n{\n\tx[get_global_id(0)] = 1;\n}\n"
    code, out = check_task("{ gpu: k.cl, args: [{ elements: 8 }], size: 8 }", kernel)
    assert code == 0, out
    code, out = check_task("{ gpu: k.cl, args: [{ elements: 8 }], size: 6 }", kernel)
    assert code == 1 and "`size` is a multiple of the work group" in out, out
    code, out = check_task("{ gpu: k.cl, args: [{ elements: 8 }], size: 8, local: 2 }", kernel)
    assert code == 1 and "asks for another work group" in out, out


def test_without_any_device_it_is_a_load_error_that_says_so():
    code, out = check_task("{ gpu: k.cl, function: saxpy, args: [1, [1], [1]] }", env={"OCL_ICD_VENDORS": "/nonexistent"})
    assert code == 1 and "there is no OpenCL device here; install a driver" in out, out


def test_the_section_gpu_is_checked():
    code, out = check("gpu: { runing: 2, memory: 1k }\nroutes: {}\n")
    assert code == 1 and 'did you mean "running"?' in out and "memory" in out, out


# ------------------------------------------------------------------ where compiled kernels are kept

def test_compiled_kernels_are_kept_beneath_the_state_directory_or_where_nobody_else_writes(tmp_path):
    bare = {"POCL_CACHE_DIR": None, "HOME": None, "XDG_CACHE_HOME": None}

    def run(more):
        env = {k: v for k, v in {**os.environ, **bare, **more}.items() if v is not None}
        done = cli("check", "-c", "leat.yaml", env=env, cwd=tmp_path)
        return done.returncode, done.out + done.err

    (tmp_path / "k.cl").write_text(KERNELS)
    (tmp_path / "leat.yaml").write_text(
        "routes:\n  GET /x:\n    tasks: { t: { gpu: k.cl, function: saxpy, args: [1, [1], [1]] } }\n")
    state, temporary = tmp_path / "state", tmp_path / "tmp"
    state.mkdir()
    temporary.mkdir()
    code, out = run({"STATE_DIRECTORY": f"{state}:/other"})
    assert code == 0 and (state / "pocl").is_dir(), out
    code, out = run({"TMPDIR": str(temporary)})
    mine = temporary / f"leat-pocl-{os.geteuid()}"
    assert code == 0 and mine.is_dir() and (mine.stat().st_mode & 0o777) == 0o700, out
    mine.chmod(0o777)
    code, out = run({"TMPDIR": str(temporary)})
    assert code == 1 and "is not this user's alone" in out, out


def teardown_module():
    shutil.rmtree(CACHE, ignore_errors=True)
