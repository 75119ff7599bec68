/* tests/server/jq/jq.c: jq programs in workers. This program is its own worker, as leat is. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/task/home.h"
#include "server/jq/jq_call.h"
#include "server/jq/jq_check.h"
#include "server/jq/jq_confine.h"
#include "server/jq/jq_worker.h"
#include "tests/lib/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct homes *homes;
static struct spawner *spawner;
static struct processes processes;
static struct jq_pool *pool;

/* One question and what came of it. */
struct query {
	struct arena arena;
	struct context context;
	struct scope scope;
	struct jq_call *call; /* NULL: it has ended */
	bool empty;           /* the scope has no tasks */
	enum jq_end end;
	struct str text, first;
};

static void on_empty(struct scope *scope)
{
	container_of(scope, struct query, scope)->empty = true;
	loop_stop(scope->loop);
}

static void on_end(struct jq_call *call)
{
	struct query *query = call->owner;

	check(query->call == call);
	query->call = NULL;
	query->end = call->end;
	query->text = call->text;
	query->first = call->first;
	loop_stop(query->scope.loop);
}

static void begin(size_t n_workers)
{
	check(loop_create(&loop) == 0);
	homes = homes_create(&loop, 1);
	spawner = spawner_create();
	processes_init(&processes, loop, spawner, NULL);
	pool = jq_pool_create(spawner, n_workers);
}

static void end(void)
{
	while (processes.n_held > 0)
		loop_run_once(loop, false);
	jq_pool_destroy(pool);
	spawner_destroy(spawner);
	homes_settle(homes);
	homes_destroy(homes);
	loop_destroy(loop);
	is_int(waitpid(-1, NULL, WNOHANG), -1); /* all workers were reaped */
	is_int(errno, ECHILD);
}

static void query_start_spec(struct query *query, const struct jq_spec *spec)
{
	*query = (struct query){ .end = JQ_END_CANCELLED };
	arena_init(&query->arena, 64 << 20);
	query->context = (struct context){ .loop = loop,
					   .arena = &query->arena,
					   .homes = homes,
					   .processes = &processes,
					   .jq = pool };
	scope_init(&query->scope, loop, on_empty);
	query->call = jq_call_start(&query->context, &query->scope, spec, on_end, query);
	check(query->call);
}

static void query_start(struct query *query, const char *program, const char *input)
{
	const struct jq_spec spec = { str_of(program), str_of(input), 1 << 20, 100 };

	query_start_spec(query, &spec);
}

static void query_await(struct query *query)
{
	while (query->call)
		loop_run(query->scope.loop);
}

static void query_end(struct query *query)
{
	while (!query->empty)
		loop_run_once(query->scope.loop, false);
	scope_fini(&query->scope);
	arena_fini(&query->arena);
}

static void gives(const char *program, const char *input, const char *all, const char *first)
{
	struct query query;

	query_start(&query, program, input);
	query_await(&query);
	is_int(query.end, JQ_END_OK);
	is_str(query.text, str_of(all));
	is_str(query.first, str_of(first));
	query_end(&query);
}

static void fails(const char *program, const char *input, const char *message)
{
	struct query query;

	query_start(&query, program, input);
	query_await(&query);
	is_int(query.end, JQ_END_FAILED);
	is_str(query.text, str_of(message));
	query_end(&query);
}

static void ends_as(const char *program, const char *input, enum jq_end wanted)
{
	struct query query;

	query_start(&query, program, input);
	query_await(&query);
	is_int(query.end, wanted);
	query_end(&query);
}

/* ------------------------------------------------------------ results */

