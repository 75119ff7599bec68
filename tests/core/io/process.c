/* tests/core/io/process.c: programs, from start to reaping. Real ones: /bin/sh and its like. */
#include "core/io/process.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "tests/lib/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT_MAX = 1 << 20 };

static struct loop *loop;
static struct spawner *spawner;
static struct processes processes;
static unsigned n_idle;

struct run {
	struct process process;
	char *out[2];
	size_t len[2];
	size_t leave_at; /* bytes of stdout after which it is left; 0: never */
	bool ended, readable;
};

static void on_output(struct process *process, enum process_output output, struct str bytes)
{
	struct run *run = container_of(process, struct run, process);

	check(run->len[output] + bytes.len <= OUT_MAX);
	memcpy(run->out[output] + run->len[output], bytes.ptr, bytes.len);
	run->len[output] += bytes.len;
	if (run->leave_at && run->len[PROCESS_STDOUT] >= run->leave_at)
		process_leave(process);
	loop_stop(loop); /* whoever awaits something looks again */
}

static void on_end(struct process *process)
{
	struct run *run = container_of(process, struct run, process);

	check(!run->ended);
	run->ended = true;
	loop_stop(loop);
}

static const struct process_ops ops = { .on_output = on_output, .on_end = on_end };

static struct run *run_create(void)
{
	struct run *run = mem_zalloc(sizeof(*run));

	for (int i = 0; i < 2; i++)
		run->out[i] = mem_alloc(OUT_MAX + 1);
	return run;
}

static void run_destroy(struct run *run)
{
	check(run->ended);
	free(run->out[0]);
	free(run->out[1]);
	free(run);
}

static void on_idle(struct processes *of)
{
	is_ptr(of, &processes);
	n_idle++;
}

static void begin(void)
{
	check(loop_create(&loop) == 0);
	spawner = spawner_create();
	processes_init(&processes, loop, spawner, on_idle);
	n_idle = 0;
}

static void end(void)
{
	is_int(processes.n_held, 0);
	spawner_destroy(spawner);
	loop_destroy(loop);
	is_int(waitpid(-1, NULL, WNOHANG), -1); /* all children were reaped */
	is_int(errno, ECHILD);
}

static struct run *start_with(const struct process_spec *spec)
{
	struct run *run = run_create();

	is_int(process_start(&run->process, &processes, spec, &ops), 0);
	return run;
}

static struct run *start(const char *const argv[], struct str input)
{
	static const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	const struct process_spec spec = {
		.path = argv[0], .argv = argv, .envp = envp, .input = input, .kill_after_ms = 20000
	};

	return start_with(&spec);
}

static struct run *start_script(const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	return start(argv, STR_NONE);
}

static void await_end(struct run *run)
{
	while (!run->ended)
		loop_run(loop);
}

static void await_output(struct run *run, size_t size)
{
	while (run->len[PROCESS_STDOUT] < size)
		loop_run(loop);
}

static struct str out(const struct run *run, enum process_output output)
{
	return (struct str){ run->out[output], run->len[output] };
}

/* ------------------------------------------------------------ */

static void outputs_come_apart_and_the_status_is_told(void)
{
	struct run *run;

	begin();
	run = start_script("echo to stdout; echo to stderr >&2; exit 7");
	await_end(run);
	is_int(run->process.error, 0);
	is_int(run->process.exit.status, 7);
	is_int(run->process.exit.signal, 0);
	is_str(out(run, PROCESS_STDOUT), STR("to stdout\n"));
	is_str(out(run, PROCESS_STDERR), STR("to stderr\n"));
	is_int(n_idle, 1);
	run_destroy(run);
	end();
}

static void a_signal_that_ended_it_is_told(void)
{
	struct run *run;

	begin();
	run = start_script("kill -USR2 $$");
	await_end(run);
	is_int(run->process.exit.status, -1);
	is_int(run->process.exit.signal, SIGUSR2);
	run_destroy(run);
	end();
}

static void a_program_that_is_not_there_is_an_error(void)
{
	const char *const argv[] = { "/no/such/program", NULL };
	struct run *run;

	begin();
	run = start(argv, STR("input that nobody reads"));
	await_end(run);
	is_int(run->process.error, -ENOENT);
	run_destroy(run);
	end();
}

