/* server/policy/compress.c: `compress:`.
 *
 * Which coding the client takes decides (RFC 9110 §12.5.3), where the body is of a type that gains
 * by it (how: compress_body.c). Such an answer is another representation of the same: its tag is a
 * weak one, and ranges are of the other. */
#include "server/policy/compress.h"
#include "server/compress/coded_cache.h"
#include "server/http/conditional.h"
#include "server/http/fields.h"
#include "server/policy/compress_body.h"
#include "server/policy/policies.h"
#include "server/request.h"
#include <errno.h>

struct compress {
	struct policy policy;
	struct setting_texts coding_texts, types;
	uint64_t min;
	int64_t level;
	size_t n_codings;
	enum coding codings[N_CODINGS];
	struct coded_cache *cache; /* of constant bodies */
};

static const char *const default_types[] = {
	"text/*",
	"+json",
	"+xml",
	"application/json",
	"application/xml",
	"font/otf",
	"font/ttf",
	"application/javascript",
	"image/bmp",
	"image/x-icon",
	"application/wasm",
	"application/vnd.ms-fontobject",
};

#define AT(field) offsetof(struct compress, field)
const struct setting compress_keys[] = {
	{ "codings", SETTING_TEXTS, AT(coding_texts),
	  .help = "Which codings, the one that is preferred first; br, zstd and gzip when not "
		  "said." },
	{ "types", SETTING_TEXTS, AT(types),
	  .help = "Media types of bodies that are compressed: text/html, text/*, +json; those of "
		  "texts, data and fonts when not said." },
	{ "min", SETTING_SIZE, AT(min), "1k", "Smaller bodies are sent as they are." },
	{ "level", SETTING_INT, AT(level), "5",
	  "From 1 (fast) to 6 (small); more takes longer than a loop may be held.", CODER_LEVEL_MIN,
	  CODER_LEVEL_MAX },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

static bool compress_add_coding(struct compress *compress, enum coding coding)
{
	for (size_t i = 0; i < compress->n_codings; i++)
		if (compress->codings[i] == coding)
			return false;
	compress->codings[compress->n_codings++] = coding;
	return true;
}

static bool compress_compile_codings(struct policy_compiler *compiler, struct compress *compress)
{
	const struct setting_texts *texts = &compress->coding_texts;
	enum coding coding;
	bool ok = true;

	for (size_t i = 0; i < N_CODINGS && texts->n_texts == 0; i++)
		compress_add_coding(compress, (enum coding)i);
	for (size_t i = 0; i < texts->n_texts; i++) {
		if (coding_find(texts->texts[i], &coding) && compress_add_coding(compress, coding))
			continue;
		diag_error(compiler->diag, texts->nodes[i]->place,
			   "\"%.*s\" is no coding that leat has, or is there twice; write any of "
			   "br, zstd, gzip",
			   STR_ARG(str_first(texts->texts[i], 80)));
		ok = false;
	}
	return ok;
}

static bool compress_type_is_good(struct str type)
{
	ptrdiff_t slash = str_find_char(type, '/');

	if (str_starts_with(type, STR("+")))
		return http_is_token(str_skip(type, 1));
	return slash > 0 && http_is_token(str_first(type, (size_t)slash)) &&
	       http_is_token(str_skip(type, (size_t)slash + 1));
}

static bool compress_compile_types(struct policy_compiler *compiler, struct compress *compress)
{
	struct setting_texts *types = &compress->types;
	bool ok = true;

	for (size_t i = 0; i < types->n_texts; i++) {
		if (compress_type_is_good(types->texts[i]))
			continue;
		diag_error(compiler->diag, types->nodes[i]->place,
			   "\"%.*s\" is not a media type; write text/html, text/* or +json",
			   STR_ARG(str_first(types->texts[i], 80)));
		ok = false;
	}
	if (types->n_texts > 0)
		return ok;
	types->n_texts = ARRAY_LEN(default_types);
	types->texts = arena_alloc_array(compiler->arena, types->n_texts, sizeof(*types->texts));
	for (size_t i = 0; i < types->n_texts; i++)
		types->texts[i] = str_of(default_types[i]);
	return true;
}

static struct policy *compress_compile(struct policy_compiler *compiler, const struct node *node,
				       const struct policy *before)
{
	struct compress *compress = arena_zalloc(compiler->arena, sizeof(*compress));
	const struct settings_part part = { compress_keys, compress };

	(void)before;
	if (node->kind == NODE_BOOL && node->boolean)
		settings_defaults(compress_keys, compress, compiler->arena);
	else if (policy_refuse_scalar(compiler, node, "compress",
				      "true, off, or {codings: [br, zstd, gzip]}") ||
		 settings_read(&part, 1, node, "compress", compiler->arena, compiler->diag) > 0)
		return NULL;
	if (!compress_compile_codings(compiler, compress) |
	    !compress_compile_types(compiler, compress))
		return NULL;
	compress->cache = arena_zalloc(compiler->arena, sizeof(*compress->cache));
	return &compress->policy;
}

static void compress_destroy(struct policy *policy)
{
	coded_cache_fini(container_of(policy, struct compress, policy)->cache);
}

/* ------------------------------------------------------------ which answers */

static bool compress_type_fits(struct str pattern, struct str type)
{
	if (str_starts_with(pattern, STR("+")))
		return type.len > pattern.len &&
		       str_eq_nocase(str_skip(type, type.len - pattern.len), pattern);
	if (str_eq(pattern, STR("*/*")))
		return true;
	if (str_ends_with(pattern, STR("/*")))
		return str_eq_nocase(str_first(type, pattern.len - 1),
				     str_first(pattern, pattern.len - 1));
	return str_eq_nocase(pattern, type);
}

static bool compress_has_type(const struct compress *compress, const struct reply *reply)
{
	struct str type = policy_reply_find(reply, STR("content-type"));
	ptrdiff_t semicolon = str_find_char(type, ';');

	type = str_trim(semicolon < 0 ? type : str_first(type, (size_t)semicolon));
	for (size_t i = 0; i < compress->types.n_texts; i++)
		if (compress_type_fits(compress->types.texts[i], type))
			return true;
	return false;
}

/* Trailers mostly speak of the bytes before them: those of an answer that announces some stay as they
 * are, those that nobody announced are lost behind a compressed body. */
static bool compress_is_forbidden(const struct reply *reply)
{
	for (size_t i = 0; i < reply->n_fields; i++) {
		const struct http_field *field = &reply->fields[i];
		struct str rest = field->value, element;

		if (str_eq_nocase(field->name, STR("content-encoding")) ||
		    str_eq_nocase(field->name, STR("content-range")) ||
		    str_eq_nocase(field->name, STR("trailer")))
			return true;
		if (!str_eq_nocase(field->name, STR("cache-control")))
			continue;
		while (http_list_next(&rest, &element))
			if (str_eq_nocase(element, STR("no-transform")))
				return true;
	}
	return false;
}

/* Whether the answer is one that some clients get compressed. A 304 speaks of one: it has the type
 * of its body, which is not sent then, unless that was coded already. */
static bool compress_concerns(const struct compress *compress, const struct reply *reply)
{
	bool may = reply->status == 304 || (reply_has_body(reply->status) && reply->status != 206);

	return may && !compress_is_forbidden(reply) && compress_has_type(compress, reply);
}

/* What the client likes best; the order of the configuration decides between equals. N_CODINGS:
 * the body as it is. */
static enum coding compress_choose(const struct compress *compress, const struct request *request,
				   uint64_t size)
{
	unsigned plain = http_coding_quality(&request->head, STR("identity"));
	unsigned best = plain > 0 ? plain - 1 : 0;
	enum coding coding = N_CODINGS;

	if (plain > 0 && size < compress->min)
		return coding;
	for (size_t i = 0; i < compress->n_codings; i++) {
		unsigned quality =
			http_coding_quality(&request->head, coding_name(compress->codings[i]));

		if (quality <= best)
			continue;
		best = quality;
		coding = compress->codings[i];
	}
	return coding;
}

/* ------------------------------------------------------------ the answer */

/* The bytes differ from those that the tag is of. */
static void compress_weaken(struct policy_run *run, struct reply *reply)
{
	struct str etag = policy_reply_find(reply, STR("etag")), weak;

	if (!str_starts_with(etag, STR("\"")))
		return;
	weak = arena_printf(run->arena, "W/%.*s", STR_ARG(etag));
	if (weak.ptr)
		policy_reply_set(run, reply, STR("ETag"), weak);
	else
		policy_fail(run, -ENOMEM);
}

static void compress_describe(struct policy_run *run, struct reply *reply, enum coding coding)
{
	static const struct str untrue[] = {
		STR_INIT("accept-ranges"), STR_INIT("content-md5"), STR_INIT("content-digest"),
		STR_INIT("repr-digest"),   STR_INIT("digest"),
	};

	for (size_t i = 0; i < ARRAY_LEN(untrue); i++)
		policy_reply_remove(reply, untrue[i]);
	policy_reply_add(run, reply, STR("Content-Encoding"), coding_name(coding));
	compress_weaken(run, reply);
}

/* What cannot be compressed, as there is no memory or it would not be smaller, goes as it is. */
static void compress_finish(struct policy_run *run, const struct policy *policy,
			    struct reply *reply)
{
	const struct compress *compress = container_of(policy, struct compress, policy);
	struct compress_how how = { .request = run->request,
				    .arena = run->arena,
				    .cache = compress->cache,
				    .level = (int)compress->level };

	if (!compress_concerns(compress, reply))
		return;
	policy_reply_vary(run, reply, STR("Accept-Encoding"));
	how.coding = compress_choose(compress, run->request,
				     reply->status == 304 ? UINT64_MAX : reply_size(reply));
	if (how.coding == N_CODINGS)
		return;
	if (reply->status == 304)
		compress_weaken(run, reply);
	else if (compress_body(&how, reply))
		compress_describe(run, reply, how.coding);
}

const struct policy_kind policy_compress = {
	.id = POLICY_COMPRESS,
	.name = "compress",
	.compile = compress_compile,
	.finish = compress_finish,
	.destroy = compress_destroy,
};