static void the_values_of_a_program_come_back(void)
{
	begin(1);
	gives(".orders | map(.total) | add", "{\"orders\":[{\"total\":1},{\"total\":2.5}]}",
	      "[3.5]", "3.5");
	gives(".[]", "[\"a,b\",[1,2],{\"c\":null}]", "[\"a,b\",[1,2],{\"c\":null}]", "\"a,b\"");
	gives("empty", "null", "[]", "");
	gives(".", "\"\\u00e9\\u0000\"", "[\"é\\u0000\"]", "\"é\\u0000\"");
	gives("if . then halt else 1 end", "true", "[]", "");
	gives("if . then halt else 1 end", "false", "[1]", "1");
	gives("1, halt", "null", "[1]", "1");
	gives("input_filename, env, $ENV", "null", "[null,{},{}]", "null");
	end();
}

static void what_a_program_fails_with_is_told(void)
{
	begin(1);
	fails("error(\"out of pears\")", "null", "out of pears");
	fails("error({a: 1})", "null", "{\"a\":1}");
	fails("1, error(\"late\")", "null", "late");
	ends_as(".a", "1", JQ_END_FAILED);
	fails("\"why\" | halt_error", "null", "why");
	gives(".", "1", "[1]", "1"); /* and the worker goes on */
	end();
}

static void a_worker_is_kept_and_keeps_its_programs(void)
{
	char program[64];
	pid_t pid;

	begin(1);
	gives(".", "1", "[1]", "1");
	pid = pool->slots[0].child.pid;
	for (int i = 0; i < 70; i++) { /* more than it keeps */
		snprintf(program, sizeof(program), ". + %d", i % 67);
		ends_as(program, "1", JQ_END_OK);
	}
	gives(". + 3", "1", "[4]", "4");
	is_int(pool->slots[0].child.pid, pid);
	end();
}

static void no_more_is_taken_than_was_allowed(void)
{
	const struct jq_spec fits = { STR("[range(.)]"), STR("4"), 9, 100 };
	const struct jq_spec more = { STR("[range(.)]"), STR("5"), 9, 100 };
	const struct jq_spec endless = { STR("repeat(1)"), STR("null"), 100000, 100 };
	struct query query;

	begin(1);
	query_start_spec(&query, &fits);
	query_await(&query);
	is_int(query.end, JQ_END_OK);
	is_str(query.first, STR("[0,1,2,3]"));
	query_end(&query);
	query_start_spec(&query, &more);
	query_await(&query);
	is_int(query.end, JQ_END_TOO_LARGE);
	query_end(&query);
	query_start_spec(&query, &endless);
	query_await(&query);
	is_int(query.end, JQ_END_TOO_LARGE);
	query_end(&query);
	gives(".", "1", "[1]", "1");
	end();
}

static void large_inputs_and_results_go_through(void)
{
	enum { N = 4 << 20 };
	char *input = mem_alloc(N + 3);
	struct jq_spec spec = { STR("., length"), { input, N + 2 }, N + 100, 100 };
	struct query query;

	begin(1);
	memset(input, 'x', N + 2);
	input[0] = input[N + 1] = '"';
	query_start_spec(&query, &spec);
	query_await(&query);
	is_int(query.end, JQ_END_OK);
	is_int(query.first.len, N + 2);
	is_true(memcmp(query.first.ptr, input, N + 2) == 0);
	is_str(str_skip(query.text, N + 3), STR(",4194304]"));
	query_end(&query);
	free(input);
	end();
}

static void a_full_arena_is_told(void)
{
	struct query query;

	begin(1);
	query_start(&query, "[range(10000)]", "null");
	query.arena.max = 10000;
	query_await(&query);
	is_int(query.end, JQ_END_MEMORY);
	query_end(&query);
	gives(".", "1", "[1]", "1");
	end();
}

/* ------------------------------------------------------------ hostile ones */

static void inputs_that_crash_it_hurt_nobody_else(void)
{
	char *deep = mem_alloc(200001);

	begin(1);
	memset(deep, '[', 100000);
	memset(deep + 100000, ']', 100000);
	deep[200000] = '\0';
	ends_as("todate", "1e300", JQ_END_DIED);
	gives(".", "1", "[1]", "1");
	ends_as(".", deep, JQ_END_FAILED);
	gives(".", "2", "[2]", "2");
	free(deep);
	end();
}

