/* server/native/actor_link.c: who an actor of a module is linked to: those of the module by their handles
 * (core/task/actor.h), all others by their names (server/actors/links.h). */
#include "core/base/memory.h"
#include "server/actors/links.h"
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/call.h"
#include <stdlib.h>
#include <string.h>

void native_link(struct leat_call *call, struct leat_actor *other)
{
	call_enter(call, "link");
	call_check(call, call->self && other, "link", "the call handles a message");
	call_check(call, call->self->kind->on_exit, "link", "the actor's kind has an on_exit");
	actor_link(call->self->foreign.actor, other->foreign.actor);
}

void native_unlink(struct leat_call *call, struct leat_actor *other)
{
	call_enter(call, "unlink");
	call_check(call, call->self && other, "unlink", "the call handles a message");
	actor_unlink(call->self->foreign.actor, other->foreign.actor);
}

/* ------------------------------------------------------------ by name */

/* From the pool, where no generation is at work: done on the actor's home loop, in the order of the calls. */
struct named_link {
	struct post post;
	struct leat_actor *self; /* a handle of the core's */
	bool unlinks;
	char name[];
};

static void named_link_on_post(struct post *post)
{
	struct named_link *named = container_of(post, struct named_link, post);
	struct actor_foreign *foreign = &named->self->foreign;
	struct str name = str_of(named->name);
	const char *detail;

	if (named->unlinks)
		actor_unlink_foreign(foreign, name);
	else if (!actors_are_stopping(foreign->actors) &&
		 actor_link_foreign(foreign, native_actor_handle, name, &detail) != ERROR_NONE)
		native_actor_on_no_name(named->self, name);
	actor_unref(foreign->actor);
	free(named);
}

static void named_link_post(struct leat_actor *self, const char *name, bool unlinks)
{
	size_t size = strlen(name) + 1;
	struct named_link *named = mem_zalloc(sizeof(*named) + size);

	named->post.run = named_link_on_post;
	named->self = self;
	actor_ref(self->foreign.actor);
	named->unlinks = unlinks;
	memcpy(named->name, name, size);
	loop_post(actor_loop_loop(self->foreign.home), &named->post);
}

const char *native_link_name(struct leat_call *call, const char *name)
{
	enum error_code code;
	const char *detail;

	call_enter(call, "link_name");
	call_check(call, call->self && name, "link_name",
		   "the call handles a message, and there is a name");
	call_check(call, call->self->kind->on_exit, "link_name", "the actor's kind has an on_exit");
	if (!call->loop) {
		named_link_post(call->self, name, false);
		return NULL;
	}
	code = actor_link_foreign(&call->self->foreign, native_actor_handle, str_of(name), &detail);
	return code == ERROR_NONE ? NULL : error_code_name(code);
}

void native_unlink_name(struct leat_call *call, const char *name)
{
	call_enter(call, "unlink_name");
	call_check(call, call->self && name, "unlink_name",
		   "the call handles a message, and there is a name");
	if (call->loop)
		actor_unlink_foreign(&call->self->foreign, str_of(name));
	else
		named_link_post(call->self, name, true);
}
