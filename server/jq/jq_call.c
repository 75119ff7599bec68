/* server/jq/jq_call.c */
#include "server/jq/jq_call.h"
#include "core/io/net.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>

enum { JQ_WAITING_MAX = 256 }; /* calls that wait for a worker */

/* ------------------------------------------------------------ the end */

/* Whoever asked hears of it, unless he has left. */
static void call_tell(struct jq_call *call, enum jq_end end)
{
	jq_call_fn *on_end = take(&call->on_end);

	call->end = end;
	if (on_end)
		on_end(call);
}

/* The worker, if there still is one, is there for the next. */
static void call_destroy(struct jq_call *call)
{
	struct processes *processes = call->processes;

	permit_release(&call->permit);
	free(call);
	processes_release(processes);
}

static void call_on_exit(struct child *child)
{
	struct jq_slot *slot = container_of(child, struct jq_slot, child);
	struct jq_call *call = slot->call;

	jq_slot_end(slot);
	call_destroy(call);
}

/* The place is taken until the worker is gone, so that there are never more than there may be. */
static void call_bury(struct jq_call *call)
{
	struct jq_slot *slot = call->slot;

	call->state = JQ_CALL_BURYING;
	loop_remove(call->processes->loop, &call->watch);
	fd_close(&slot->fd);
	child_signal(&slot->child, SIGKILL);
	slot->call = call;
	child_watch(&slot->child, call->processes->loop, call_on_exit);
}

static void call_fail_talk(struct jq_call *call, enum jq_end end)
{
	call_bury(call);
	call_tell(call, end);
}

static void call_finish(struct jq_call *call)
{
	static const enum jq_end ends[] = { [JQ_STATUS_OK] = JQ_END_OK,
					    [JQ_STATUS_FAILED] = JQ_END_FAILED,
					    [JQ_STATUS_TOO_LARGE] = JQ_END_TOO_LARGE };
	const struct jq_answer *answer = &call->answer;

	if (answer->status == JQ_STATUS_OK)
		call->first = (struct str){ call->text.ptr + 1, answer->first_size };
	loop_remove(call->processes->loop, &call->watch);
	call_tell(call, ends[answer->status]);
	call_destroy(call);
}

/* ------------------------------------------------------------ talking */

/* What is still to be sent of head, program and input. */
static size_t call_unsent(const struct jq_call *call, struct iovec parts[3])
{
	const struct str whole[] = { { (const char *)&call->request, sizeof(call->request) },
				     call->spec.program,
				     call->spec.input };
	size_t skip = call->n_sent, n_parts = 0;

	for (size_t i = 0; i < 3; i++) {
		struct str left = str_skip(whole[i], skip);

		skip -= MIN(skip, whole[i].len);
		if (left.len > 0)
			parts[n_parts++] = (struct iovec){ (char *)(uintptr_t)left.ptr, left.len };
	}
	return n_parts;
}