/* Not under a sanitizer, which needs all the address space there is. */
static void memory_without_end_is_not_given(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	begin(1);
	ends_as("[range(1e9)] | length", "null", JQ_END_DIED);
	ends_as("def f: [f, f]; f", "null", JQ_END_DIED);
	gives(".", "1", "[1]", "1");
	end();
#endif
}

static void a_program_that_does_not_end_is_killed_when_it_is_left(void)
{
	struct query query;
	pid_t pid;

	begin(1);
	gives(".", "1", "[1]", "1");
	pid = pool->slots[0].child.pid;
	query_start(&query, "[limit(1e9; repeat(1))] | length", "null");
	while (query.call->state != JQ_CALL_TALKING)
		loop_run_once(loop, false);
	jq_call_leave(query.call);
	query.call = NULL;
	query_end(&query);
	gives(".", "2", "[2]", "2"); /* waits for the place, and starts another worker */
	is_true(pool->slots[0].child.pid != pid);
	end();
}

static sem_t gate;

static void work_wait_at_gate(struct work *work)
{
	(void)work;
	check(sem_wait(&gate) == 0);
}

/* It has not been given the program: there is nothing to halt. */
static void a_worker_whose_call_is_left_while_it_starts_is_idle_and_kept(void)
{
	struct work works[8]; /* hold up all threads that could start it */
	struct query query;
	pid_t pid;

	begin(1);
	check(sem_init(&gate, 0, 0) == 0);
	for (size_t i = 0; i < ARRAY_LEN(works); i++) {
		works[i] = (struct work){ .run = work_wait_at_gate };
		check(spawner_submit(spawner, &works[i]) == 0);
	}
	query_start(&query, "def f: f; f", "null");
	while (query.call->state != JQ_CALL_STARTING)
		loop_run_once(loop, false);
	jq_call_leave(query.call);
	query.call = NULL;
	for (size_t i = 0; i < ARRAY_LEN(works); i++)
		sem_post(&gate);
	query_end(&query);
	while (processes.n_held > 0) /* the call outlives its scope until the worker is there */
		loop_run_once(loop, false);
	pid = pool->slots[0].child.pid;
	is_true(pid > 0);
	gives(".", "1", "[1]", "1");
	is_int(pool->slots[0].child.pid, pid);
	end();
	sem_destroy(&gate);
}

static void a_worker_that_is_killed_fails_its_call_only(void)
{
	struct query query;

	begin(1);
	query_start(&query, "def f: f; f", "null");
	while (query.call->state != JQ_CALL_TALKING)
		loop_run_once(loop, false);
	kill(pool->slots[0].child.pid, SIGKILL);
	query_await(&query);
	is_int(query.end, JQ_END_DIED);
	query_end(&query);
	gives(".", "1", "[1]", "1");
	/* idle, it is nobody's fault: the next call does not see it */
	kill(pool->slots[0].child.pid, SIGKILL);
	while (!child_has_exited(&pool->slots[0].child))
		usleep(1000);
	gives(".", "2", "[2]", "2");
	end();
}

static void a_call_can_be_left_while_it_waits(void)
{
	struct query first, second, third;

	begin(1);
	query_start(&first, "def f: f; f", "null");
	query_start(&second, ".", "2");
	query_start(&third, ".", "3");
	jq_call_leave(second.call);
	second.call = NULL;
	query_end(&second);
	jq_call_leave(first.call); /* while its worker starts, or before */
	first.call = NULL;
	query_await(&third);
	is_int(third.end, JQ_END_OK);
	is_str(third.first, STR("3"));
	query_end(&first);
	query_end(&third);
	end();
}

static void a_scope_that_is_cancelled_ends_those_who_wait(void)
{
	struct query first, second;

	begin(1);
	query_start(&first, "def f: f; f", "null");
	while (first.call->state != JQ_CALL_TALKING)
		loop_run_once(loop, false);
	query_start(&second, ".", "2");
	scope_cancel(&second.scope);
	query_await(&second);
	is_int(second.end, JQ_END_CANCELLED);
	query_end(&second);
	jq_call_leave(first.call);
	query_end(&first);
	end();
}

