/* server/flow/cached.c: `cache:` of a task.
 *
 *   the key --> there, and fresh ----------------------------> done
 *          \--> there, but old: the old one is given --------> done   (a new one is made meanwhile)
 *          \--> not there: wait for who makes it, or for the flow that this one starts
 *                   --> it came ---------------------------> done
 *                   --> it failed: the old one, as long as `stale:` allows; else that failure
 *
 * Making a result is a detached flow, which belongs to the key: it has copies of what it reads and
 * a deadline of its own, and nobody who leaves stops it. */
#include "core/base/clock.h"
#include "server/cache/answer.h"
#include "server/cache/remote.h"
#include "server/flow/step.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------ compiling */

/* What differs from one request or element to another. */
#define VARYING (~(ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET) | ROOT_BIT(ROOT_ERROR)))

static bool uses_has_task(const struct expr_uses *uses, uint32_t number)
{
	for (size_t i = 0; i < uses->n_tasks; i++)
		if (uses->tasks[i] == number)
			return true;
	return false;
}

/* DECISIONS 7: two that are told apart by something that the key does not name would get each
 * other's result. */
static bool cached_check_key(struct verb_compiler *compiler, const struct node *node,
			     const struct expr_uses *key)
{
	struct step *step = compiler->step;
	uint64_t missing = step->uses.roots & ~key->roots & VARYING;
	const char *name = NULL;

	for (unsigned root = 0; !name && root < N_ROOTS; root++)
		if (missing & ROOT_BIT(root))
			name = expr_root_name((enum expr_root)root);
	for (size_t i = 0; !name && i < step->refs.n_refs; i++)
		if (!uses_has_task(key, step->refs.refs[i].number))
			name = scope_step(compiler->names, step->refs.refs[i].number)->name.ptr;
	if (!name)
		return true;
	diag_error(compiler->flow->diag, node->place,
		   "the task reads ${%s…}, which its cache has no key for; name what it reads: "
		   "cache: {key: \"${%s…}\", ttl: …}",
		   name, name);
	return false;
}

static bool cached_compile_key(struct verb_compiler *compiler, struct cached_config *config,
			       const struct node *node)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = *compiler->expr;
	struct verb_compiler inner = *compiler;
	struct step_refs refs = compiler->step->refs;

	expr.uses = &uses;
	inner.expr = &expr;
	if (config->spec.key_node) {
		config->spec.key = verb_public_name(&inner, config->spec.key_node, "key");
		if (!config->spec.key)
			return false;
	}
	if (!cached_check_key(compiler, config->spec.key_node ? config->spec.key_node : node,
			      &uses))
		return false;
	compiler->step->refs = refs;
	compiler->step->uses.roots |= uses.roots;
	for (size_t i = 0; i < uses.n_tasks; i++)
		step_refs_add(&compiler->step->refs, compiler->flow->arena, uses.tasks[i],
			      uses.task_places[i]);
	return true;
}

static bool cached_check_task(struct verb_compiler *compiler, const struct node *node)
{
	const struct step *step = compiler->step;

	if (!step->known_verb || !step->known_verb->main_field) {
		diag_error(compiler->flow->diag, node->place,
			   "the task \"%s\" gives no result that could be kept; remove cache",
			   step->name.ptr);
		return false;
	}
	if (!step->streams)
		return true;
	diag_error(
		compiler->flow->diag, node->place,
		"the body of \"%s\" is passed on and not kept (stream: true); keep one of stream "
		"and cache",
		step->name.ptr);
	return false;
}

/* "GET /x > task" */
static struct str cached_name(struct verb_compiler *compiler)
{
	struct arena *arena = compiler->flow->arena;
	struct str path = scope_path(compiler->names, compiler->step->name, arena), part;
	struct str name = STR("");

	while (str_next_part(&path, '\x1f', &part))
		name = arena_printf(arena, "%.*s%s%.*s", STR_ARG(name), name.len ? " > " : "",
				    STR_ARG(part));
	return name;
}