static void its_arguments_environment_and_folder_are_what_was_said(void)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",        "printf '<%s>' \"$0\" \"$@\"; pwd; /usr/bin/env | sort",
		"a b",     "c\"d'\n$e", "",
		NULL
	};
	static const char *const envp[] = { "X=1 2", "EMPTY=", NULL };
	const struct process_spec spec = {
		.path = argv[0], .argv = argv, .envp = envp, .cwd = "/usr", .kill_after_ms = 1000
	};
	struct run *run;

	begin();
	run = start_with(&spec);
	await_end(run);
	is_str(out(run, PROCESS_STDOUT), STR("<a b><c\"d'\n$e><>/usr\nEMPTY=\nPWD=/usr\nX=1 2\n"));
	run_destroy(run);
	end();
}

static void a_mebibyte_goes_in_and_comes_out(void)
{
	static const char *const argv[] = { "/bin/cat", NULL };
	char *bytes = mem_alloc(OUT_MAX);
	struct run *run;

	begin();
	for (size_t i = 0; i < OUT_MAX; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	run = start(argv, (struct str){ bytes, OUT_MAX });
	await_end(run);
	is_int(run->len[PROCESS_STDOUT], OUT_MAX);
	is_true(memcmp(bytes, run->out[PROCESS_STDOUT], OUT_MAX) == 0);
	is_int(run->process.exit.status, 0);
	run_destroy(run);
	free(bytes);
	end();
}

static void a_program_need_not_read_its_input(void)
{
	static const char *const argv[] = { "/bin/true", NULL };
	char *bytes = mem_zalloc(OUT_MAX);
	struct run *run;

	begin();
	run = start(argv, (struct str){ bytes, OUT_MAX });
	await_end(run);
	is_int(run->process.exit.status, 0);
	run_destroy(run);
	free(bytes);
	end();
}

static void without_input_it_reads_the_end_at_once(void)
{
	struct run *run;

	begin();
	run = start_script("cat; readlink /proc/self/fd/0");
	await_end(run);
	is_str(out(run, PROCESS_STDOUT), STR("/dev/null\n"));
	run_destroy(run);
	end();
}

/* Of everything that this process has open, also without close-on-exec. */
static void it_has_three_descriptors_and_no_more(void)
{
	static const char *const argv[] = { "/bin/ls", "/proc/self/fd", NULL };
	int leaky = open("/dev/null", O_RDONLY);
	int far = fcntl(leaky, F_DUPFD, 500);
	struct run *run;

	begin();
	run = start(argv, STR("x"));
	await_end(run);
	is_str(out(run, PROCESS_STDOUT), STR("0\n1\n2\n3\n")); /* 3 is ls's own, of the folder */
	run_destroy(run);
	close(leaky);
	close(far);
	end();
}

static void signals_are_neither_blocked_nor_ignored_in_it(void)
{
	static const char *const argv[] = { "/bin/grep", "-E", "^Sig(Blk|Ign|Cgt)",
					    "/proc/self/status", NULL };
	unsigned long long blocked = 1, ignored = 1;
	sigset_t all, before;
	struct run *run;

	begin();
	signal(SIGHUP, SIG_IGN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	run = start(argv, STR_NONE);
	await_end(run);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGHUP, SIG_DFL);
	run->out[0][run->len[0]] = '\0';
	is_int(sscanf(run->out[0], "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	is_int(blocked, 0);
	is_int(ignored & ~UINT64_C(0x180000000), 0); /* 32 and 33 are glibc's own */
	run_destroy(run);
	end();
}

static void it_leads_a_session_and_a_group(void)
{
	struct run *run;
	int pid = 0, group = 0, session = 0;

	begin();
	run = start_script("set -- $(cat /proc/$$/stat); echo $1 $5 $6");
	await_end(run);
	run->out[0][run->len[0]] = '\0';
	is_int(sscanf(run->out[0], "%d %d %d", &pid, &group, &session), 3);
	is_int(group, pid);
	is_int(session, pid);
	run_destroy(run);
	end();
}

/* ------------------------------------------------------------ ends */

static bool is_gone(const char *pid_text)
{
	return kill((pid_t)atoi(pid_text), 0) < 0 && errno == ESRCH;
}

/* A grandchild that was killed is still to be reaped by whoever has inherited it. */
static void await_gone(const char *pid_text)
{
	char path[64], state[256] = "";

	for (;;) {
		FILE *file;

		if (is_gone(pid_text))
			return;
		snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid_text));
		file = fopen(path, "re");
		if (!file)
			return;
		if (fgets(state, sizeof(state), file) && strstr(state, ") Z")) {
			fclose(file);
			return;
		}
		fclose(file);
		usleep(1000);
	}
}

static void left_alone_it_is_terminated(void)
{
	struct run *run;

	begin();
	run = start_script("echo ready; exec sleep 1000");
	await_output(run, 6);
	process_leave(&run->process);
	process_leave(&run->process); /* twice is harmless */
	is_false(run->ended);
	is_int(processes.n_held, 1);
	await_end(run);
	is_int(run->process.exit.signal, SIGTERM);
	run_destroy(run);
	end();
}

static void what_ignores_term_is_killed_with_its_grandchild(void)
{
	static const char *const argv[] = {
		"/bin/sh", "-c", "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done",
		NULL
	};
	static const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	const struct process_spec spec = {
		.path = argv[0], .argv = argv, .envp = envp, .kill_after_ms = 50
	};
	struct run *run;

	begin();
	run = start_with(&spec);
	await_output(run, 2);
	process_leave(&run->process);
	await_end(run);
	is_int(run->process.exit.signal, SIGKILL);
	run->out[0][run->len[0]] = '\0';
	await_gone(run->out[0]);
	run_destroy(run);
	end();
}

static void term_reaches_the_whole_group(void)
{
	struct run *run;

	begin();
	run = start_script("sleep 1000 & echo $!; wait");
	await_output(run, 2);
	process_leave(&run->process);
	await_end(run);
	run->out[0][run->len[0]] = '\0';
	await_gone(run->out[0]);
	run_destroy(run);
	end();
}

static void what_it_leaves_behind_in_its_group_is_killed(void)
{
	struct run *run;

	begin();
	run = start_script("sleep 1000 >/dev/null 2>&1 & echo $!");
	await_end(run);
	is_int(run->process.exit.status, 0);
	run->out[0][run->len[0]] = '\0';
	await_gone(run->out[0]);
	run_destroy(run);
	end();
}

static void output_that_others_write_after_its_end_is_awaited(void)
{
	struct run *run;

	begin();
	run = start_script("(sleep 0.05; echo late) &");
	await_end(run);
	is_str(out(run, PROCESS_STDOUT), STR("late\n"));
	run_destroy(run);
	end();
}

/* What has made a session of its own is beyond the group. */
static void output_that_never_ends_is_not_awaited_for_ever(void)
{
	static const char *const argv[] = { "/bin/sh", "-c", "setsid sleep 3 & echo $!", NULL };
	static const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	const struct process_spec spec = {
		.path = argv[0], .argv = argv, .envp = envp, .kill_after_ms = 50
	};
	uint64_t started_ns = clock_monotonic_ns();
	struct run *run;

	begin();
	run = start_with(&spec);
	await_end(run);
	is_true(clock_monotonic_ns() - started_ns >= 50 * NS_PER_MS);
	is_int(run->process.exit.status, 0);
	is_true(run->len[0] > 1);
	run_destroy(run);
	end();
}

static void it_can_be_left_while_it_is_started(void)
{
	struct run *run;

	begin();
	run = start_script("sleep 1000");
	process_leave(&run->process);
	await_end(run);
	is_int(run->process.exit.signal, SIGTERM);
	is_int(run->len[0], 0);
	run_destroy(run);
	end();
}

static void it_can_be_left_from_within_its_output(void)
{
	struct run *run;

	begin();
	run = start_script("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
	run->leave_at = 100000;
	await_end(run);
	is_true(run->len[0] >= 100000 && run->len[0] < 100000 + (16 << 10));
	run_destroy(run);
	end();
}

static void a_hurry_shortens_the_grace(void)
{
	struct run *run;

	begin();
	run = start_script("trap '' TERM; echo ready; while :; do sleep 1000; done");
	await_output(run, 6);
	process_leave(&run->process); /* 20 s */
	processes_hurry(&processes, 20);
	await_end(run);
	is_int(run->process.exit.signal, SIGKILL);
	run_destroy(run);
	run = start_script("trap '' TERM; echo ready; while :; do sleep 1000; done");
	await_output(run, 6);
	process_leave(&run->process);
	await_end(run);
	run_destroy(run);
	end();
}

/* Reads what is there, when it is told to. */
static void on_readable(struct process *process)
{
	struct run *run = container_of(process, struct run, process);

	run->readable = true;
	loop_stop(loop);
}

static const struct process_ops pull_ops = { .on_output = on_output,
					     .on_readable = on_readable,
					     .on_end = on_end };

static struct run *start_pulled(const char *script, uint64_t kill_after_ms)
{
	static const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct process_spec spec = { .path = argv[0],
					   .argv = argv,
					   .envp = envp,
					   .kill_after_ms = kill_after_ms,
					   .pulled = true };
	struct run *run = run_create();
	char byte;

	is_int(process_start(&run->process, &processes, &spec, &pull_ops), 0);
	is_int(process_pull(&run->process, &byte, 1), -EAGAIN); /* it is not there yet */
	return run;
}

/* Up to `size` bytes in all; true at the end of the output. */
static bool pull(struct run *run, size_t size)
{
	while (run->len[0] < size) {
		ssize_t n = process_pull(&run->process, run->out[0] + run->len[0],
					 MIN(size - run->len[0], (size_t)10000));

		if (n == 0)
			return true;
		if (n > 0)
			run->len[0] += (size_t)n;
		for (run->readable = false; n < 0 && !run->readable;)
			loop_run(loop);
	}
	return false;
}

static void output_that_is_not_pulled_makes_it_wait(void)
{
	struct run *run;

	begin();
	run = start_pulled("head -c 300000 /dev/zero; echo err >&2", 20000);
	is_false(pull(run, 1));
	for (int i = 0; i < 50; i++) {
		loop_run_once(loop, false);
		usleep(1000);
	}
	is_int(run->len[PROCESS_STDERR], 0); /* it has not come so far */
	is_int(run->process.state, PROCESS_RUNNING);
	is_false(pull(run, 300000));
	is_true(pull(run, 300001));
	await_end(run);
	is_int(run->len[0], 300000);
	is_str(out(run, PROCESS_STDERR), STR("err\n"));
	is_int(run->process.exit.status, 0);
	run_destroy(run);
	end();
}

static void output_that_is_pulled_late_is_not_lost(void)
{
	struct run *run;

	begin();
	run = start_pulled("head -c 60000 /dev/zero; exit 3", 10);
	is_false(pull(run, 1));
	while (!run->process.killed)
		loop_run_once(loop, false);
	is_false(run->ended);
	is_true(pull(run, 60001));
	is_int(run->len[0], 60000);
	await_end(run);
	is_int(run->process.exit.status, 3);
	run_destroy(run);
	end();
}

/* Somebody outside of the group holds the pipe, and writes nothing. */
static void pulled_output_that_never_ends_is_ended(void)
{
	struct run *run;

	begin();
	run = start_pulled("setsid sleep 3 & echo $!", 10);
	is_true(pull(run, 1000));
	is_true(run->len[0] > 1);
	await_end(run);
	run_destroy(run);
	end();
}

static void a_pulled_program_can_be_left(void)
{
	struct run *run;
	char byte;

	begin();
	run = start_pulled("yes", 20000);
	is_false(pull(run, 100000));
	process_leave(&run->process);
	is_int(process_pull(&run->process, &byte, 1), 0);
	await_end(run);
	is_true(run->process.exit.signal == SIGTERM || run->process.exit.signal == SIGPIPE ||
		run->process.exit.status > 0);
	run_destroy(run);
	end();
}

static void many_run_at_once(void)
{
	enum { N = 40 };
	struct run *runs[N];

	begin();
	for (int i = 0; i < N; i++)
		runs[i] = start_script(i % 2 ? "cat /proc/self/stat >&2; exit 1" : "sleep 0.01");
	for (int i = 0; i < N; i++)
		if (i % 5 == 0)
			process_leave(&runs[i]->process);
	for (int i = 0; i < N; i++)
		await_end(runs[i]);
	is_int(runs[1]->process.exit.status, 1);
	for (int i = 0; i < N; i++)
		run_destroy(runs[i]);
	end();
}

static void no_descriptor_is_left(void)
{
	int before, after;
	struct run *run;

	begin();
	run = start_script("true");
	await_end(run);
	run_destroy(run);
	before = open("/dev/null", O_RDONLY);
	close(before);
	for (int i = 0; i < 20; i++) {
		run = start_script(i % 2 ? "true" : "sleep 1000");
		if (i % 2 == 0)
			process_leave(&run->process);
		await_end(run);
		run_destroy(run);
	}
	after = open("/dev/null", O_RDONLY);
	close(after);
	is_int(after, before);
	end();
}

static void a_program_is_found_in_the_path(void)
{
	char path[64];

	is_true(spawn_find("sh", "/nowhere:/bin:/usr/bin", path, sizeof(path)));
	is_text(path, "/bin/sh");
	is_true(spawn_find("/bin/sh", "", path, sizeof(path)));
	is_false(spawn_find("sh", "", path, sizeof(path)));
	is_false(spawn_find("sh", "/nowhere", path, sizeof(path)));
	is_false(spawn_find("", "/bin", path, sizeof(path)));
	is_false(spawn_find("/etc/passwd", "", path, sizeof(path))); /* not executable */
	is_false(spawn_find("/bin", "", path, sizeof(path)));
	is_false(spawn_find("sh", "/bin", path, 5));
}

/* ------------------------------------------------------------ without pidfds */

/* From here on, in this process: pidfd_open() is EPERM, as under a strict sandbox. */
static bool forbid_pidfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LEN(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void without_a_pidfd_its_end_is_found_all_the_same(void)
{
	struct run *run;

	begin();
	if (!is_true(forbid_pidfd()))
		exit(1);
	run = start_script("echo a; exit 3");
	await_end(run);
	is_int(run->process.child.pidfd, -1);
	is_int(run->process.exit.status, 3);
	run_destroy(run);
	run = start_script("echo ready; exec sleep 1000");
	await_output(run, 6);
	is_int(run->process.child.pidfd, -1);
	process_leave(&run->process);
	await_end(run);
	is_int(run->process.exit.signal, SIGTERM);
	run_destroy(run);
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	TEST(outputs_come_apart_and_the_status_is_told);
	TEST(a_signal_that_ended_it_is_told);
	TEST(a_program_that_is_not_there_is_an_error);
	TEST(its_arguments_environment_and_folder_are_what_was_said);
	TEST(a_mebibyte_goes_in_and_comes_out);
	TEST(a_program_need_not_read_its_input);
	TEST(without_input_it_reads_the_end_at_once);
	TEST(it_has_three_descriptors_and_no_more);
	TEST(signals_are_neither_blocked_nor_ignored_in_it);
	TEST(it_leads_a_session_and_a_group);
	TEST(left_alone_it_is_terminated);
	TEST(what_ignores_term_is_killed_with_its_grandchild);
	TEST(term_reaches_the_whole_group);
	TEST(what_it_leaves_behind_in_its_group_is_killed);
	TEST(output_that_others_write_after_its_end_is_awaited);
	TEST(output_that_never_ends_is_not_awaited_for_ever);
	TEST(it_can_be_left_while_it_is_started);
	TEST(it_can_be_left_from_within_its_output);
	TEST(a_hurry_shortens_the_grace);
	TEST(output_that_is_not_pulled_makes_it_wait);
	TEST(output_that_is_pulled_late_is_not_lost);
	TEST(pulled_output_that_never_ends_is_ended);
	TEST(a_pulled_program_can_be_left);
	TEST(many_run_at_once);
	TEST(no_descriptor_is_left);
	TEST(a_program_is_found_in_the_path);
	TEST(without_a_pidfd_its_end_is_found_all_the_same);
	return tap_done();
}
