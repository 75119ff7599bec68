/* core/io/process.c */
#include "core/io/process.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	READ_SIZE = 16 << 10,
	WRITE_SIZE = 64 << 10, /* what a pipe holds */
	READS_A_TURN = 16,     /* of one output: others have their turn, too */
	WRITES_A_TURN = 16,
};

static void process_on_timer(struct timer *timer);
static void process_on_finish(struct ready *ready);

/* ------------------------------------------------------------ what it is started with */

static size_t process_texts_size(const char *const texts[], size_t *ret_n_texts)
{
	size_t size = 0;

	for (*ret_n_texts = 0; texts[*ret_n_texts]; ++*ret_n_texts)
		size += strlen(texts[*ret_n_texts]) + 1;
	return size;
}

static const char *process_copy_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(*at, text, size);

	*at += size;
	return copy;
}

static const char *const *process_copy_texts(const char ***slots, char **at,
					     const char *const texts[])
{
	const char **first = *slots;

	for (size_t i = 0; texts[i]; i++)
		*(*slots)++ = process_copy_text(at, texts[i]);
	*(*slots)++ = NULL;
	return first;
}

/* One block, as the thread that starts it may look at it after its owner has lost interest. */
static int process_copy_spec(struct process *process, const struct process_spec *spec)
{
	size_t n_args, n_env;
	size_t size = process_texts_size(spec->argv, &n_args) +
		      process_texts_size(spec->envp, &n_env) + strlen(spec->path) + 1 +
		      (spec->cwd ? strlen(spec->cwd) + 1 : 0);
	size_t n_slots = n_args + n_env + 2;
	const char **slots = malloc(n_slots * sizeof(*slots) + size);
	char *at;

	if (!slots)
		return -ENOMEM;
	process->block = (char *)slots;
	at = (char *)(slots + n_slots);
	process->spawn.argv = process_copy_texts(&slots, &at, spec->argv);
	process->spawn.envp = process_copy_texts(&slots, &at, spec->envp);
	process->spawn.path = process_copy_text(&at, spec->path);
	process->spawn.cwd = spec->cwd ? process_copy_text(&at, spec->cwd) : NULL;
	return 0;
}

/* ------------------------------------------------------------ on a thread of the spawner */

/* Off the numbers that the program's own descriptors will have. */
static int process_lift_fd(int *fd)
{
	int higher;

	if (*fd > 2)
		return 0;
	higher = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (higher < 0)
		return -errno;
	close(*fd);
	*fd = higher;
	return 0;
}

