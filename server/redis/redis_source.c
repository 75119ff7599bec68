/* server/redis/redis_source.c: `source: { redis: … }`, and what both of its ways have in common. */
#include "server/redis/redis_source.h"
#include "core/base/backoff.h"
#include "core/base/base64.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/expr/json.h"
#include "server/redis/redis_section.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RETRY_FIRST_MS = 50, RETRY_MAX_MS = 5000, GROUP_MAX = 200 };

struct redis_source_config {
	const struct node *redis;
	struct str stream, group, consumer, start, dead_letter;
	uint64_t claim_ms;
	struct setting_texts subscribe, psubscribe, ssubscribe;
};

#define AT(field) offsetof(struct redis_source_config, field)
const struct setting redis_source_keys[] = {
	{ "redis", SETTING_NODE, AT(redis), .help = "The name of an entry of the section redis." },
	{ "stream", SETTING_TEXT, AT(stream),
	  .help = "The key of a stream, which is read as a consumer of `group`: at least once." },
	{ "group", SETTING_TEXT, AT(group),
	  .help = "The group of consumers; it is made, and the stream too, when there is none." },
	{ "consumer", SETTING_TEXT, AT(consumer),
	  .help = "The name within the group; by default leat- and the name of the host." },
	{ "start", SETTING_TEXT, AT(start), "$",
	  .help = "Where a new group begins: $ with what comes from now on, 0 with all, or an "
		  "id." },
	{ "claim", SETTING_DURATION, AT(claim_ms), "1h",
	  "What other consumers have had for this long without acknowledging it is taken over; "
	  "longer than a message may ever be in work. 0: never.",
	  .max = INT64_C(86400000) * 100 },
	{ "dead_letter", SETTING_TEXT, AT(dead_letter),
	  .help = "The stream for messages all of whose attempts have failed; without it they are "
		  "dropped, and told in the log." },
	{ "subscribe", SETTING_TEXTS, AT(subscribe),
	  .help = "Channels: at most once, what comes while nobody listens is lost." },
	{ "psubscribe", SETTING_TEXTS, AT(psubscribe), .help = "Patterns of channels." },
	{ "ssubscribe", SETTING_TEXTS, AT(ssubscribe), .help = "Sharded channels (Redis 7)." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the configuration */

static bool source_refuse(struct flow_compiler *compiler, struct place place, const char *message)
{
	diag_error(compiler->diag, place, "%s", message);
	return false;
}

/* Exactly one of the four. */
static bool source_take_mode(struct flow_compiler *compiler, const struct node *node,
			     const struct redis_source_config *config,
			     struct redis_source_spec *spec)
{
	const struct setting_texts *const channels[] = { [REDIS_SUBSCRIBE] = &config->subscribe,
							 [REDIS_PSUBSCRIBE] = &config->psubscribe,
							 [REDIS_SSUBSCRIBE] = &config->ssubscribe };
	unsigned n = config->stream.len > 0;

	spec->mode = REDIS_STREAM;
	for (size_t i = REDIS_SUBSCRIBE; i < ARRAY_LEN(channels); i++)
		if (channels[i]->n_texts) {
			spec->mode = (enum redis_source_mode)i;
			spec->channels = *channels[i];
			n++;
		}
	return n == 1 || source_refuse(compiler, node->place,
				       "a source of Redis has one of stream, subscribe, psubscribe "
				       "and ssubscribe");
}

static bool source_check_stream(struct flow_compiler *compiler, const struct node *node,
				const struct redis_source_spec *spec)
{
	static const char *const keys[] = { "group", "consumer", "start", "claim", "dead_letter" };

	if (spec->mode == REDIS_STREAM)
		return (spec->group.len > 0 && spec->group.len <= GROUP_MAX) ||
		       source_refuse(compiler, node->place,
				     "a stream is read by a group; add group: NAME");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct node_entry *entry = node_entry_find(node, keys[i]);

		if (entry)
			return source_refuse(
				compiler, entry->key_place,
				"that belongs to a stream, not to channels; remove it");
	}
	if (spec->mode == REDIS_SSUBSCRIBE && spec->channels.n_texts > 1 &&
	    spec->redis->mode == REDIS_CLUSTER)
		return source_refuse(compiler, node->place,
				     "sharded channels may be on different servers; write a job "
				     "for each");
	return true;
}

static struct str source_host_name(struct arena *arena)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		snprintf(host, sizeof(host), "host");
	return arena_printf(arena, "leat-%s", host);
}

