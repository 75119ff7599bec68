/* server/jq/jq_check.c */
#include "server/jq/jq_check.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/jq/jq_pool.h"
#include "server/jq/jq_wire.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CHECK_TIMEOUT_MS = 30000, CHECK_CPU_S = 30 };

struct jq_check {
	struct jq_slot slot;
};

struct jq_check *jq_check_create(void)
{
	struct jq_check *check = mem_zalloc(sizeof(*check));

	check->slot.fd = -1;
	return check;
}

void jq_check_destroy(struct jq_check *check)
{
	if (!check)
		return;
	jq_slot_end(&check->slot);
	free(check);
}

/* Until the socket is ready for `events`. 0, or -ETIMEDOUT. */
static int check_wait(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	uint64_t now_ns = clock_monotonic_ns();
	int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) + 1 : 0;
	int n = left_ms ? poll(&poll_fd, 1, left_ms) : 0;

	return n == 0 ? -ETIMEDOUT : 0;
}

static int check_send(int fd, struct str bytes, uint64_t deadline_ns)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		int r = n < 0 && errno == EAGAIN ? check_wait(fd, POLLOUT, deadline_ns) : 0;

		if (r < 0)
			return r;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

static int check_receive(int fd, char *bytes, size_t size, uint64_t deadline_ns)
{
	while (size > 0) {
		ssize_t n = recv(fd, bytes, size, 0);
		int r = n < 0 && errno == EAGAIN ? check_wait(fd, POLLIN, deadline_ns) : 0;

		if (r < 0)
			return r;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -EPIPE;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int check_ask(int fd, struct str program, struct str names, struct arena *arena,
		     struct str *ret_message)
{
	const struct jq_request request = { .op = JQ_OP_CHECK,
					    .program_size = (uint32_t)program.len,
					    .input_size = (uint32_t)names.len,
					    .cpu_s = CHECK_CPU_S };
	uint64_t deadline_ns = clock_monotonic_ns() + CHECK_TIMEOUT_MS * NS_PER_MS;
	struct jq_answer answer = { 0 };
	char *message;
	int r = check_send(fd, (struct str){ (const char *)&request, sizeof(request) },
			   deadline_ns);

	if (r == 0)
		r = check_send(fd, program, deadline_ns);
	if (r == 0)
		r = check_send(fd, names, deadline_ns);
	if (r == 0)
		r = check_receive(fd, (char *)&answer, sizeof(answer), deadline_ns);
	if (r < 0 || answer.status == JQ_STATUS_OK)
		return r;
	if (answer.size > JQ_MESSAGE_MAX)
		return -EPROTO;
	message = arena_alloc(arena, (size_t)answer.size + 1);
	if (!message)
		return -ENOMEM;
	r = check_receive(fd, message, answer.size, deadline_ns);
	*ret_message = (struct str){ message, answer.size };
	return r < 0 ? r : 1;
}

int jq_check_program(struct jq_check *check, struct str program, struct str names,
		     struct arena *arena, struct str *ret_message)
{
	int r = check->slot.child.pid ? 0 : jq_slot_start(&check->slot);

	if (r < 0)
		return r;
	r = check_ask(check->slot.fd, program, names, arena, ret_message);
	if (r < 0)
		jq_slot_end(&check->slot); /* the next program finds another worker */
	return r;
}