bool cached_compile(struct verb_compiler *compiler, struct cached_config *config,
		    const struct node *node, const struct node *rest)
{
	struct flow_compiler *flow = compiler->flow;
	struct str name = cached_name(compiler);

	(void)rest;
	if (!flow->caches) {
		diag_error(flow->diag, node->place, "nothing can be kept here; remove cache");
		return false;
	}
	if (!cached_check_task(compiler, node) ||
	    !cache_spec_read(&config->spec, node, flow->arena, flow->diag) ||
	    !cached_compile_key(compiler, config, node) ||
	    !cache_spec_place(&config->spec, node, flow->redis, flow->diag))
		return false;
	config->spec.cache =
		cache_list_add(flow->caches, name, compiler->step->node, &config->spec);
	step_note(compiler->step, flow->arena,
		  arena_printf(flow->arena, "cache %llu ms",
			       (unsigned long long)config->spec.ttl_ms));
	return true;
}

/* ------------------------------------------------------------ what may be kept */

/* The first task in it that a result cannot stand for; NULL: none. Flows may call each other. */
static const struct step *flow_find_acting(const struct flow *flow, unsigned depth)
{
	for (size_t i = 0; depth < FLOW_CALLS_MAX && i < flow->n_steps; i++) {
		const struct step *step = &flow->steps[i];
		const struct step *inner = step->group ? flow_find_acting(step->group, depth + 1)
						       : NULL;

		if (inner)
			return inner;
		if (step->verb && (step->acts || (!step->group && !step->idempotent)))
			return step;
	}
	return NULL;
}

bool flow_find_change(const struct flow *flow, struct str *ret_name)
{
	const struct step *step = flow_find_acting(flow, 0);

	if (step)
		*ret_name = step->name;
	return step != NULL;
}

bool flow_check_cached(struct flow_compiler *compiler)
{
	bool ok = true;

	for (const struct flow *flow = compiler->flows; flow; flow = flow->next)
		for (size_t i = 0; i < flow->n_steps; i++) {
			const struct step *step = &flow->steps[i], *acting;

			if (step->verb != &verb_cached)
				continue;
			acting = flow_find_acting(step->group, 0);
			if (!acting)
				continue;
			diag_error(compiler->diag, step->place,
				   "the task \"%s\" changes something (`%s`), so a result that was "
				   "kept cannot stand for it; remove cache",
				   acting->name.ptr, acting->verb_name.ptr);
			ok = false;
		}
	return ok;
}

/* ------------------------------------------------------------ one use */

struct cached_state {
	struct step_run *step;
	struct cache_wait *wait; /* while it waits */
	struct cache_entry
		*old;           /* a reference, while it waits: what may be given when that fails */
	struct str key, result; /* in the arena */
	struct cache_remote remote;
	bool looking; /* in Redis */
};

static struct cached_state *cached_state(struct step_run *step)
{
	return step->state;
}

static void cached_forget(struct cached_state *state)
{
	state->wait = NULL;
	cache_entry_unref(take(&state->old));
}

/* The values of a result live as long as the flow, which the entry need not. */
static void cached_give(struct step_run *step, struct str bytes)
{
	struct cached_state *state = cached_state(step);

	state->result = arena_str(step_arena(step), bytes);
	step_done_errno(step, state->result.ptr ? 0 : -ENOMEM);
}

/* ------------------------------------------------------------ filling */

/* One that makes a result. On the heap: it outlives the task. */
struct filling {
	struct cache_fill *fill;
	const struct cached_config *config;
};

static void failure_pack(const struct failure *failure, struct cache_failure *ret)
{
	*ret = (struct cache_failure){ .code = (int)failure->code,
				       .status = failure->status,
				       .upstream_status = failure->upstream_status };
	snprintf(ret->custom, sizeof(ret->custom), "%.*s", STR_ARG(failure->custom_code));
	snprintf(ret->task, sizeof(ret->task), "%.*s", STR_ARG(failure->task));
	snprintf(ret->detail, sizeof(ret->detail), "%.*s", STR_ARG(failure->detail));
}

