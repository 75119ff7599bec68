/* server/auth/jwt.c */
#include "server/auth/jwt.h"
#include "core/base/base64.h"
#include "server/auth/object.h"
#include "server/expr/number.h"
#include <errno.h>

const char *jwt_fault_text(enum jwt_fault fault)
{
	static const char *const texts[N_JWT_FAULTS] = {
		[JWT_FINE] = "fine",
		[JWT_MEMORY] = "no memory for it",
		[JWT_TOO_LARGE] = "larger than 16k",
		[JWT_MALFORMED] = "not three parts in base64url with JSON in them",
		[JWT_CRITICAL] = "has crit",
		[JWT_ALG_UNKNOWN] = "its alg is not known",
		[JWT_ALG_REFUSED] = "its alg is not among algorithms",
		[JWT_TYPE] = "its typ is another one",
		[JWT_KEY_UNKNOWN] = "no key for its kid and alg",
		[JWT_SIGNATURE] = "wrong signature",
		[JWT_CLAIMS] = "its claims are not well formed",
		[JWT_EXPIRED] = "expired",
		[JWT_EXP_MISSING] = "has no exp; set exp: optional when it need not",
		[JWT_NOT_YET] = "not valid yet (nbf)",
		[JWT_ISSUED_LATER] = "issued in the future (iat)",
		[JWT_ISSUER] = "another issuer",
		[JWT_AUDIENCE] = "for another audience",
	};

	return texts[fault];
}

/* ------------------------------------------------------------ the form */

/* 0, -EINVAL or -ENOMEM. */
static int jwt_decode(struct str digits, struct arena *arena, struct str *ret)
{
	char *out = arena_alloc(arena, base64_size(digits.len) + 1);

	if (!out)
		return -ENOMEM;
	if (!base64_decode(digits, BASE64_URL, out))
		return -EINVAL;
	*ret = (struct str){ out, base64_size(digits.len) };
	return 0;
}

static int jwt_decode_object(struct str digits, size_t n_max, struct arena *arena,
			     struct value *ret)
{
	struct str text;
	int r = jwt_decode(digits, arena, &text);

	return r < 0 ? r : object_read(text, n_max, arena, ret);
}

/* RFC 7515 §4.1.9: "application/" may be left out; types differ not by case. */
static bool jwt_type_is(struct value header, struct str want)
{
	static const struct str prefix = STR_INIT("application/");
	struct str typ = object_text(header, STR("typ"));

	if (str_eq_nocase(str_first(typ, prefix.len), prefix) && !str_has(want, '/'))
		typ = str_skip(typ, prefix.len);
	return typ.ptr && str_eq_nocase(typ, want);
}

static enum jwt_fault jwt_read_header(struct jwt *jwt, struct value header,
				      const struct jwt_rules *rules)
{
	struct value value;

	if (value_member(header, STR("crit"), &value))
		return JWT_CRITICAL;
	jwt->alg = alg_find(object_text(header, STR("alg")));
	if (!jwt->alg)
		return JWT_ALG_UNKNOWN;
	if (!(rules->algs & alg_bit(jwt->alg)))
		return JWT_ALG_REFUSED;
	if (rules->typ.ptr && !jwt_type_is(header, rules->typ))
		return JWT_TYPE;
	jwt->kid = object_text(header, STR("kid"));
	if (value_member(header, STR("kid"), &value) && !jwt->kid.ptr)
		return JWT_MALFORMED;
	return JWT_FINE;
}

static bool jwt_split(struct str token, struct str parts[3])
{
	struct str rest = token;
	size_t n_parts = 0;

	while (n_parts < 3 && str_next_part(&rest, '.', &parts[n_parts]))
		n_parts++;
	return n_parts == 3 && parts[2].ptr + parts[2].len == token.ptr + token.len;
}

enum jwt_fault jwt_read(struct jwt *jwt, struct str token, const struct jwt_rules *rules,
			struct arena *arena)
{
	struct value header;
	struct str parts[3];
	int r;

	*jwt = (struct jwt){ .token = token };
	if (token.len > JWT_SIZE_MAX)
		return JWT_TOO_LARGE;
	if (!token.ptr || !jwt_split(token, parts))
		return JWT_MALFORMED;
	r = jwt_decode_object(parts[0], JWT_HEADER_MEMBERS_MAX, arena, &header);
	if (r == 0)
		r = jwt_decode(parts[2], arena, &jwt->signature);
	if (r < 0)
		return r == -ENOMEM ? JWT_MEMORY : JWT_MALFORMED;
	jwt->input = str_range(token.ptr, parts[1].ptr + parts[1].len);
	jwt->payload = parts[1];
	return jwt_read_header(jwt, header, rules);
}

/* ------------------------------------------------------------ the signature */

