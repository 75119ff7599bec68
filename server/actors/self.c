/* server/actors/self.c: one actor: its state, and whose turn it is. All of it is on its loop.
 *
 *   handle --> (a restart's pause) --> (init, once) --> the handler --> next
 *
 * The message is held (core/task/actor.h) until all of that is over, and what it is looked up in is
 * the generation of the moment. */
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/actors/private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAUSE_FIRST_MS = 20, /* after a failure, with restart: reset, or of init */
	PAUSE_MAX_MS = 60000,
	SWAP_MS = 2, /* another loop has a newer generation already: this one will soon */
	GONE_MS = 2, /* before one that is not in the file any more ends, if it has nothing to do */
};

static struct actor_mail *self_mail(const struct actor_self *self)
{
	struct message *message = actor_held(self->actor);

	return message ? container_of(message, struct actor_mail, message) : NULL;
}

/* ------------------------------------------------------------ the first state */

struct state_env {
	struct expr_env env;
	struct actor_self *self;
	const struct actor_spec *spec;
};

static int state_root(struct expr_env *env, enum expr_root root, struct str key, struct value *ret)
{
	struct state_env *own = container_of(env, struct state_env, env);

	*ret = value_null();
	for (size_t i = 0; root == ROOT_PATH && key.ptr && i < own->spec->n_keys; i++)
		if (str_eq(key, str_of(own->spec->keys[i])))
			*ret = value_text(actor_name_key(own->self->name, i, env->arena));
	return 0;
}

static struct blob *self_first_state(struct actor_self *self, const struct actor_spec *spec)
{
	struct arena arena;
	struct state_env own = { { .arena = &arena, .root = state_root }, self, spec };
	struct blob *blob = NULL;
	struct value value;
	struct buf json;
	int r;

	if (!spec->state)
		return NULL;
	arena_init(&arena, self->loop->memory_max);
	r = template_tree_eval(spec->state, &own.env, &value);
	if (r == 0) {
		buf_init_arena(&json, &arena);
		value_write_json(value, &json);
		blob = json.error ? NULL : blob_create(buf_str(&json));
	}
	if (!blob)
		log_warning("actor state not made name=%s error=%s; it is null",
			    LOG_QUOTE(self->name), LOG_QUOTE(str_of(own.env.message)));
	arena_fini(&arena);
	return blob;
}

/* Counted whatever limits.total_memory says: what is new was counted before (run.c), or is the first state,
 * or the store's, of an actor that was not refused. */
void actor_self_set_state(struct actor_self *self, struct blob *state)
{
	struct actors *actors = self->loop->actors;

	actors_count_anyway(actors, self->group, blob_memory(state));
	actors_uncount(actors, self->group, blob_memory(self->state));
	blob_unref(self->state);
	self->state = state;
}

static void self_reset(struct actor_self *self, const struct actor_spec *spec)
{
	actor_self_set_state(self, self_first_state(self, spec));
	self->unready = spec->init != NULL;
	if (spec->persists && self->loaded)
		actor_keep_drop(self);
}

/* When the generation at work is the first to know it: also after messages from loops that had that earlier. */
static void self_make(struct actor_self *self, const struct actor_spec *spec)
{
	if (self->made)
		return;
	self->made = true;
	actors_set_mailbox(self->loop->actors, self->actor, spec);
	self_reset(self, spec);
}

/* Whose `persist: true` is newer than its state: that is what is kept from now on, whatever the store has.
 * False: the store has no time for it. */
static bool self_save(struct actor_self *self, const struct actor_spec *spec)
{
	if (!spec || !spec->persists || !self->unsaved)
		return true;
	self->loaded = true;
	self->unsaved = actor_keep_save(self, self->state, NULL) < 0;
	return !self->unsaved;
}

/* ------------------------------------------------------------ idle */

static void self_set_busy(struct actor_self *self, bool is_busy)
{
	if (self->is_busy == is_busy)
		return;
	self->is_busy = is_busy;
	list_remove(&self->link);
	list_add_first(is_busy ? &self->loop->busy : &self->loop->selves, &self->link);
}

/* Nothing is in work. NULL: it is not in the file any more, and goes when nothing is left to do. Not before, so that there is never a second
 * one with its name. */
static void self_await_idle(struct actor_self *self, const struct actor_spec *spec)
{
	self_set_busy(self, false);
	if (!spec)
		timer_start(&self->idle, GONE_MS);
	else if (spec->idle_ms)
		timer_start(&self->idle, spec->idle_ms);
}