static void so_many_may_wait(void)
{
	enum { N = 258 }; /* one runs, 256 wait, one is too many */
	struct query *queries = mem_zalloc(N * sizeof(*queries));

	begin(1);
	query_start(&queries[0], "def f: f; f", "null");
	for (int i = 1; i < N; i++)
		query_start(&queries[i], ".", "1");
	query_await(&queries[N - 1]);
	is_int(queries[N - 1].end, JQ_END_FULL);
	jq_call_leave(queries[0].call);
	queries[0].call = NULL;
	for (int i = 1; i < N - 1; i++) {
		query_await(&queries[i]);
		check(queries[i].end == JQ_END_OK);
	}
	for (int i = 0; i < N; i++)
		query_end(&queries[i]);
	free(queries);
	end();
}

static void workers_run_at_once(void)
{
	struct query first, second;

	begin(2);
	query_start(&first, "def f: f; f", "null");
	while (first.call->state != JQ_CALL_TALKING)
		loop_run_once(loop, false);
	query_start(&second, ".", "2");
	query_await(&second); /* although the first never ends */
	is_int(second.end, JQ_END_OK);
	is_true(pool->slots[0].child.pid > 0 && pool->slots[1].child.pid > 0);
	jq_call_leave(first.call);
	query_end(&first);
	query_end(&second);
	end();
}

/* ------------------------------------------------------------ what it has of leat */

static unsigned count_fds(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	unsigned n_fds = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		n_fds += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return n_fds;
}

static void it_has_neither_descriptors_nor_environment(void)
{
	char path[64], bytes[64];
	FILE *file;

	setenv("TZ", "UTC", 1);
	begin(1);
	gives(". | localtime | mktime", "0", "[0]", "0");
	is_int(count_fds(pool->slots[0].child.pid), 3);
	snprintf(path, sizeof(path), "/proc/%d/environ", pool->slots[0].child.pid);
	file = fopen(path, "re");
	if (file) {
		size_t n = fread(bytes, 1, sizeof(bytes), file);

		is_str(((struct str){ bytes, n }), ((struct str){ "TZ=UTC", 7 }));
		fclose(file);
	}
	end();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                             \
	(defined(__x86_64__) || defined(__aarch64__))

/* In a process of its own; its exit code is the number of the first thing that it could do. */
static int confined_main(void)
{
	char *bytes;
	struct rlimit limit;
	int fds[2];

	jq_confine();
	bytes = malloc(64 << 20);
	if (!bytes)
		return 1;
	memset(bytes, 1, 64 << 20);
	free(bytes);
	if (open("/etc/passwd", O_RDONLY) >= 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0)
		return 2;
	if (pipe(fds) == 0 || dup(0) >= 0)
		return 3;
	if (kill(getppid(), 0) == 0 || kill(getpid(), 0) == 0 || fork() >= 0)
		return 4;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 5;
	if (prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) == 0 ||
	    prlimit(0, RLIMIT_NOFILE, NULL, &limit) < 0)
		return 6;
	if (malloc((size_t)1 << 30) || write(1, "", 0) < 0)
		return 7;
	execl("/bin/true", "true", NULL);
	return 0;
}

static void a_worker_that_is_taken_over_can_do_nothing(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(confined_main());
	is_int(waitpid(pid, &status, 0), pid);
	is_true(WIFEXITED(status));
	is_int(WEXITSTATUS(status), 0);
}
#else

static void a_worker_that_is_taken_over_can_do_nothing(void)
{
}
#endif

static void the_processors_time_has_a_net(void)
{
	const struct jq_spec spec = { STR("def f: f; f"), STR("null"), 100, 0 };
	struct query query;

	begin(1);
	query_start_spec(&query, &spec);
	query_await(&query); /* nobody has left it */
	is_int(query.end, JQ_END_DIED);
	query_end(&query);
	end();
}