static struct failure failure_unpack(const struct cache_failure *failure, struct arena *arena)
{
	return (struct failure){
		.code = (enum error_code)failure->code,
		.status = failure->status,
		.upstream_status = failure->upstream_status,
		.custom_code = arena_str(arena, str_of(failure->custom)),
		.task = arena_str(arena, str_of(failure->task)),
		.detail = arena_str(arena, str_of(failure->detail)),
	};
}

static struct cache_entry *filling_entry(const struct filling *filling, struct flow_run *ended,
					 bool *ret_keep)
{
	const struct cache_spec *spec = &filling->config->spec;
	struct cache_parts parts = {
		.key = cache_fill_key(filling->fill),
		.times = cache_times_from(clock_monotonic_ns(), spec->ttl_ms, spec->revalidate_ms,
					  spec->error_ms),
		.budget = ended->context->arena->budget,
	};
	struct cache_entry *entry;
	bool secret;
	struct buf out;

	buf_init(&out, ended->context->arena->max);
	if (cached_write(ended, 0, &out, &secret) < 0) {
		buf_fini(&out);
		return NULL;
	}
	*ret_keep = !ended->context->degraded && out.len <= spec->entry_bytes &&
		    !(secret && spec->redis);
	parts.body = buf_str(&out);
	parts.own_body = out.data;
	entry = cache_entry_create(&parts);
	if (!entry)
		buf_fini(&out);
	return entry;
}

static void filling_on_end(void *owner, struct flow_run *ended)
{
	struct filling *filling = owner;
	struct cache_failure failure;
	struct cache_result result = { .end = CACHE_END_FAILED, .failure = &failure };

	if (ended->failure.code != ERROR_NONE) {
		failure_pack(&ended->failure, &failure);
	} else {
		result.entry = filling_entry(filling, ended, &result.keep);
		result.end = result.entry ? CACHE_END_ENTRY : CACHE_END_FAILED;
		failure_pack(&(struct failure){ .code = ERROR_MEMORY_LIMIT,
						.detail = STR("no memory for the result") },
			     &failure);
	}
	if (result.keep && filling->config->spec.redis) {
		cache_remote_put(ended->context, &filling->config->spec, result.entry);
		result.keep = false;
	}
	cache_fill_end(filling->fill, &result);
	cache_entry_unref(result.entry);
	free(filling);
}

static void cached_start_filling(struct step_run *step, struct cache_fill *fill)
{
	struct filling *filling = malloc(sizeof(*filling));
	struct cache_failure failure = { .code = ERROR_MEMORY_LIMIT };

	if (filling) {
		*filling = (struct filling){ fill, step->config };
		if (detached_start(step, step->config, filling_on_end, filling))
			return;
		free(filling);
	}
	cache_fill_end(fill,
		       &(struct cache_result){ .end = CACHE_END_FAILED, .failure = &failure });
}

/* ------------------------------------------------------------ waiting */

static void cached_on_end(struct cache_wait *wait)
{
	struct step_run *step = wait->owner;
	struct cached_state *state = cached_state(step);
	struct cache_entry *old = take(&state->old);
	struct failure failure;

	state->wait = NULL;
	if (wait->end == CACHE_END_ENTRY) {
		cached_give(step, wait->entry->body);
	} else if (old && clock_monotonic_ns() < old->times.error_ns) {
		const struct cached_config *config = step->config;

		cache_count(&config->spec.cache->counts.stale);
		cached_give(step, old->body);
	} else {
		failure = failure_unpack(&wait->failure, step_arena(step));
		step->sent = true;
		step_fail_wrapped(step, &failure);
	}
	cache_entry_unref(old);
}

