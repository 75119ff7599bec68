/* server/policy/key.c */
#include "server/policy/key.h"
#include "server/request.h"
#include <errno.h>

enum { IP6_BITS = 64 };

bool policy_key_compile(struct policy_compiler *compiler, const struct node *node,
			struct policy_key *key)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { compiler->arena, compiler->diag, compiler->names, &uses };

	*key = (struct policy_key){ 0 };
	if (!node || str_eq(node->text, STR("ip")))
		return true;
	if (str_starts_with(node->text, STR("header:"))) {
		key->header = str_trim(str_skip(node->text, 7));
		if (http_is_token(key->header))
			return true;
	}
	if (str_find(node->text, STR("${")) < 0) {
		diag_error(compiler->diag, node->place,
			   "\"%.*s\" is no key; write ip, header:X-Api-Key or \"${…}\"",
			   STR_ARG(str_first(node->text, 80)));
		return false;
	}
	key->header = STR_NONE;
	key->text = template_compile(&expr, node, TEMPLATE_PLAIN);
	key->reads_auth = uses.roots & ROOT_BIT(ROOT_AUTH);
	return key->text != NULL;
}

static int policy_key_make(struct policy_run *run, char kind, struct str text, struct str *ret_key)
{
	char *bytes = arena_alloc(run->arena, text.len + 1);

	if (!bytes)
		return -ENOMEM;
	bytes[0] = kind;
	if (text.len)
		memcpy(bytes + 1, text.ptr, text.len);
	*ret_key = (struct str){ bytes, text.len + 1 };
	return 0;
}

static int policy_key_of_client(struct policy_run *run, struct str *ret_key)
{
	const struct ip *client = policy_client_ip(run);
	struct ip counted;

	if (!client)
		return policy_key_make(run, 'u', STR_NONE, ret_key);
	counted = ip_is_v4(client) ? *client : ip_mask(client, IP6_BITS);
	return policy_key_make(run, 'i', (struct str){ (char *)counted.bytes, 16 }, ret_key);
}

int policy_key_read(const struct policy_key *key, struct policy_run *run, struct str *ret_key)
{
	const struct http_field *field;
	struct str text = STR_NONE;
	int r;

	if (key->header.len) {
		field = http_head_find(&run->request->head, key->header);
		text = field ? field->value : STR_NONE;
	} else if (key->text) {
		r = template_eval(key->text, policy_env(run), &text);
		if (r < 0)
			return r;
	}
	return text.len ? policy_key_make(run, 't', text, ret_key)
			: policy_key_of_client(run, ret_key);
}
