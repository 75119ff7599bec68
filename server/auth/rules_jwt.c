/* server/auth/rules_jwt.c */
#include "server/auth/rules_jwt.h"
#include "conf/load.h"
#include "server/policy/policies.h"
#include "server/upstream_url.h"

struct jwt_config {
	struct str keys, url, from, typ;
	const struct node *secret;
	struct setting_texts algorithms, issuer, audience;
	uint64_t leeway_ms, refresh_ms, retry_ms;
	int exp, live;
};

static const char *const exp_choices[] = { "required", "optional", NULL };
static const char *const live_choices[] = { "until_exp", "any", NULL };

#define AT(field) offsetof(struct jwt_config, field)
const struct setting auth_jwt_keys[] = {
	{ "keys", SETTING_TEXT, AT(keys),
	  .help = "A file of public keys: a JSON Web Key Set, or PEM." },
	{ "url", SETTING_TEXT, AT(url),
	  .help = "A URL of a JSON Web Key Set, fetched when it is needed: https://host/path, or "
		  "NAME:/path with an upstream of http." },
	{ "secret", SETTING_TEMPLATE, AT(secret),
	  .help = "The secret of HS256 and its like, of 32 bytes or more." },
	{ "algorithms", SETTING_TEXTS, AT(algorithms),
	  .help = "Those that are accepted; without it HS256 for a secret, else all of public "
		  "keys." },
	{ "issuer", SETTING_TEXTS, AT(issuer), .help = "What iss must be, or one of these." },
	{ "audience", SETTING_TEXTS, AT(audience),
	  .help = "What aud must name, or one of these; without it a token that has an aud is "
		  "refused." },
	{ "typ", SETTING_TEXT, AT(typ), .help = "What typ of the header must be, as at+jwt." },
	{ "leeway", SETTING_DURATION, AT(leeway_ms), "0",
	  "How far clocks may be apart for exp, nbf and iat.", 0, 3600000 },
	{ "exp", SETTING_CHOICE, AT(exp), "required", "Whether a token may be without an end.",
	  .choices = exp_choices },
	{ "live", SETTING_CHOICE, AT(live), "until_exp",
	  "Whether a WebSocket or an event stream that it has opened ends with its exp, or may go "
	  "on.",
	  .choices = live_choices },
	{ "from", SETTING_TEXT, AT(from), "header",
	  "Where the token is: header (Authorization: Bearer), header:NAME, cookie:NAME or "
	  "query:NAME." },
	{ "refresh", SETTING_DURATION, AT(refresh_ms), "10m",
	  "When keys of a URL are fetched again.", 1000, INT64_C(86400000) * 30 },
	{ "retry", SETTING_DURATION, AT(retry_ms), "10s",
	  "The least time from one fetch to the next, as after a failure or for a key that is not "
	  "there.",
	  10, 3600000 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ keys of a URL */

/* Whom it is fetched from is found by its name, and may be another one than before the reload: then what
 * was fetched is no longer believed. */
static bool source_is_of(const struct key_source *source, struct str url,
			 const struct upstream *named)
{
	return str_eq(key_source_url(source), url) &&
	       (!named || key_source_upstream(source) == named);
}

static struct key_source *source_in(const struct policy_list *list, struct str url,
				    const struct upstream *named)
{
	for (const struct policy *policy = list ? list->first : NULL; policy;
	     policy = policy->next) {
		const struct auth *auth = container_of(policy, struct auth, policy);

		if (policy->kind->id == POLICY_AUTH && auth->jwt && auth->jwt->source &&
		    source_is_of(auth->jwt->source, url, named))
			return key_source_ref(auth->jwt->source);
	}
	return NULL;
}

static struct key_source *source_create(struct policy_compiler *compiler, const struct node *node,
					struct str url)
{
	ptrdiff_t fragment = str_find_char(url, '#'); /* which is never sent */
	const struct upstream_url_reader reader = {
		.http = compiler->http,
		.conf = compiler->conf,
		.diag = compiler->diag,
		.place = node->place,
	};
	struct upstream_url from = { 0 };
	struct key_source *source;

	if (upstream_url_read(&reader, fragment < 0 ? url : str_first(url, (size_t)fragment),
			      &from) == UPSTREAM_URL_NONE)
		diag_error(
			compiler->diag, node->place,
			"\"%.*s\" is no URL of keys; write https://host/path, or NAME:/path with "
			"an upstream of http",
			STR_ARG(str_first(url, 200)));
	if (!from.upstream)
		return NULL;
	source = key_source_create(url, from.upstream, from.target);
	upstream_unref(from.upstream);
	return source;
}

/* The upstream of NAME:/path; NULL: it is another kind of URL, or there is none. */
static const struct upstream *source_named(const struct policy_compiler *compiler, struct str url)
{
	ptrdiff_t colon = str_find_char(url, ':');

	return colon > 0 && str_find(url, STR("://")) < 0
		       ? upstream_section_find(compiler->http, str_first(url, (size_t)colon))
		       : NULL;
}

static struct key_source *source_compile(struct policy_compiler *compiler, const struct node *node,
					 struct str url)
{
	const struct upstream *named = source_named(compiler, url);
	struct key_source *source = source_in(compiler->list, url, named);

	if (!source)
		source = source_in(compiler->before, url, named);
	return source ? source : source_create(compiler, node, url);
}

/* ------------------------------------------------------------ keys of a file, a secret */

static struct jwks *file_compile(struct policy_compiler *compiler, const struct node *node)
{
	struct jwks_report report;
	struct str path, text;
	struct jwks *jwks;

	if (!auth_read_file(compiler, node, JWKS_SIZE_MAX, &path, &text))
		return NULL;
	jwks = jwks_read_file(text, &report);
	if (!jwks)
		diag_error(compiler->diag, node->place, "%.*s has no keys to verify with; %s",
			   STR_ARG(path), report.problem);
	else if (report.n_skipped)
		diag_warning(compiler->diag, node->place,
			     "%zu of the keys of %.*s are of no use; %s", report.n_skipped,
			     STR_ARG(path), report.problem);
	return jwks;
}

static struct jwks *secret_compile(struct policy_compiler *compiler, const struct node *node,
				   uint32_t algs_wanted)
{
	size_t size_min = 32;
	struct str secret;

	if (!auth_constant(compiler, node, &secret) || auth_is_unknown(compiler, secret))
		return NULL;
	for (size_t i = 0; i < n_algs; i++)
		if (algs_wanted & algs_of_secrets() & alg_bit(&algs[i]))
			size_min = MAX(size_min, algs[i].digest_size);
	if (secret.len >= size_min)
		return jwks_of_secret(secret);
	diag_error(
		compiler->diag, node->place,
		"the secret has %zu bytes, and its algorithms ask for %zu (RFC 7518 3.2); make one "
		"with openssl rand -hex %zu",
		secret.len, size_min, size_min / 2);
	return NULL;
}

/* ------------------------------------------------------------ the whole */

static uint32_t algorithms_compile(struct policy_compiler *compiler,
				   const struct setting_texts *texts, bool is_secret)
{
	uint32_t mask = 0, usable = is_secret ? algs_of_secrets() : algs_of_public_keys();

	for (size_t i = 0; i < texts->n_texts; i++) {
		const struct alg *alg = alg_find(texts->texts[i]);

		if (!alg)
			diag_error(compiler->diag, texts->nodes[i]->place,
				   "\"%.*s\" is no algorithm; there are HS256, RS256, PS256, ES256 "
				   "(and 384, 512) and EdDSA",
				   STR_ARG(str_first(texts->texts[i], 40)));
		else if (is_secret && !(usable & alg_bit(alg)))
			diag_error(compiler->diag, texts->nodes[i]->place,
				   "%.*s takes public keys, not a secret; write keys or url",
				   STR_ARG(alg->name));
		else
			mask |= alg_bit(alg);
	}
	if (texts->n_texts)
		return mask;
	return is_secret ? alg_bit(alg_find(STR("HS256"))) : usable;
}

static bool jwt_has_one_source(struct policy_compiler *compiler, const struct node *node,
			       const struct jwt_config *config)
{
	int n_sources = (config->keys.len > 0) + (config->url.len > 0) + (config->secret != NULL);

	if (n_sources == 1)
		return true;
	diag_error(compiler->diag, node->place,
		   "jwt needs one of keys (a file), url, and secret, to verify with");
	return false;
}

static void jwt_compile_keys(struct policy_compiler *compiler, const struct node *node,
			     const struct jwt_config *config, struct auth_jwt *jwt)
{
	if (config->secret)
		jwt->jwks = secret_compile(compiler, config->secret, jwt->rules.algs);
	else if (config->url.len)
		jwt->source = source_compile(compiler, node_find(node, "url"), config->url);
	else
		jwt->jwks = file_compile(compiler, node_find(node, "keys"));
}

void auth_jwt_compile(struct policy_compiler *compiler, const struct node *node, struct auth *auth)
{
	struct jwt_config config = { 0 };
	const struct settings_part part = { auth_jwt_keys, &config };
	struct auth_jwt *jwt = arena_zalloc(compiler->arena, sizeof(*jwt));

	auth->jwt = jwt;
	if (settings_read(&part, 1, node, "jwt", compiler->arena, compiler->diag) > 0 ||
	    !jwt_has_one_source(compiler, node, &config))
		return;
	jwt->rules = (struct jwt_rules){
		.algs = algorithms_compile(compiler, &config.algorithms, config.secret != NULL),
		.typ = config.typ.len ? config.typ : STR_NONE,
		.n_issuers = config.issuer.n_texts,
		.issuers = config.issuer.texts,
		.n_audiences = config.audience.n_texts,
		.audiences = config.audience.texts,
		.leeway_ms = config.leeway_ms,
		.exp_optional = config.exp == 1,
	};
	jwt->outlived = config.live == 1;
	jwt->times = (struct key_times){ config.refresh_ms, config.retry_ms };
	auth_place(compiler, node, config.from, &jwt->from);
	jwt_compile_keys(compiler, node, &config, jwt);
}