/* Waits for a result, and makes it when nobody does. */
static bool cached_wait(struct step_run *step, struct cache_entry *seen)
{
	const struct cached_config *config = step->config;
	struct cached_state *state = cached_state(step);
	struct cache_fill *fill = NULL;
	const struct cache_ask ask = { .key = state->key,
				       .seen = config->spec.redis ? NULL : seen,
				       .loop = step->run->context->loop,
				       .on_end = cached_on_end,
				       .owner = step,
				       .leader_waits = true };

	switch (cache_fill_begin(config->spec.cache->store, &ask, &fill, &state->wait)) {
	case CACHE_LEADS:
		cache_count(&config->spec.cache->counts.misses);
		state->old = seen;
		cached_start_filling(step, fill);
		return true;
	case CACHE_WAITS:
		cache_count(&config->spec.cache->counts.coalesced);
		state->old = seen;
		return true;
	case CACHE_CHANGED:
		return false;
	case CACHE_BUSY:
	case CACHE_FULL:
		cache_entry_unref(seen);
		step_done(step, ERROR_QUEUE_FULL, STR("too many wait for the same result"));
		return true;
	}
	unreachable();
}

static void cached_revalidate(struct step_run *step, struct cache_entry *seen)
{
	const struct cached_config *config = step->config;
	const struct cache_ask ask = { .key = cached_state(step)->key,
				       .seen = config->spec.redis ? NULL : seen };
	struct cache_wait *wait = NULL;
	struct cache_fill *fill = NULL;

	if (cache_fill_begin(config->spec.cache->store, &ask, &fill, &wait) == CACHE_LEADS)
		cached_start_filling(step, fill);
}

/* With what was found, whose reference it takes. False: somebody was faster, so it has to be
 * looked for again. */
static bool cached_use(struct step_run *step, struct cache_entry *entry)
{
	const struct cached_config *config = step->config;
	struct cache *cache = config->spec.cache;
	uint64_t now = clock_monotonic_ns();

	if (!entry || now >= entry->times.revalidate_ns) {
		if (cached_wait(step, entry))
			return true;
		cache_entry_unref(entry);
		return false;
	}
	if (now < entry->times.fresh_ns) {
		cache_count(&cache->counts.hits);
	} else {
		cache_count(&cache->counts.stale);
		cached_revalidate(step, entry);
	}
	cached_give(step, entry->body);
	cache_entry_unref(entry);
	return true;
}

static void cached_on_found(struct cache_remote *remote, struct cache_entry *entry)
{
	struct step_run *step = remote->owner;

	cached_state(step)->looking = false;
	if (entry && (entry->kind != CACHE_RESULT || !cached_is_valid(entry->body))) {
		cache_entry_unref(entry);
		entry = NULL;
	}
	check(cached_use(step, entry)); /* nothing is in the store that could have changed */
}

static void cached_look(struct step_run *step)
{
	const struct cached_config *config = step->config;
	struct cached_state *state = cached_state(step);

	if (config->spec.redis) {
		state->looking = true;
		cache_remote_get(&state->remote, step->run->context, &config->spec, state->key,
				 cached_on_found, step);
		return;
	}
	while (!cached_use(step, cache_store_find(config->spec.cache->store, state->key)))
		;
}

static void cached_start(struct step_run *step)
{
	const struct cached_config *config = step->config;
	struct cached_state *state = cached_state(step);
	int r = 0;

	state->step = step;
	state->key = STR("");
	if (config->spec.key)
		r = step_eval_name(step, config->spec.key, &state->key);
	if (r < 0)
		step_done_errno(step, r);
	else if (state->key.len > CACHE_KEY_MAX)
		step_done(step, ERROR_INVALID_INPUT, STR("the key of the cache is too long"));
	else
		cached_look(step);
}

static void cached_cancel(struct step_run *step)
{
	struct cached_state *state = cached_state(step);

	if (state->looking)
		cache_remote_cancel(&state->remote);
	if (state->wait)
		cache_wait_leave(state->wait);
	cached_forget(state);
	step_done(step, ERROR_CANCELLED, STR_NONE);
}

static int cached_field(struct step_run *step, struct str name, struct value *ret)
{
	return cached_read(cached_state(step)->result, name, step_arena(step), ret);
}

const struct verb verb_cached = {
	.name = "cached",
	.help = "Gives a result that was kept, or makes it.",
	.state_size = sizeof(struct cached_state),
	.start = cached_start,
	.cancel = cached_cancel,
	.field = cached_field,
};