/* ------------------------------------------------------------ workers that lie */

enum { EVIL_NUMBER, EVIL_STATUS, EVIL_SIZE, EVIL_FIRST, EVIL_SHORT, N_EVILS };

static int evil_main(int how)
{
	struct jq_request request;
	struct jq_answer answer = { .size = 3 };
	char rest[4096];

	check(recv(0, &request, sizeof(request), MSG_WAITALL) == sizeof(request));
	check(recv(0, rest, request.program_size + request.input_size, MSG_WAITALL) > 0);
	answer.number = request.number + (how == EVIL_NUMBER);
	answer.status = how == EVIL_STATUS ? 3 : JQ_STATUS_OK;
	answer.size = how == EVIL_SIZE ? UINT32_MAX : how == EVIL_SHORT ? 1 : 3;
	answer.first_size = how == EVIL_FIRST ? 2 : 1;
	check(write(0, &answer, sizeof(answer)) == sizeof(answer));
	check(write(0, "[1]", 3) == 3);
	return recv(0, rest, 1, 0) != 0;
}

static void a_worker_that_lies_is_ended(void)
{
	for (int how = 0; how < N_EVILS; how++) {
		char zone[16];

		snprintf(zone, sizeof(zone), "EVIL%d", how);
		setenv("TZ", zone, 1);
		begin(1);
		ends_as(".", "1", JQ_END_DIED);
		setenv("TZ", "UTC", 1);
		gives(".", "1", "[1]", "1");
		end();
	}
}

/* ------------------------------------------------------------ several loops */

enum { N_LOOPS = 3, N_CALLS = 60 };

struct thread {
	pthread_t thread;
	struct loop *loop;
	struct processes processes;
	unsigned n_started, n_right;
	struct query query;
	struct post post;
};

static struct thread threads[N_LOOPS];
static atomic_uint n_threads_done;

static void thread_next(struct thread *thread);

static void thread_on_end(struct jq_call *call)
{
	struct thread *thread = call->owner;

	thread->query.call = NULL;
	thread->n_right += call->end == JQ_END_OK && str_eq(call->first, STR("7"));
}

static void thread_on_empty(struct scope *scope)
{
	struct thread *thread = container_of(scope, struct thread, query.scope);

	scope_fini(scope); /* the permit was all that it held: the call goes on */
	loop_post(thread->loop, &thread->post);
}

static void thread_on_post(struct post *post)
{
	thread_next(container_of(post, struct thread, post));
}

static void thread_next(struct thread *thread)
{
	static const struct jq_spec spec = { STR_INIT(". + 3"), STR_INIT("4"), 100, 100 };
	static const struct jq_spec bad = { STR_INIT("todate"), STR_INIT("1e300"), 100, 100 };
	struct query *query = &thread->query;

	if (thread->query.call || thread->processes.n_held > 0) { /* it is still to be buried */
		loop_post(thread->loop, &thread->post);
		return;
	}
	arena_fini(&query->arena);
	if (thread->n_started++ == N_CALLS) {
		atomic_fetch_add(&n_threads_done, 1);
		return;
	}
	*query = (struct query){ .end = JQ_END_CANCELLED };
	arena_init(&query->arena, 1 << 20);
	query->context = (struct context){ .loop = thread->loop,
					   .arena = &query->arena,
					   .homes = homes,
					   .processes = &thread->processes,
					   .jq = pool };
	scope_init(&query->scope, thread->loop, thread_on_empty);
	query->call = jq_call_start(&query->context, &query->scope,
				    thread->n_started % 20 == 0 ? &bad : &spec, thread_on_end,
				    thread);
}

static void *thread_run(void *arg)
{
	loop_run(((struct thread *)arg)->loop);
	return NULL;
}

