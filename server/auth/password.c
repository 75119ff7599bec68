/* server/auth/password.c */
#include "server/auth/password.h"
#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

enum {
	BCRYPT_COST_MAX = 15, /* 2 s; each one more doubles it */
	SHA_ROUNDS_MAX = 2000000,
	BCRYPT_TAIL = 53, /* characters of salt and hash */
	SHA256_TAIL = 43,
	SHA512_TAIL = 86,
	YESCRYPT_TAIL = 43,
	SALT_MAX = 86,
};

static const char problem_unknown[] =
	"it is no hash of a password (bcrypt $2y$, sha-crypt $5$ and $6$, yescrypt $y$); make one "
	"with htpasswd -nB NAME, openssl passwd -6, or mkpasswd";
static const char problem_costly[] =
	"its cost makes every login take seconds; use bcrypt up to 15, sha-crypt up to 2000000 "
	"rounds, yescrypt up to 64 MiB (mkpasswd's cost 7)";

/* How many characters of the alphabet of crypt(3) it begins with. */
static size_t crypt_span(struct str text)
{
	size_t n = 0;

	while (n < text.len && (char_is_alpha(text.ptr[n]) || char_is_digit(text.ptr[n]) ||
				text.ptr[n] == '.' || text.ptr[n] == '/'))
		n++;
	return n;
}

static int crypt_digit(char c)
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "10$" and the tail */
static const char *bcrypt_problem(struct str rest)
{
	int cost;

	if (rest.len != 3 + BCRYPT_TAIL || !char_is_digit(rest.ptr[0]) ||
	    !char_is_digit(rest.ptr[1]) || rest.ptr[2] != '$' ||
	    crypt_span(str_skip(rest, 3)) != BCRYPT_TAIL)
		return problem_unknown;
	cost = (rest.ptr[0] - '0') * 10 + rest.ptr[1] - '0';
	if (cost < 4 || cost > 31)
		return problem_unknown;
	return cost > BCRYPT_COST_MAX ? problem_costly : NULL;
}

/* "salt$tail" */
static const char *salted_problem(struct str rest, size_t tail)
{
	size_t salt = crypt_span(rest);

	if (salt > SALT_MAX || rest.len != salt + 1 + tail || rest.ptr[salt] != '$' ||
	    crypt_span(str_skip(rest, salt + 1)) != tail)
		return problem_unknown;
	return NULL;
}

/* "[rounds=N$]salt$tail" */
static const char *sha_problem(struct str rest, size_t tail)
{
	static const struct str key = STR_INIT("rounds=");
	uint64_t rounds = 0;
	struct str number;

	if (str_starts_with(rest, key)) {
		rest = str_skip(rest, key.len);
		if (!str_next_part(&rest, '$', &number) || str_to_u64(number, &rounds) < 0 ||
		    rounds < 1000)
			return problem_unknown;
	}
	if (salted_problem(rest, tail))
		return problem_unknown;
	return rounds > SHA_ROUNDS_MAX ? problem_costly : NULL;
}

/* "j9T$salt$tail": the characters behind j are log2(N) - 1 and r - 1; it takes 128 N r bytes. */
static const char *yescrypt_problem(struct str rest)
{
	struct str params;
	int n, r;

	if (!str_next_part(&rest, '$', &params) || params.len != 3 || params.ptr[0] != 'j')
		return problem_unknown;
	n = crypt_digit(params.ptr[1]);
	r = crypt_digit(params.ptr[2]);
	if (n < 0 || r < 0 || salted_problem(rest, YESCRYPT_TAIL))
		return problem_unknown;
	return n > 13 || r > 31 ? problem_costly : NULL;
}

const char *password_hash_problem(struct str hash)
{
	static const struct str bcrypt[] = { STR_INIT("$2a$"), STR_INIT("$2b$"), STR_INIT("$2y$") };

	for (size_t i = 0; i < sizeof(bcrypt) / sizeof(bcrypt[0]); i++)
		if (str_starts_with(hash, bcrypt[i]))
			return bcrypt_problem(str_skip(hash, bcrypt[i].len));
	if (str_starts_with(hash, STR("$5$")))
		return sha_problem(str_skip(hash, 3), SHA256_TAIL);
	if (str_starts_with(hash, STR("$6$")))
		return sha_problem(str_skip(hash, 3), SHA512_TAIL);
	if (str_starts_with(hash, STR("$y$")))
		return yescrypt_problem(str_skip(hash, 3));
	return problem_unknown;
}

int password_check(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *got = data ? crypt_r(password, hash, data) : NULL;
	bool same;

	if (!data)
		return -ENOMEM;
	same = got && strlen(got) == strlen(hash) && CRYPTO_memcmp(got, hash, strlen(hash)) == 0;
	OPENSSL_cleanse(data, sizeof(*data));
	free(data);
	return same;
}