static struct str source_text(const struct redis_source_spec *spec, struct arena *arena)
{
	static const char *const words[] = { "stream", "subscribe", "psubscribe", "ssubscribe" };

	if (spec->mode == REDIS_STREAM)
		return arena_printf(arena, "redis %.*s, stream %.*s, group %.*s",
				    STR_ARG(spec->redis->name), STR_ARG(spec->stream),
				    STR_ARG(spec->group));
	return arena_printf(arena, "redis %.*s, %s %.*s%s", STR_ARG(spec->redis->name),
			    words[spec->mode], STR_ARG(spec->channels.texts[0]),
			    spec->channels.n_texts > 1 ? ", …" : "");
}

static const void *source_compile_redis(struct flow_compiler *compiler, const struct node *node,
					struct str *ret_text)
{
	struct redis_source_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct redis_source_config config = { 0 };
	const struct settings_part part = { redis_source_keys, &config };

	check(spec);
	if (settings_read(&part, 1, node, "a source", compiler->arena, compiler->diag) > 0)
		return NULL;
	spec->redis = redis_section_need(compiler->redis, config.redis, compiler->diag);
	spec->stream = config.stream;
	spec->group = config.group;
	spec->consumer = config.consumer.len ? config.consumer : source_host_name(compiler->arena);
	spec->start = config.start;
	spec->claim_ms = config.claim_ms;
	spec->dead_letter = config.dead_letter;
	if (!spec->redis || !source_take_mode(compiler, node, &config, spec) ||
	    !source_check_stream(compiler, node, spec))
		return NULL;
	*ret_text = source_text(spec, compiler->arena);
	return spec;
}

static bool source_is_same(const struct job_source *source, const void *other)
{
	const struct redis_source_spec *a =
		&container_of(source, struct redis_intake, source)->spec;
	const struct redis_source_spec *b = other;
	bool same = a->redis == b->redis && a->mode == b->mode && str_eq(a->stream, b->stream) &&
		    str_eq(a->group, b->group) && str_eq(a->consumer, b->consumer) &&
		    str_eq(a->start, b->start) && str_eq(a->dead_letter, b->dead_letter) &&
		    a->claim_ms == b->claim_ms && a->channels.n_texts == b->channels.n_texts;

	for (size_t i = 0; i < a->channels.n_texts && same; i++)
		same = str_eq(a->channels.texts[i], b->channels.texts[i]);
	return same;
}

static struct job_source *source_open(const void *spec, struct consumer *consumer,
				      const struct source_env *env)
{
	const struct redis_source_spec *redis = spec;

	return redis->mode == REDIS_STREAM ? redis_stream_open(redis, consumer, env)
					   : redis_feed_open(redis, consumer, env);
}

const struct source_kind redis_source = { .name = "redis",
					  .keys = redis_source_keys,
					  .compile = source_compile_redis,
					  .is_same = source_is_same,
					  .open = source_open };

/* ------------------------------------------------------------ replies */

struct redis_load *redis_load_create(const struct redis_intake *intake)
{
	struct redis_load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	/* a value takes more room than its text */
	arena_init(&load->arena, MAX(intake->env.memory_max, 4 * intake->spec.redis->reply_max));
	load->arena.budget = intake->env.budget;
	load->n_refs = 1;
	return load;
}

void redis_load_put(struct redis_load *load)
{
	if (--load->n_refs > 0)
		return;
	arena_fini(&load->arena);
	free(load);
}