/* This side does not block; that of the program does, as programs expect. */
static int process_open_pipe(bool is_input, int *ret_near, int *ret_far)
{
	int fds[2], r = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_near = fds[is_input];
	*ret_far = fds[!is_input];
	if (fcntl(*ret_near, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	return r ? r : process_lift_fd(ret_far);
}

static int process_open_pipes(struct process *process)
{
	int r = 0;

	if (process->input.len > 0)
		r = process_open_pipe(true, &process->fds[0], &process->spawn.fds[0]);
	for (int i = 1; r == 0 && i < 3; i++)
		r = process_open_pipe(false, &process->fds[i], &process->spawn.fds[i]);
	return r;
}

static void process_on_spawn(struct work *work)
{
	struct process *process = container_of(work, struct process, work);
	pid_t pid;
	int r = process_open_pipes(process);

	if (r == 0)
		r = spawn_start(&process->spawn, &pid);
	for (int i = 0; i < 3; i++)
		fd_close(&process->spawn.fds[i]);
	if (r == 0)
		child_init(&process->child, pid);
	process->error = r;
	loop_post(process->processes->loop, &process->post);
}

/* ------------------------------------------------------------ the pipes */

static void process_close_pipe(struct process *process, int index)
{
	if (process->fds[index] < 0)
		return;
	loop_remove(process->processes->loop, &process->watches[index]);
	fd_close(&process->fds[index]);
	process->fds[index] = -1;
	if (process->state == PROCESS_EXITED && process->fds[1] < 0 && process->fds[2] < 0)
		loop_ready(process->processes->loop, &process->ready);
}

/* A program that does not read its input has its reasons; one that reads as fast as this writes must
 * not keep the loop. */
static void process_write(struct process *process)
{
	for (int i = 0; process->input.len > 0; i++) {
		ssize_t n;

		if (i == WRITES_A_TURN)
			return; /* the pipe tells again */
		n = write(process->fds[0], process->input.ptr,
			  MIN(process->input.len, (size_t)WRITE_SIZE));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		process->input = str_skip(process->input, (size_t)n);
	}
	process_close_pipe(process, 0);
}

static void process_read(struct process *process, int index)
{
	char bytes[READ_SIZE];

	for (int i = 0; i < READS_A_TURN && process->fds[index] >= 0; i++) {
		ssize_t n = read(process->fds[index], bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !process->killed)
			return;
		if (n <= 0) {
			process_close_pipe(process, index);
			return;
		}
		process->ops->on_output(process, index == 1 ? PROCESS_STDOUT : PROCESS_STDERR,
					(struct str){ bytes, (size_t)n });
	}
}

static void process_on_input(struct watch *watch, uint32_t events)
{
	(void)events;
	process_write(container_of(watch, struct process, watches[0]));
}

static void process_on_stdout(struct watch *watch, uint32_t events)
{
	struct process *process = container_of(watch, struct process, watches[1]);

	(void)events;
	if (process->pulled)
		process->ops->on_readable(process);
	else
		process_read(process, 1);
}

static void process_on_stderr(struct watch *watch, uint32_t events)
{
	(void)events;
	process_read(container_of(watch, struct process, watches[2]), 2);
}

/* What is pulled is told once: whoever pulls goes on until there is nothing. */
static uint32_t process_events(const struct process *process, int index)
{
	if (index == 0)
		return EPOLLOUT;
	return index == 1 && process->pulled ? EPOLLIN | (uint32_t)EPOLLET : EPOLLIN;
}

/* A pipe that cannot be watched (the kernel's limit of them is reached) cannot be used. */
static void process_watch_pipe(struct process *process, int index)
{
	static watch_fn *const on_events[] = { process_on_input, process_on_stdout,
					       process_on_stderr };
	int r;

	if (process->fds[index] < 0 || process->watches[index].fd >= 0)
		return;
	r = loop_add(process->processes->loop, &process->watches[index], process->fds[index],
		     process_events(process, index), on_events[index]);
	if (r == 0)
		return;
	process->error = r;
	process_leave(process);
}

static void process_watch_pipes(struct process *process)
{
	if (process->fds[0] >= 0)
		process_write(process);
	for (int i = 0; i < 3; i++)
		process_watch_pipe(process, i);
}

ssize_t process_pull(struct process *process, char *bytes, size_t size)
{
	ssize_t n;

	check(process->pulled && size > 0);
	if (process->state == PROCESS_STARTING)
		return -EAGAIN;
	if (process->fds[1] < 0)
		return 0;
	do {
		n = read(process->fds[1], bytes, size);
	} while (n < 0 && errno == EINTR);
	if (n > 0 || (n < 0 && errno == EAGAIN && !process->killed))
		return n > 0 ? n : -EAGAIN;
	process_close_pipe(process, 1);
	return 0;
}

/* ------------------------------------------------------------ how it ends */

static void process_finish(struct process *process)
{
	struct processes *processes = process->processes;

	timer_stop(&process->timer);
	loop_ready_cancel(&process->ready);
	child_signal(&process->child, SIGKILL); /* what is left of its group */
	child_reap(&process->child, &process->exit);
	list_remove(&process->link);
	free(process->block);
	process->ops->on_end(process);
	processes_release(processes);
}

static void process_on_finish(struct ready *ready)
{
	process_finish(container_of(ready, struct process, ready));
}

static void process_terminate(struct process *process)
{
	uint64_t grace_ms = MIN(process->kill_after_ms, process->processes->hurry_ms);

	child_signal(&process->child, SIGTERM);
	child_signal(&process->child, SIGCONT);
	timer_start(&process->timer, grace_ms);
}

static void process_on_timer(struct timer *timer)
{
	struct process *process = container_of(timer, struct process, timer);

	child_signal(&process->child, SIGKILL);
	if (process->state != PROCESS_EXITED)
		return;
	process->killed = true;
	if (process->fds[2] >= 0)
		process_read(process, 2);
	if (process->fds[1] >= 0 && process->pulled)
		process->ops->on_readable(process);
	else if (process->fds[1] >= 0)
		process_read(process, 1);
}

static void process_on_exit(struct child *child)
{
	struct process *process = container_of(child, struct process, child);

	process->state = PROCESS_EXITED;
	timer_stop(&process->timer);
	process_close_pipe(process, 0);
	if (process->fds[1] < 0 && process->fds[2] < 0)
		loop_ready(process->processes->loop, &process->ready);
	else
		timer_start(&process->timer,
			    MIN(process->kill_after_ms, process->processes->hurry_ms));
}

void process_leave(struct process *process)
{
	if (process->left)
		return;
	process->left = true;
	if (process->state == PROCESS_STARTING)
		return;
	for (int i = 0; i < 3; i++)
		process_close_pipe(process, i);
	if (process->state == PROCESS_RUNNING)
		process_terminate(process);
}

/* ------------------------------------------------------------ how it begins */

static void process_on_started(struct post *post)
{
	struct process *process = container_of(post, struct process, post);
	bool left = process->left;

	if (process->error) {
		for (int i = 0; i < 3; i++)
			fd_close(&process->fds[i]);
		process_finish(process);
		return;
	}
	process->state = PROCESS_RUNNING;
	child_watch(&process->child, process->processes->loop, process_on_exit);
	process->left = false;
	if (left)
		process_leave(process);
	else
		process_watch_pipes(process);
}

int process_start(struct process *process, struct processes *processes,
		  const struct process_spec *spec, const struct process_ops *ops)
{
	int r;

	*process = (struct process){ .ops = ops,
				     .processes = processes,
				     .input = spec->input,
				     .kill_after_ms = spec->kill_after_ms,
				     .pulled = spec->pulled,
				     .work.run = process_on_spawn,
				     .post.run = process_on_started };
	for (int i = 0; i < 3; i++)
		process->fds[i] = process->spawn.fds[i] = process->watches[i].fd = -1;
	list_init(&process->link);
	ready_init(&process->ready, process_on_finish);
	timer_init(&process->timer, processes->loop, process_on_timer);
	r = process_copy_spec(process, spec);
	if (r == 0)
		r = spawner_submit(processes->spawner, &process->work);
	if (r < 0) {
		free(process->block);
		return r;
	}
	list_add(&processes->all, &process->link);
	processes_hold(processes);
	return 0;
}

/* ------------------------------------------------------------ those of one loop */

void processes_init(struct processes *processes, struct loop *loop, struct spawner *spawner,
		    void (*on_idle)(struct processes *processes))
{
	*processes = (struct processes){
		.loop = loop, .spawner = spawner, .hurry_ms = UINT64_MAX, .on_idle = on_idle
	};
	list_init(&processes->all);
}

void processes_hurry(struct processes *processes, uint64_t ms)
{
	struct process *process;

	processes->hurry_ms = ms;
	list_each(process, &processes->all, struct process, link)
		if (timer_is_running(&process->timer))
			timer_start(&process->timer, ms);
}

void processes_hold(struct processes *processes)
{
	processes->n_held++;
}

void processes_release(struct processes *processes)
{
	check(processes->n_held > 0);
	if (--processes->n_held == 0 && processes->on_idle)
		processes->on_idle(processes);
}
