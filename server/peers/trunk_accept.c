/* server/peers/trunk_accept.c: a trunk that the other host makes: a request to PEER_PATH, whose connection
 * goes on as one.
 *
 * The bytes that come are the request's body, those that go the body of its answer; both end with the
 * connection. The request's policies are those of its listener. */
#include "core/base/memory.h"
#include "server/live/outbox.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include "server/request.h"
#include "server/tls_info.h"
#include "server/worker.h"
#include <stdlib.h>

struct accepted {
	struct trunk trunk;
	struct outbox outbox;
	struct body_intake intake;
	struct tls_info *tls; /* a reference, or NULL */
};

static struct accepted *accepted_of(struct trunk *trunk)
{
	return container_of(trunk, struct accepted, trunk);
}

static bool accepted_write(struct trunk *trunk, struct str bytes)
{
	struct accepted *accepted = accepted_of(trunk);

	return outbox_put(&accepted->outbox, packet_create(accepted->outbox.budget, bytes), false);
}

static size_t accepted_unsent(const struct trunk *trunk)
{
	return container_of(trunk, const struct accepted, trunk)->outbox.size;
}

static void accepted_close(struct trunk *trunk, bool failed)
{
	struct accepted *accepted = accepted_of(trunk);

	if (failed)
		outbox_clear(&accepted->outbox);
	outbox_end(&accepted->outbox);
}

static void accepted_free(struct trunk *trunk)
{
	struct accepted *accepted = accepted_of(trunk);

	outbox_fini(&accepted->outbox);
	tls_info_unref(accepted->tls);
	free(accepted);
}

static const struct trunk_carrier accepted_carrier = { accepted_write, accepted_unsent,
						       accepted_close, accepted_free };

/* ------------------------------------------------------------ what the connection tells */

static enum intake accepted_data(struct body_intake *intake, struct str bytes)
{
	trunk_on_bytes(&container_of(intake, struct accepted, intake)->trunk, bytes);
	return INTAKE_TAKEN;
}

static enum intake accepted_end(struct body_intake *intake)
{
	trunk_close(&container_of(intake, struct accepted, intake)->trunk,
		    "that host has closed the connection");
	return INTAKE_TAKEN;
}

static void accepted_gone(struct body_intake *intake)
{
	trunk_end(&container_of(intake, struct accepted, intake)->trunk);
}

static const struct body_intake_ops accepted_ops = { accepted_data, accepted_end, accepted_gone };

static void accepted_on_sent(struct outbox *outbox)
{
	trunk_on_sent(&container_of(outbox, struct accepted, outbox)->trunk);
}

/* ------------------------------------------------------------ the request */

static void peer_refuse(struct request *request, int status, const char *detail)
{
	static struct http_field upgrade[] = {
		{ STR_INIT("Upgrade"), STR_INIT(PEER_PROTOCOL) },
		{ STR_INIT("Connection"), STR_INIT("Upgrade") },
	};
	struct reply reply = reply_problem(&request->arena, status, STR_NONE, STR_NONE,
					   request->context.id, str_of(detail));

	if (status == 426) {
		reply.fields = upgrade;
		reply.n_fields = ARRAY_LEN(upgrade);
	}
	request_reply(request, &reply);
}

/* Those that have not proven anything make room, or a few of them could keep all others out: the first that came has
 * had the most time. */
static void peer_make_room(struct peer_loop *loop)
{
	struct trunk *trunk;

	list_each(trunk, &loop->trunks, struct trunk, link) {
		if (loop->n_shaking < TRUNK_SHAKING_MAX)
			return;
		if (!trunk->dialled && trunk->state <= TRUNK_PROOF_WAITED)
			trunk_fail(trunk, "too many others connect");
	}
}

static struct accepted *accepted_create(struct request *request)
{
	struct peer_loop *loop = request->worker->peers;
	struct accepted *accepted = calloc(1, sizeof(*accepted));

	if (!accepted)
		return NULL;
	accepted->trunk.carrier = &accepted_carrier;
	if (!trunk_init_accepted(&accepted->trunk, loop)) {
		free(accepted);
		return NULL;
	}
	if (request->tls) {
		accepted->tls = tls_info_ref(request->tls);
		accepted->trunk.subject = request->tls->subject;
	}
	outbox_init(&accepted->outbox, loop->loop, loop->budget);
	accepted->outbox.on_sent = accepted_on_sent;
	accepted->intake.ops = &accepted_ops;
	return accepted;
}

void peer_accept(struct request *request)
{
	static struct http_field fields[] = {
		{ STR_INIT("Connection"), STR_INIT("Upgrade") },
		{ STR_INIT("Upgrade"), STR_INIT(PEER_PROTOCOL) },
	};
	struct peer_loop *loop = request->worker->peers;
	struct accepted *accepted;
	struct reply reply;

	if (request->head.minor == 0 || !request->head.upgrade.ptr ||
	    !http_head_has_token(&request->head, STR("upgrade"), STR(PEER_PROTOCOL))) {
		peer_refuse(request, 426, "this is for other daemons that speak " PEER_PROTOCOL);
		return;
	}
	peer_make_room(loop);
	if (loop->draining || !(accepted = accepted_create(request))) {
		peer_refuse(request, 503, "no connection can be taken now");
		return;
	}
	reply = (struct reply){ .status = 101,
				.source = &accepted->outbox.source,
				.switches = true,
				.fields = fields,
				.n_fields = ARRAY_LEN(fields) };
	request->intake = &accepted->intake;
	request_reply(request, &reply);
}