static void loops_share_the_workers(void)
{
	struct loop *loops[N_LOOPS];

	for (int i = 0; i < N_LOOPS; i++)
		check(loop_create(&loops[i]) == 0);
	homes = homes_create(loops, N_LOOPS);
	spawner = spawner_create();
	pool = jq_pool_create(spawner, 2);
	for (int i = 0; i < N_LOOPS; i++) {
		threads[i].loop = loops[i];
		threads[i].post.run = thread_on_post;
		processes_init(&threads[i].processes, loops[i], spawner, NULL);
		loop_post(loops[i], &threads[i].post);
		check(pthread_create(&threads[i].thread, NULL, thread_run, &threads[i]) == 0);
	}
	while (atomic_load(&n_threads_done) < N_LOOPS)
		usleep(1000);
	for (int i = 0; i < N_LOOPS; i++)
		loop_stop(loops[i]);
	for (int i = 0; i < N_LOOPS; i++) {
		pthread_join(threads[i].thread, NULL);
		is_int(threads[i].n_right, N_CALLS - N_CALLS / 20);
	}
	jq_pool_destroy(pool);
	spawner_destroy(spawner);
	homes_settle(homes);
	homes_destroy(homes);
	for (int i = 0; i < N_LOOPS; i++)
		loop_destroy(loops[i]);
}

/* ------------------------------------------------------------ at load */

static void programs_are_checked(void)
{
	struct jq_check *check = jq_check_create();
	struct str message = STR_NONE;
	struct arena arena;

	arena_init_required(&arena);
	is_int(jq_check_program(check, STR(".a | map(. + 1)"), STR(""), &arena, &message), 0);
	is_int(jq_check_program(check, STR("$x + $y2"), STR("x y2"), &arena, &message), 0);
	is_int(jq_check_program(check, STR("1 |\n foo"), STR(""), &arena, &message), 1);
	is_true(str_find(message, STR("foo/0 is not defined at <top-level>, line 2")) > 0);
	is_int(jq_check_program(check, STR(".["), STR(""), &arena, &message), 1);
	is_int(jq_check_program(check, STR("$z"), STR("x"), &arena, &message), 1);
	is_int(jq_check_program(check, STR("include \"a\"; ."), STR(""), &arena, &message), 1);
	is_int(jq_check_program(check, STR("."), STR(""), &arena, &message), 0);
	jq_check_destroy(check);
	jq_check_destroy(NULL);
	arena_fini(&arena);
}

int main(int argc, char **argv)
{
	const char *zone = getenv("TZ");

	if (argc > 1 && strcmp(argv[1], "jq-worker") == 0)
		return zone && strncmp(zone, "EVIL", 4) == 0 ? evil_main(atoi(zone + 4))
							     : jq_worker_main();
	signal(SIGPIPE, SIG_IGN);
#if WITH_JQ
	TEST(the_values_of_a_program_come_back);
	TEST(what_a_program_fails_with_is_told);
	TEST(a_worker_is_kept_and_keeps_its_programs);
	TEST(no_more_is_taken_than_was_allowed);
	TEST(large_inputs_and_results_go_through);
	TEST(a_full_arena_is_told);
	TEST(inputs_that_crash_it_hurt_nobody_else);
	TEST(memory_without_end_is_not_given);
	TEST(a_program_that_does_not_end_is_killed_when_it_is_left);
	TEST(a_worker_whose_call_is_left_while_it_starts_is_idle_and_kept);
	TEST(a_worker_that_is_killed_fails_its_call_only);
	TEST(a_call_can_be_left_while_it_waits);
	TEST(a_scope_that_is_cancelled_ends_those_who_wait);
	TEST(so_many_may_wait);
	TEST(workers_run_at_once);
	TEST(it_has_neither_descriptors_nor_environment);
	TEST(a_worker_that_is_taken_over_can_do_nothing);
	TEST(the_processors_time_has_a_net);
	TEST(a_worker_that_lies_is_ended);
	TEST(loops_share_the_workers);
	TEST(programs_are_checked);
#endif
	return tap_done();
}