static const struct actor_spec *self_spec(const struct actor_self *self)
{
	const struct actor_spec *spec = actor_spec_find(self->loop->section, self->group->name);

	return spec && !spec->foreign && spec->n_keys == actor_name_n_keys(self->name) ? spec
										       : NULL;
}

static void self_on_idle(struct timer *timer)
{
	struct actor_self *self = container_of(timer, struct actor_self, idle);
	const struct actor_spec *spec = self_spec(self);

	if (!self_save(self, spec) ||
	    !actors_retire(self->loop->actors, self, spec && spec->persists))
		self_await_idle(self, spec);
}

/* ------------------------------------------------------------ a message */

static void self_refuse(struct actor_self *self, enum error_code code, struct str detail)
{
	const struct failure failure = { .code = code, .detail = detail };
	struct actor_mail *mail = self_mail(self);

	if (!mail->first)
		actor_mail_fail(mail, self->name, &failure);
	actor_resume(self->actor);
}

static void self_on_pause_end(struct timer *timer);

static void self_begin(struct actor_self *self)
{
	struct loop *loop = self->loop->host.loop;

	self->begun = true;
	list_init(&self->link);
	list_add_first(&self->loop->selves, &self->link);
	timer_init(&self->idle, loop, self_on_idle);
	timer_init(&self->pause, loop, self_on_pause_end);
}

static bool self_is_early(const struct actor_self *self, const struct actor_mail *mail)
{
	return mail->generation > self->loop->generation_number && !self->loop->cancelled;
}

static void self_handle(struct actor_self *self, struct actor_mail *mail,
			const struct actor_spec *spec)
{
	const struct actor_handler *handler = actor_handler_find(spec, mail->handler);

	if (handler)
		actor_run_start(self, mail, spec, handler, false);
	else if (self_is_early(self, mail))
		timer_start(&self->pause, SWAP_MS);
	else
		self_refuse(self, ERROR_NOT_FOUND, STR("the actor has no such handler"));
}

static void self_go(struct actor_self *self);

static void self_on_loaded(struct actor_self *self, int error, bool found, struct blob *state)
{
	if (error < 0) {
		log_warning("actor state not read name=%s error=%s, the message fails",
			    LOG_QUOTE(self->name), strerrorname_np(-error));
		self_refuse(self, ERROR_UNAVAILABLE, STR("the actor's state could not be read"));
		self_await_idle(self, self_spec(self));
		return;
	}
	self->loaded = true;
	if (found) {
		actor_self_set_state(self, blob_ref(state));
		self->unready = false;
	}
	self_go(self);
	if (!actor_held(self->actor))
		self_await_idle(self, self_spec(self));
}

static void self_load(struct actor_self *self)
{
	int r = actor_keep_load(self, self_on_loaded);

	if (r < 0)
		self_refuse(self, ERROR_UNAVAILABLE,
			    r == -EAGAIN ? STR("too much waits for the store")
					 : STR("there is no store here"));
}

static void self_go_on(struct actor_self *self, struct actor_mail *mail,
		       const struct actor_spec *spec)
{
	if (self->stopped)
		self_refuse(self, ERROR_UNAVAILABLE, STR("the actor has stopped after a failure"));
	else if (spec->persists && !self->loaded && !self->unsaved)
		self_load(self);
	else if (self->ready_ns > clock_monotonic_ns())
		timer_start_at(&self->pause, self->ready_ns);
	else if (self->unready && spec->init)
		actor_run_start(self, mail, spec, spec->init, true);
	else if (mail->first)
		actor_resume(self->actor);
	else
		self_handle(self, mail, spec);
}

static void self_go(struct actor_self *self)
{
	const struct actor_spec *spec = self_spec(self);
	struct actor_mail *mail = self_mail(self);

	if (self->loop->cancelled || atomic_load(&self->loop->actors->stopping)) {
		self_refuse(self, ERROR_UNAVAILABLE, STR("the daemon is stopping"));
	} else if (!spec && self_is_early(self, mail)) {
		timer_start(&self->pause, SWAP_MS);
	} else if (!spec) {
		self_refuse(self, ERROR_NOT_FOUND, STR("there is no such actor any more"));
	} else {
		self_make(self, spec);
		self_go_on(self, mail, spec);
	}
}

static void self_on_pause_end(struct timer *timer)
{
	struct actor_self *self = container_of(timer, struct actor_self, pause);

	self_go(self);
	if (!actor_held(self->actor))
		self_await_idle(self, self_spec(self));
}