size_t jwt_find_keys(const struct jwt *jwt, const struct jwks *jwks,
		     const struct key *ret_keys[JWT_TRIES_MAX])
{
	size_t n_keys = 0;

	for (size_t i = 0; i < jwks->n_keys && n_keys < JWT_TRIES_MAX; i++) {
		const struct key *key = &jwks->keys[i];

		if (jwt->kid.ptr && key->kid.ptr && !str_eq(jwt->kid, key->kid))
			continue;
		if (key_fits(key, jwt->alg))
			ret_keys[n_keys++] = key;
	}
	return n_keys;
}

enum jwt_fault jwt_verify(const struct jwt *jwt, const struct jwks *jwks)
{
	const struct key *keys[JWT_TRIES_MAX];
	size_t n_keys = jwt_find_keys(jwt, jwks, keys);

	for (size_t i = 0; i < n_keys; i++)
		if (key_verify(keys[i], jwt->alg, jwt->input, jwt->signature))
			return JWT_FINE;
	return n_keys ? JWT_SIGNATURE : JWT_KEY_UNKNOWN;
}

/* ------------------------------------------------------------ the claims */

/* Seconds since 1970 (RFC 7519 §2, NumericDate). False when it is there and is none. */
static bool claims_date(struct value claims, struct str name, bool *ret_has, double *ret)
{
	struct number number;
	struct value value;

	*ret_has = value_member(claims, name, &value);
	if (!*ret_has)
		return true;
	if (!number_is(value) || number_of(value, &number) < 0)
		return false;
	*ret = number.real;
	return true;
}

/* 0: in no time that there is. */
static int64_t claims_until_ns(double until)
{
	return until < (double)INT64_MAX / 1e9 ? (int64_t)(until * 1e9) : 0;
}

static enum jwt_fault claims_judge_times(struct value claims, const struct jwt_rules *rules,
					 double now, int64_t *ret_until_ns)
{
	double leeway = (double)rules->leeway_ms / 1e3, exp = 0, nbf = 0, iat = 0;
	bool has_exp, has_nbf, has_iat;

	if (!claims_date(claims, STR("exp"), &has_exp, &exp) ||
	    !claims_date(claims, STR("nbf"), &has_nbf, &nbf) ||
	    !claims_date(claims, STR("iat"), &has_iat, &iat))
		return JWT_CLAIMS;
	if (!has_exp && !rules->exp_optional)
		return JWT_EXP_MISSING;
	if (has_exp && now >= exp + leeway)
		return JWT_EXPIRED;
	*ret_until_ns = has_exp ? claims_until_ns(exp + leeway) : 0;
	if (has_nbf && now < nbf - leeway)
		return JWT_NOT_YET;
	if (has_iat && now < iat - leeway)
		return JWT_ISSUED_LATER;
	return JWT_FINE;
}

static bool texts_have(const struct str *texts, size_t n_texts, struct value value)
{
	for (size_t i = 0; i < n_texts; i++)
		if (value.kind == VALUE_TEXT && str_eq(texts[i], value_str(value)))
			return true;
	return false;
}

static enum jwt_fault claims_judge_issuer(struct value claims, const struct jwt_rules *rules)
{
	struct value issuer;

	if (rules->n_issuers == 0)
		return JWT_FINE;
	if (!value_member(claims, STR("iss"), &issuer) ||
	    !texts_have(rules->issuers, rules->n_issuers, issuer))
		return JWT_ISSUER;
	return JWT_FINE;
}

/* RFC 7519 §4.1.3: a text, or a list of texts of which one is ours. */
static enum jwt_fault claims_judge_audience(struct value claims, const struct jwt_rules *rules)
{
	struct value audience;

	if (!value_member(claims, STR("aud"), &audience))
		return rules->n_audiences ? JWT_AUDIENCE : JWT_FINE;
	if (texts_have(rules->audiences, rules->n_audiences, audience))
		return JWT_FINE;
	for (size_t i = 0; audience.kind == VALUE_LIST && i < audience.len; i++)
		if (texts_have(rules->audiences, rules->n_audiences, audience.items[i]))
			return JWT_FINE;
	return JWT_AUDIENCE;
}

enum jwt_fault jwt_judge(struct jwt *jwt, const struct jwt_rules *rules, int64_t now_wall_ns,
			 struct arena *arena)
{
	int r = jwt_decode_object(jwt->payload, JWT_CLAIMS_MAX, arena, &jwt->claims);
	enum jwt_fault fault;

	if (r < 0)
		return r == -ENOMEM ? JWT_MEMORY : JWT_CLAIMS;
	fault = claims_judge_times(jwt->claims, rules, (double)now_wall_ns / 1e9,
				   &jwt->until_wall_ns);
	if (fault == JWT_FINE)
		fault = claims_judge_issuer(jwt->claims, rules);
	if (fault == JWT_FINE)
		fault = claims_judge_audience(jwt->claims, rules);
	return fault;
}