/* 1: all is sent; 0: later; a negative errno. */
static int call_send(struct jq_call *call)
{
	struct iovec parts[3];
	struct msghdr message = { .msg_iov = parts };

	while ((message.msg_iovlen = call_unsent(call, parts)) > 0) {
		ssize_t n = sendmsg(call->slot->fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		call->n_sent += (size_t)n;
	}
	return 1;
}

/* A worker that was taken over by its input may say anything. */
static bool call_check_answer(const struct jq_call *call)
{
	const struct jq_answer *answer = &call->answer;

	return answer->number == call->request.number && answer->status <= JQ_STATUS_TOO_LARGE &&
	       answer->size <= (uint64_t)call->spec.output_max + 2 + JQ_MESSAGE_MAX &&
	       (answer->status != JQ_STATUS_OK || answer->size >= 2) &&
	       (answer->first_size == 0 || answer->first_size <= answer->size - 2);
}

/* Where the next bytes of the answer go, and how many may come. */
static void call_room(struct jq_call *call, char **ret_at, size_t *ret_size)
{
	size_t n_read = call->n_read, head_size = sizeof(call->answer);

	if (n_read < head_size) {
		*ret_at = (char *)&call->answer + n_read;
		*ret_size = head_size - n_read;
		return;
	}
	*ret_at = (char *)(uintptr_t)call->text.ptr + (n_read - head_size);
	*ret_size = call->answer.size - (n_read - head_size);
}

/* The head of the answer is whole. */
static int call_take_head(struct jq_call *call)
{
	char *bytes;

	if (!call_check_answer(call))
		return -EPROTO;
	bytes = arena_alloc(call->arena, (size_t)call->answer.size + 1);
	if (!bytes)
		return -ENOMEM;
	call->text = (struct str){ bytes, call->answer.size };
	return 0;
}

/* 1: the answer is whole; 0: more is to come; a negative errno. */
static int call_receive(struct jq_call *call)
{
	for (;;) {
		char *at;
		size_t size;
		ssize_t n;
		int r = 0;

		call_room(call, &at, &size);
		if (size == 0)
			return 1;
		n = recv(call->slot->fd, at, size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -EPIPE : errno == EAGAIN ? 0 : -errno;
		call->n_read += (size_t)n;
		if (call->n_read == sizeof(call->answer))
			r = call_take_head(call);
		if (r < 0)
			return r;
	}
}

static void call_on_event(struct watch *watch, uint32_t events)
{
	struct jq_call *call = container_of(watch, struct jq_call, watch);
	int r = 0;

	if (events & EPOLLOUT) {
		r = call_send(call);
		if (r > 0)
			r = loop_change(call->processes->loop, watch, EPOLLIN);
	}
	if (r == 0 && events & ~(uint32_t)EPOLLOUT)
		r = call_receive(call);
	if (r > 0)
		call_finish(call);
	else if (r < 0)
		call_fail_talk(call, r == -ENOMEM ? JQ_END_MEMORY : JQ_END_DIED);
}

static void call_talk(struct jq_call *call)
{
	struct jq_slot *slot = call->slot;
	int sent, r;

	call->state = JQ_CALL_TALKING;
	call->request = (struct jq_request){
		.op = JQ_OP_RUN,
		.number = ++slot->n_requests,
		.program_size = (uint32_t)call->spec.program.len,
		.input_size = (uint32_t)call->spec.input.len,
		.output_max = call->spec.output_max,
		.cpu_s = call->spec.cpu_s,
	};
	sent = call_send(call);
	r = loop_add(call->processes->loop, &call->watch, slot->fd,
		     sent > 0 ? EPOLLIN : EPOLLIN | EPOLLOUT, call_on_event);
	if (r == 0 && sent >= 0)
		return;
	call_fail_talk(call, JQ_END_DIED);
}

/* ------------------------------------------------------------ the worker */

static void call_on_spawn(struct work *work)
{
	struct jq_call *call = container_of(work, struct jq_call, work);

	call->error = jq_slot_start(call->slot);
	loop_post(call->processes->loop, &call->post);
}

static void call_end_unstarted(struct jq_call *call, enum jq_end end)
{
	call_tell(call, end);
	call_destroy(call);
}

static void call_on_started(struct post *post)
{
	struct jq_call *call = container_of(post, struct jq_call, post);

	if (call->error)
		call_end_unstarted(call, JQ_END_UNAVAILABLE);
	else if (!call->on_end)
		call_destroy(call);
	else
		call_talk(call);
}

/* One that died while nobody used it is no fault of this input's. */
static void call_take_worker(struct jq_call *call)
{
	struct jq_slot *slot = call->slot = &call->pool->slots[permit_number(&call->permit)];
	int r;

	if (slot->child.pid > 0 && child_has_exited(&slot->child))
		jq_slot_end(slot);
	if (slot->child.pid > 0) {
		call_talk(call);
		return;
	}
	call->state = JQ_CALL_STARTING;
	r = spawner_submit(call->pool->spawner, &call->work);
	if (r == 0)
		return; /* `error` is that thread's now */
	call->error = r;
	call_end_unstarted(call, JQ_END_UNAVAILABLE);
}

static void call_on_permit(struct task *task)
{
	struct jq_call *call = container_of(task, struct jq_call, permit.task);
	enum reason reason = wait_reason(&call->permit);

	if (reason == REASON_NONE && call->on_end)
		call_take_worker(call);
	else
		call_end_unstarted(call, reason == REASON_FULL ? JQ_END_FULL : JQ_END_CANCELLED);
}

struct jq_call *jq_call_start(const struct context *context, struct scope *scope,
			      const struct jq_spec *spec, jq_call_fn *on_end, void *owner)
{
	struct jq_call *call = calloc(1, sizeof(*call));
	const struct acquire acquire = { .n_permits = (uint32_t)context->jq->n_slots,
					 .n_wait_max = JQ_WAITING_MAX,
					 .wait_ms = WAIT_FOREVER };

	if (!call)
		return NULL;
	call->owner = owner;
	call->on_end = on_end;
	call->pool = context->jq;
	call->processes = context->processes;
	call->arena = context->arena;
	call->spec = *spec;
	call->watch.fd = -1;
	call->work.run = call_on_spawn;
	call->post.run = call_on_started;
	processes_hold(call->processes);
	acquire_init(&call->permit, context->homes, STR(JQ_PERMITS), &acquire, call_on_permit);
	task_start(&call->permit.task, scope);
	return call;
}

void jq_call_leave(struct jq_call *call)
{
	call->on_end = NULL;
	if (call->state == JQ_CALL_WAITING)
		task_cancel(&call->permit.task);
	else if (call->state == JQ_CALL_TALKING)
		call_bury(call);
}