void actor_self_handle(struct message *message, struct actor *actor)
{
	struct actor_self *self = actor_state(actor);

	(void)message;
	if (!self->begun)
		self_begin(self);
	timer_stop(&self->idle);
	actor_hold(actor);
	self_go(self);
	if (actor_held(actor))
		self_set_busy(self, true);
	else
		self_await_idle(self, self_spec(self));
}

/* ------------------------------------------------------------ after a run */

static void self_count(struct actor_self *self, bool failed)
{
	self->n_handled++;
	self->n_failed += failed;
	atomic_fetch_add_explicit(&self->group->n_handled, 1, memory_order_relaxed);
	if (failed)
		atomic_fetch_add_explicit(&self->group->n_failed, 1, memory_order_relaxed);
}

static void self_on_failure(struct actor_self *self, const struct actor_spec *spec, bool is_init)
{
	if (spec->restart == RESTART_KEEP && !is_init)
		return;
	self->n_failures++;
	self->ready_ns =
		clock_monotonic_ns() + backoff_ns(PAUSE_FIRST_MS, PAUSE_MAX_MS, self->n_failures);
	if (spec->restart == RESTART_STOP) {
		self->stopped = true;
	} else if (!is_init) {
		self_reset(self, spec);
		self->unsaved = !spec->persists;
	}
	log_warning("actor %s name=%s failures=%u",
		    self->stopped ? "stopped"
		    : is_init     ? "not ready"
				  : "reset",
		    LOG_QUOTE(self->name), self->n_failures);
	actor_tell_links(self, STR("failed"));
	actor_links_tell(self->loop->actors, NULL, self->name, ACTOR_END_FAILED);
	if (!is_init || self->stopped)
		actor_links_drop(self->loop->actors, self->name);
}

void actor_self_on_run(struct actor_self *self, struct actor_mail *mail, bool is_init,
		       enum run_end end)
{
	const struct actor_spec *spec = self_spec(self);

	if (!is_init)
		self_count(self, end != RUN_OK);
	if (end == RUN_FAILED && spec && !self->loop->cancelled)
		self_on_failure(self, spec, is_init);
	if (end == RUN_OK && !is_init)
		self->n_failures = 0; /* init that succeeds is no reason to fail faster */
	self_save(self, spec);
	if (is_init && end == RUN_OK) {
		self->unready = false;
		if (!mail->first) {
			self_go(self);
			if (!actor_held(self->actor))
				self_await_idle(self, spec);
			return;
		}
	}
	actor_resume(self->actor);
	self_await_idle(self, spec);
}

/* ------------------------------------------------------------ a reload */

void actor_self_on_generation(struct actor_self *self)
{
	const struct actor_spec *spec = self_spec(self);

	self->stopped = false;
	self->ready_ns = 0; /* what has failed may be mended now */
	if (timer_is_running(&self->pause))
		timer_start(&self->pause, 0);
	timer_stop(&self->idle);
	if (spec && self->made)
		actors_set_mailbox(self->loop->actors, self->actor, spec);
	if (actor_held(self->actor))
		return;
	self_save(self, spec);
	self_await_idle(self, spec);
}

/* ------------------------------------------------------------ the end */

static void self_interrupt(struct actor *actor)
{
	struct actor_self *self = actor_state(actor);

	if (self->keeping)
		return; /* it is told soon */
	if (self->run) {
		flow_run_cancel(&self->run->flow);
		return;
	}
	timer_stop(&self->pause);
	self_refuse(self, ERROR_UNAVAILABLE, STR("the actor has ended"));
}

static void self_fini(struct actor *actor, enum actor_end end)
{
	struct actor_self *self = actor_state(actor);
	struct actors *actors = self->loop->actors;

	if (self->begun) {
		timer_stop(&self->idle);
		timer_stop(&self->pause);
		list_remove(&self->link);
	}
	actor_tell_links(self, str_of(actor_end_name(end)));
	actors_forget(actors, self->name, actor);
	actor_self_set_state(self, NULL);
	actors_uncount(actors, self->group, self->base_size);
	free((char *)(uintptr_t)self->name.ptr);
	atomic_fetch_sub(&self->group->n_live, 1);
	atomic_fetch_sub(&actors->n_live, 1);
}

const struct actor_kind actor_self_kind = { .name = "actor",
					    .state_size = sizeof(struct actor_self),
					    .interrupt = self_interrupt,
					    .fini = self_fini };
