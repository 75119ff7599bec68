/* server/policy/headers.c: `headers: {set, add, remove}`, on answers of every kind.
 *
 * What the listener says is done first, then the prefix, then the route; each removes, sets and
 * adds, in that order. So the inner place wins by name, and what it does not name stays. `off`
 * cuts off what is outside of it. */
#include "server/policy/headers.h"
#include "server/policy/policies.h"
#include "server/reply.h"

enum header_action { HEADER_REMOVE, HEADER_SET, HEADER_ADD };

struct header {
	enum header_action action;
	struct str name;
	struct template *value; /* NULL: `text` */
	struct str text;
};

struct headers {
	struct policy policy;
	bool constant;
	size_t n_headers;
	struct header *headers;
};

struct headers_config {
	const struct node *set, *add;
	struct setting_texts remove;
};

#define AT(field) offsetof(struct headers_config, field)
const struct setting headers_keys[] = {
	{ "set", SETTING_MAP, AT(set),
	  .help = "Fields by name, in the place of those that the answer has; values may have "
		  "${…}." },
	{ "add", SETTING_MAP, AT(add), .help = "The same, beside those that the answer has." },
	{ "remove", SETTING_TEXTS, AT(remove), .help = "Names of fields that are taken out." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

static bool headers_check_name(struct policy_compiler *compiler, struct str name,
			       struct place place)
{
	if (!http_is_token(name))
		diag_error(compiler->diag, place,
			   "\"%.*s\" is not the name of a header field; use letters, digits and -",
			   STR_ARG(str_first(name, 80)));
	else if (reply_header_is_ours(name))
		diag_error(compiler->diag, place,
			   "%.*s frames the message and is written by leat itself; remove it",
			   STR_ARG(name));
	else
		return true;
	return false;
}

static bool headers_compile_value(struct policy_compiler *compiler, const struct node *node,
				  struct headers *headers, struct header *header)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { compiler->arena, compiler->diag, compiler->names, &uses };

	header->value = template_compile(&expr, node, TEMPLATE_HEADER);
	if (!header->value)
		return false;
	if (uses.secrets) {
		diag_error(compiler->diag, node->place,
			   "an answer must not show a secret; remove ${secret.…}");
		return false;
	}
	if (!template_is_constant(header->value, &header->text)) {
		headers->constant = false;
		return true;
	}
	header->value = NULL;
	header->text = str_trim(header->text);
	return true;
}

static bool headers_compile_map(struct policy_compiler *compiler, const struct node *map,
				enum header_action action, struct headers *headers)
{
	bool ok = true;

	for (size_t i = 0; map && i < map->n_entries; i++) {
		const struct node_entry *entry = &map->entries[i];
		struct header *header = &headers->headers[headers->n_headers++];

		*header = (struct header){ .action = action, .name = entry->key };
		ok &= headers_check_name(compiler, entry->key, entry->key_place) &&
		      headers_compile_value(compiler, entry->value, headers, header);
	}
	return ok;
}

static bool headers_compile_removed(struct policy_compiler *compiler,
				    const struct setting_texts *names, struct headers *headers)
{
	bool ok = true;

	for (size_t i = 0; i < names->n_texts; i++) {
		headers->headers[headers->n_headers++] =
			(struct header){ .action = HEADER_REMOVE, .name = names->texts[i] };
		ok &= headers_check_name(compiler, names->texts[i], names->nodes[i]->place);
	}
	return ok;
}

static struct policy *headers_compile(struct policy_compiler *compiler, const struct node *node,
				      const struct policy *before)
{
	struct headers *headers = arena_zalloc(compiler->arena, sizeof(*headers));
	struct headers_config config = { 0 };
	const struct settings_part part = { headers_keys, &config };
	size_t n_headers;
	bool ok;

	(void)before;
	if (settings_read(&part, 1, node, "headers", compiler->arena, compiler->diag) > 0)
		return NULL;
	n_headers = (config.set ? config.set->n_entries : 0) +
		    (config.add ? config.add->n_entries : 0) + config.remove.n_texts;
	if (n_headers == 0 || n_headers > REPLY_FIELDS_MAX) {
		diag_error(compiler->diag, node->place,
			   "headers set, add or remove from 1 to %d fields; write for example "
			   "headers: {set: {Cache-Control: no-store}}",
			   REPLY_FIELDS_MAX);
		return NULL;
	}
	headers->constant = true;
	headers->headers = arena_alloc_array(compiler->arena, n_headers, sizeof(*headers->headers));
	ok = headers_compile_removed(compiler, &config.remove, headers);
	ok &= headers_compile_map(compiler, config.set, HEADER_SET, headers);
	ok &= headers_compile_map(compiler, config.add, HEADER_ADD, headers);
	return ok ? &headers->policy : NULL;
}

/* ------------------------------------------------------------ at work */

/* As template_eval(): a value with control characters is refused, not mended. */
static int headers_value(struct policy_run *run, const struct header *header, struct str *ret_value)
{
	int r;

	*ret_value = header->text;
	if (!header->value)
		return 0;
	r = template_eval(header->value, policy_env(run), ret_value);
	*ret_value = str_trim(*ret_value);
	return r;
}

static void headers_do(struct policy_run *run, const struct header *header, struct reply *reply)
{
	struct str value = STR_NONE;
	int r;

	if (header->action == HEADER_REMOVE) {
		policy_reply_remove(reply, header->name);
		return;
	}
	r = headers_value(run, header, &value);
	if (r < 0)
		policy_fail(run, r);
	else if (header->action == HEADER_SET)
		policy_reply_set(run, reply, header->name, value);
	else
		policy_reply_add(run, reply, header->name, value);
}

static const struct headers *headers_at(const struct policies *place)
{
	const struct policy *policy = place->of[POLICY_HEADERS];

	return policy && policy != &policy_off ? container_of(policy, struct headers, policy)
					       : NULL;
}

/* How many of the places count: those inside of the first `off`. */
static unsigned headers_n_places(const struct policies *const places[], unsigned n_places)
{
	for (unsigned i = 0; i < n_places; i++)
		if (places[i]->of[POLICY_HEADERS] == &policy_off)
			return i;
	return n_places;
}

static void headers_finish(struct policy_run *run, const struct policy *policy, struct reply *reply)
{
	(void)policy;
	for (unsigned i = headers_n_places(run->places, run->n_places); i > 0; i--) {
		const struct headers *headers = headers_at(run->places[i - 1]);

		for (size_t j = 0; headers && j < headers->n_headers; j++)
			headers_do(run, &headers->headers[j], reply);
	}
}

bool headers_are_constant(const struct policies *const places[], unsigned n_places)
{
	n_places = headers_n_places(places, n_places);
	for (unsigned i = 0; i < n_places; i++) {
		const struct headers *headers = headers_at(places[i]);

		if (headers && !headers->constant)
			return false;
	}
	return true;
}

const struct policy_kind policy_headers = {
	.id = POLICY_HEADERS,
	.name = "headers",
	.compile = headers_compile,
	.finish = headers_finish,
};
