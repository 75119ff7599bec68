/* server/auth/rules.c */
#include "server/auth/rules.h"
#include "conf/file.h"
#include "conf/load.h"
#include "server/auth/rules_jwt.h"

enum { USERS_FILE_MAX = 4 << 20 };

struct auth_config {
	const struct node *basic, *api_key, *jwt, *require;
	bool optional;
	struct str realm;
};

struct basic_config {
	const struct node *users;
	struct str file;
	uint64_t remember_ms;
};

struct api_key_config {
	const struct node *keys;
	struct str from;
};

#define AT(field) offsetof(struct basic_config, field)
static const struct setting basic_keys[] = {
	{ "users", SETTING_MAP, AT(users),
	  .help = "Names to hashes of their passwords: bcrypt ($2y$), sha-crypt ($5$, $6$), "
		  "yescrypt "
		  "($y$)." },
	{ "file", SETTING_TEXT, AT(file),
	  .help = "An htpasswd file of more users, read again at a reload." },
	{ "remember", SETTING_DURATION, AT(remember_ms), "1m",
	  "How long a password that was right is not checked again; 0: each time.", 0, 86400000 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct api_key_config, field)
static const struct setting api_key_keys[] = {
	{ "keys", SETTING_MAP, AT(keys),
	  .help = "Names to keys: ${secret.NAME}, or sha256: and the digest of the key.",
	  .required = true },
	{ "from", SETTING_TEXT, AT(from), "header:X-API-Key",
	  "Where the key is: header:NAME, cookie:NAME, query:NAME, or header: Authorization, as a "
	  "bearer." },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct auth_config, field)
const struct setting auth_keys[] = {
	{ "basic", SETTING_MAP, AT(basic), .help = "Names and passwords (RFC 7617).",
	  .keys = basic_keys },
	{ "api_key", SETTING_MAP, AT(api_key), .help = "Keys of programs.", .keys = api_key_keys },
	{ "jwt", SETTING_MAP, AT(jwt), .help = "Signed tokens (RFC 7519).", .keys = auth_jwt_keys },
	{ "require", SETTING_CONDITION, AT(require),
	  .help = "What else must hold, as ${auth.role == 'admin'}; false answers 403." },
	{ "optional", SETTING_BOOL, AT(optional), "false",
	  "Whoever shows nothing comes in, too, and ${auth} is null." },
	{ "realm", SETTING_TEXT, AT(realm), "leat", "What a browser shows when it asks." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ texts */

bool auth_constant(struct policy_compiler *compiler, const struct node *node, struct str *ret_text)
{
	const struct expr_names names = { .constant = compiler->names->constant };
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .names = &names };
	const struct template *template = template_compile(&expr, node, TEMPLATE_PLAIN);

	if (!template)
		return false;
	if (template_is_constant(template, ret_text))
		return true;
	diag_error(compiler->diag, node->place,
		   "it is read once, when the file is; write ${secret.NAME} or ${env.NAME}");
	return false;
}

/* `leat check` where the secrets are not: what they would be is not looked at. */
bool auth_is_unknown(const struct policy_compiler *compiler, struct str text)
{
	return text.len == 0 && compiler->conf->checking && !compiler->conf->strict;
}

bool auth_place(struct policy_compiler *compiler, const struct node *node, struct str text,
		struct credential_place *ret)
{
	if (credential_place_read(text, ret))
		return true;
	node = node_find(node, "from");
	diag_error(
		compiler->diag, node ? node->place : (struct place){ 0 },
		"\"%.*s\" is no place for it; write header, header:NAME, cookie:NAME or query:NAME",
		STR_ARG(str_first(text, 80)));
	return false;
}

bool auth_read_file(struct policy_compiler *compiler, const struct node *node, size_t max,
		    struct str *ret_path, struct str *ret_text)
{
	struct str path = conf_path(compiler->conf, node->place, node->text);
	struct file file;
	int r = file_read(path.ptr, max, compiler->arena, &file);

	if (r < 0) {
		diag_error(compiler->diag, node->place, "%.*s: %.*s", STR_ARG(path),
			   STR_ARG(file_problem(r, max, compiler->arena)));
		return false;
	}
	*ret_path = path;
	*ret_text = file.text;
	return true;
}

/* ------------------------------------------------------------ basic */

static void basic_add(struct policy_compiler *compiler, struct users *users,
		      const struct node_entry *entry)
{
	struct str hash;

	if (auth_constant(compiler, entry->value, &hash) && !auth_is_unknown(compiler, hash))
		users_add(users, entry->key, hash, entry->value->place, compiler->diag);
}

static void basic_compile(struct policy_compiler *compiler, const struct node *node,
			  struct auth *auth)
{
	struct basic_config config = { 0 };
	const struct settings_part part = { basic_keys, &config };
	struct auth_basic *basic = arena_zalloc(compiler->arena, sizeof(*basic));
	struct str path, text;

	auth->basic = basic;
	users_init(&basic->users, compiler->arena);
	if (settings_read(&part, 1, node, "basic", compiler->arena, compiler->diag) > 0)
		return;
	basic->remember_ms = config.remember_ms;
	for (size_t i = 0; config.users && i < config.users->n_entries; i++)
		basic_add(compiler, &basic->users, &config.users->entries[i]);
	if (config.file.len &&
	    auth_read_file(compiler, node_find(node, "file"), USERS_FILE_MAX, &path, &text))
		users_read(&basic->users, text, path, node_find(node, "file")->place,
			   compiler->diag);
	if (basic->users.n_users == 0 && !compiler->conf->checking)
		diag_error(
			compiler->diag, node->place,
			"there is nobody who may come in; add users: {NAME: HASH} or file: PATH");
}

/* ------------------------------------------------------------ API keys */

static void api_key_compile(struct policy_compiler *compiler, const struct node *node,
			    struct auth *auth)
{
	struct api_key_config config = { 0 };
	const struct settings_part part = { api_key_keys, &config };
	struct auth_api_key *api_key = arena_zalloc(compiler->arena, sizeof(*api_key));

	auth->api_key = api_key;
	api_keys_init(&api_key->keys, compiler->arena);
	if (settings_read(&part, 1, node, "api_key", compiler->arena, compiler->diag) > 0)
		return;
	auth_place(compiler, node, config.from, &api_key->from);
	for (size_t i = 0; config.keys && i < config.keys->n_entries; i++) {
		const struct node_entry *entry = &config.keys->entries[i];
		struct str text;

		if (auth_constant(compiler, entry->value, &text) &&
		    !auth_is_unknown(compiler, text))
			api_keys_add(&api_key->keys, entry->key, text, entry->value->place,
				     compiler->diag);
	}
}

/* ------------------------------------------------------------ what a 401 says */

static void auth_challenge(struct auth *auth, struct str value, struct str refused)
{
	static const struct str name = STR_INIT("WWW-Authenticate");

	auth->challenges[auth->n_challenges] = (struct http_field){ name, value };
	auth->refused_challenges[auth->n_challenges++] = (struct http_field){ name, refused };
}

/* RFC 7617 §2, RFC 6750 §3. For API keys there is no scheme of a standard, and a 401 has to have one
 * (RFC 9110 §11.6.1). */
static void auth_challenges(struct auth *auth, struct str realm, struct arena *arena)
{
	struct str bearer = arena_printf(arena, "Bearer realm=\"%.*s\"", STR_ARG(realm));
	struct str refused = arena_printf(arena, "%.*s, error=\"invalid_token\"", STR_ARG(bearer));
	struct str basic =
		arena_printf(arena, "Basic realm=\"%.*s\", charset=\"UTF-8\"", STR_ARG(realm));
	struct str api_key = arena_printf(arena, "ApiKey realm=\"%.*s\"", STR_ARG(realm));

	if (auth->jwt)
		auth_challenge(auth, bearer, refused);
	if (auth->api_key && auth->api_key->from.from != CREDENTIAL_BEARER)
		auth_challenge(auth, api_key, api_key);
	else if (auth->api_key && !auth->jwt)
		auth_challenge(auth, bearer, refused);
	if (auth->basic)
		auth_challenge(auth, basic, basic);
	auth->forbidden = (struct http_field){
		STR("WWW-Authenticate"),
		arena_printf(arena, "%.*s, error=\"insufficient_scope\"", STR_ARG(bearer)),
	};
}

static void auth_check_realm(struct policy_compiler *compiler, const struct node *node,
			     struct str realm)
{
	for (size_t i = 0; i < realm.len; i++) {
		if (realm.ptr[i] >= ' ' && realm.ptr[i] < 0x7f && realm.ptr[i] != '"' &&
		    realm.ptr[i] != '\\')
			continue;
		diag_error(compiler->diag, node_find(node, "realm")->place,
			   "a realm is of printable ASCII without \" and \\");
		return;
	}
}

/* ------------------------------------------------------------ the whole */

static void auth_resolve_map(struct policy_compiler *compiler, const struct node *node,
			     const char *const except[])
{
	for (size_t i = 0; node && node->kind == NODE_MAP && i < node->n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		bool skip = false;

		for (size_t j = 0; except[j]; j++)
			skip |= str_eq(entry->key, str_of(except[j]));
		if (!skip)
			conf_resolve(compiler->conf, entry->value, compiler->diag);
	}
}

/* Settings that are constant may come from the environment; secrets and conditions are read as
 * expressions. */
static void auth_resolve(struct policy_compiler *compiler, const struct node *node)
{
	static const char *const whole[] = { "basic", "api_key", "jwt", "require", NULL };
	static const char *const parts[] = { "users", "keys", "secret", NULL };
	static const char *const jwt[] = { "secret", NULL };

	auth_resolve_map(compiler, node, whole);
	auth_resolve_map(compiler, node_find(node, "basic"), parts);
	auth_resolve_map(compiler, node_find(node, "api_key"), parts);
	auth_resolve_map(compiler, node_find(node, "jwt"), jwt);
}

static void auth_compile_require(struct policy_compiler *compiler, const struct node *node,
				 struct auth *auth)
{
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .names = compiler->names };

	if (node)
		auth->require = template_compile_condition(&expr, node);
}

struct auth *auth_compile(struct policy_compiler *compiler, const struct node *node)
{
	struct auth_config config = { 0 };
	const struct settings_part part = { auth_keys, &config };
	struct auth *auth = arena_zalloc(compiler->arena, sizeof(*auth));
	size_t n_errors = compiler->diag->n_errors;

	auth_resolve(compiler, node);
	settings_read(&part, 1, node, "auth", compiler->arena, compiler->diag);
	if (config.basic)
		basic_compile(compiler, config.basic, auth);
	if (config.api_key)
		api_key_compile(compiler, config.api_key, auth);
	if (config.jwt)
		auth_jwt_compile(compiler, config.jwt, auth);
	if (!config.basic && !config.api_key && !config.jwt && node->kind == NODE_MAP)
		diag_error(compiler->diag, node->place,
			   "auth asks for one of basic, api_key and jwt");
	auth_check_realm(compiler, node, config.realm);
	auth_challenges(auth, config.realm, compiler->arena);
	auth_compile_require(compiler, config.require, auth);
	auth->optional = config.optional;
	if (compiler->diag->n_errors == n_errors)
		return auth;
	auth_fini(auth);
	return NULL;
}

void auth_fini(struct auth *auth)
{
	if (auth->basic)
		users_fini(&auth->basic->users);
	if (auth->api_key)
		api_keys_fini(&auth->api_key->keys);
	if (auth->jwt) {
		jwks_unref(auth->jwt->jwks);
		key_source_unref(auth->jwt->source);
	}
}