int redis_decode(struct value coded, struct arena *arena, struct value *ret)
{
	struct str digits, text;
	char *bytes;

	*ret = coded;
	if (coded.kind != VALUE_TEXT)
		return 0;
	digits = value_str(coded);
	if (!base64_strip_padding(&digits))
		return 0;
	bytes = arena_alloc(arena, base64_size(digits.len) + 1);
	if (!bytes)
		return -ENOMEM;
	text = (struct str){ bytes, base64_size(digits.len) };
	if (base64_decode(digits, BASE64_STANDARD, bytes) && str_is_utf8(text))
		*ret = value_text(text);
	return 0;
}

/* ------------------------------------------------------------ what is open */

static bool intake_copy(struct redis_intake *intake, const struct redis_source_spec *spec)
{
	struct redis_source_spec *mine = &intake->spec;
	struct arena *arena = &intake->texts;
	struct str *texts;

	*mine = *spec;
	mine->stream = arena_str(arena, spec->stream);
	mine->group = arena_str(arena, spec->group);
	mine->consumer = arena_str(arena, spec->consumer);
	mine->start = arena_str(arena, spec->start);
	mine->dead_letter = arena_str(arena, spec->dead_letter);
	texts = arena_alloc_array(arena, spec->channels.n_texts + 1, sizeof(*texts));
	if (!texts)
		return false;
	for (size_t i = 0; i < spec->channels.n_texts; i++)
		texts[i] = arena_str(arena, spec->channels.texts[i]);
	mine->channels =
		(struct setting_texts){ .texts = texts, .n_texts = spec->channels.n_texts };
	return true;
}

bool redis_intake_init(struct redis_intake *intake, const struct redis_source_spec *spec,
		       struct consumer *consumer, const struct source_env *env, timer_fn *on_retry)
{
	arena_init(&intake->texts, SIZE_MAX);
	intake->texts.required = true;
	intake->source.consumer = consumer;
	intake->env = *env;
	timer_init(&intake->timer, env->loop, on_retry);
	if (!intake_copy(intake, spec))
		return false;
	intake->rloop = redis_loop_create(env->loop, env->redis->names);
	intake->spec.redis = redis_ref(intake->spec.redis);
	return true;
}

void redis_intake_reconnect(struct redis_intake *intake)
{
	struct names *names = intake->rloop->names;

	redis_loop_destroy(intake->rloop);
	intake->rloop = redis_loop_create(intake->env.loop, names);
}

void redis_intake_fini(struct redis_intake *intake)
{
	timer_stop(&intake->timer);
	redis_loop_destroy(intake->rloop);
	redis_unref(intake->spec.redis);
	arena_fini(&intake->texts);
}

void redis_intake_failed(struct redis_intake *intake, const char *problem)
{
	uint64_t wait_ns;

	intake->n_failed++;
	wait_ns = backoff_ns(RETRY_FIRST_MS, RETRY_MAX_MS, (unsigned)MIN(intake->n_failed, 20u));
	if (intake->n_failed == 1 || strcmp(problem, intake->problem) != 0)
		log_warning("job source failed name=%.*s redis=%.*s error=%s, trying again",
			    STR_ARG(intake->env.job), STR_ARG(intake->spec.redis->name),
			    LOG_QUOTE(str_of(problem)));
	intake->connected = false;
	snprintf(intake->problem, sizeof(intake->problem), "%s", problem);
	timer_start_at(&intake->timer, clock_monotonic_ns() + wait_ns);
}

void redis_intake_works(struct redis_intake *intake)
{
	if (intake->n_failed > 0)
		log_info("job source works again name=%.*s redis=%.*s", STR_ARG(intake->env.job),
			 STR_ARG(intake->spec.redis->name));
	intake->n_failed = 0;
	intake->problem[0] = '\0';
	intake->connected = true;
}

void redis_intake_write(const struct job_source *source, struct buf *out)
{
	const struct redis_intake *intake = container_of(source, struct redis_intake, source);

	buf_printf(out, ",\"connected\":%s,\"problem\":", intake->connected ? "true" : "false");
	if (intake->problem[0])
		json_write_text(str_of(intake->problem), out);
	else
		buf_add(out, STR("null"));
}
