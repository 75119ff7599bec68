/* server/trace/trace_conf.c */
#include "server/trace/trace_conf.h"
#include "core/base/buf.h"
#include "core/base/version.h"
#include "server/client/upstream.h"
#include "server/expr/json.h"
#include "server/reply.h"
#include "server/share.h"
#include "server/upstream_section.h"
#include "server/upstream_url.h"

struct trace_config {
	struct str export, service, sample;
	int parent;
	const struct node *headers, *attributes;
	int64_t batch, queue;
	uint64_t interval_ms, timeout_ms;
};

static const char *const parent_choices[] = { "always", "trusted", "never", NULL };
#define AT(field) offsetof(struct trace_config, field)
const struct setting trace_keys[] = {
	{ "export", SETTING_TEXT, AT(export),
	  .help = "Where spans are sent by OTLP/HTTP in JSON: http://host:4318/v1/traces, or "
		  "NAME:/v1/traces with an upstream of http.",
	  .required = true },
	{ "service", SETTING_TEXT, AT(service), "leat", "The name that the spans are told under." },
	{ "sample", SETTING_TEXT, AT(sample), "1",
	  "The share of the traces that begin here and are told of: 0 to 1." },
	{ "parent", SETTING_CHOICE, AT(parent), "always",
	  "Whose traceparent decides, and goes on: of all requests, of those that a trusted proxy "
	  "sends, of none.",
	  .choices = parent_choices },
	{ "headers", SETTING_MAP, AT(headers),
	  .help = "Fields that go with the spans: {Authorization: \"Bearer ${secret.otlp}\"}." },
	{ "attributes", SETTING_MAP, AT(attributes),
	  .help = "What is said of the service: {deployment.environment.name: production}." },
	{ "batch", SETTING_INT, AT(batch), "512", "How many spans of one loop are sent together.",
	  1, 10000 },
	{ "queue", SETTING_INT, AT(queue), "4096",
	  "How many spans of one loop may wait; more are dropped, and counted.", 1, 100000 },
	{ "interval", SETTING_DURATION, AT(interval_ms), "5s",
	  "How long a span waits at most for others to be sent with.", 10, 3600000 },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "10s", "How long sending may take.", 1,
	  3600000 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ where to */

struct trace_compiler {
	struct trace_conf *trace;
	const struct node *node;
	struct conf *conf;
	struct diag *diag;
};

/* "http://host:4318/v1/traces", or "otel:/v1/traces". */
static void trace_compile_export(const struct trace_compiler *compiler,
				 const struct upstream_section *http, struct str url)
{
	const struct upstream_url_reader reader = {
		.http = http,
		.conf = compiler->conf,
		.diag = compiler->diag,
		.place = node_find(compiler->node, "export")->place,
		.name = "trace",
	};
	struct upstream_url to = { 0 };

	if (upstream_url_read(&reader, url, &to) == UPSTREAM_URL_NONE)
		diag_error(
			compiler->diag, reader.place,
			"\"%.*s\" is not where spans can go; write http://host:4318/v1/traces, or "
			"NAME:/v1/traces with an upstream of http",
			STR_ARG(str_first(url, 200)));
	compiler->trace->upstream = to.upstream;
	compiler->trace->target = to.target;
}

/* ------------------------------------------------------------ what goes with it */

static bool trace_compile_fields(const struct trace_compiler *compiler, const struct node *headers)
{
	struct trace_conf *trace = compiler->trace;
	size_t n_entries = headers ? headers->n_entries : 0;

	trace->fields =
		arena_alloc_array(&compiler->conf->arena, n_entries + 1, sizeof(*trace->fields));
	trace->fields[trace->n_fields++] =
		(struct http_field){ STR("Content-Type"), STR("application/json") };
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &headers->entries[i];

		if (!node_is_scalar(entry->value) || !http_is_token(entry->key) ||
		    reply_header_is_ours(entry->key) ||
		    str_eq_nocase(entry->key, STR("content-type")) ||
		    str_eq_nocase(entry->key, STR("host")) ||
		    !http_is_field_value(entry->value->text)) {
			diag_error(compiler->diag, entry->key_place,
				   "\"%.*s\" cannot go with the spans; write for example "
				   "Authorization: \"Bearer ${secret.otlp}\"",
				   STR_ARG(str_first(entry->key, 80)));
			return false;
		}
		trace->fields[trace->n_fields++] =
			(struct http_field){ entry->key, entry->value->text };
	}
	return true;
}

static void trace_write_attribute(struct str key, struct str value, bool more, struct buf *out)
{
	buf_add(out, more ? STR(",{\"key\":") : STR("{\"key\":"));
	json_write_text(key, out);
	buf_add(out, STR(",\"value\":{\"stringValue\":"));
	json_write_text(value, out);
	buf_add(out, STR("}}"));
}

static bool trace_compile_frame(const struct trace_compiler *compiler,
				const struct trace_config *config)
{
	const struct node *attributes = config->attributes;
	struct buf out;

	buf_init_arena(&out, &compiler->conf->arena);
	buf_add(&out, STR("{\"resourceSpans\":[{\"resource\":{\"attributes\":["));
	trace_write_attribute(STR("service.name"), config->service, false, &out);
	trace_write_attribute(STR("service.version"), STR(LEAT_VERSION), true, &out);
	for (size_t i = 0; attributes && i < attributes->n_entries; i++) {
		const struct node_entry *entry = &attributes->entries[i];

		if (!node_is_scalar(entry->value)) {
			diag_error(compiler->diag, entry->value->place,
				   "an attribute is a text, not %s; write %.*s: text",
				   node_kind_name(entry->value),
				   STR_ARG(str_first(entry->key, 80)));
			return false;
		}
		trace_write_attribute(entry->key, entry->value->text, true, &out);
	}
	buf_add(&out, STR("]},\"scopeSpans\":[{\"scope\":{\"name\":\"leat\"},\"spans\":["));
	compiler->trace->before = buf_str(&out);
	compiler->trace->after = STR("]}]}]}");
	return true;
}

/* ------------------------------------------------------------ the section */

void trace_conf_compile(struct trace_conf *trace, const struct node *node,
			const struct upstream_section *http, struct conf *conf, struct diag *diag)
{
	const struct trace_compiler compiler = { trace, node, conf, diag };
	struct trace_config config = { 0 };
	const struct settings_part part = { trace_keys, &config };
	int64_t share;

	if (!node || settings_read(&part, 1, node, "trace", &conf->arena, diag) > 0)
		return;
	share = share_read(config.sample);
	if (share < 0)
		diag_error(diag, node_find(node, "sample")->place,
			   "\"%.*s\" is not a share of the traces; write a number from 0 to 1, "
			   "for example 0.05",
			   STR_ARG(str_first(config.sample, 40)));
	trace->share = (uint64_t)MAX(share, 0);
	trace->parent = config.parent;
	trace->batch = (size_t)config.batch;
	trace->queue = (size_t)MAX(config.queue, config.batch);
	trace->interval_ms = config.interval_ms;
	trace->timeout_ms = config.timeout_ms;
	if (trace_compile_fields(&compiler, config.headers) &&
	    trace_compile_frame(&compiler, &config))
		trace_compile_export(&compiler, http, config.export);
}

void trace_conf_fini(struct trace_conf *trace)
{
	if (trace->upstream)
		upstream_unref(trace->upstream);
}
