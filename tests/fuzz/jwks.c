/* tests/fuzz/jwks.c: a key set from anybody. What is taken of it fits an algorithm, and verifies
 * nothing that was not signed. */
#include "server/auth/jwks.h"
#include <openssl/err.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_keys(const struct jwks *jwks)
{
	static const char zeros[256];

	check(jwks->n_keys > 0 && jwks->n_keys <= JWKS_KEYS_MAX);
	for (size_t i = 0; i < MIN(jwks->n_keys, (size_t)4); i++) {
		unsigned n_fitting = 0;

		for (size_t j = 0; j < n_algs; j++) {
			if (!key_fits(&jwks->keys[i], &algs[j]))
				continue;
			n_fitting++;
			check(!key_verify(&jwks->keys[i], &algs[j], STR("a token"),
					  (struct str){ zeros, 2 * algs[j].number_size }));
			check(!key_verify(&jwks->keys[i], &algs[j], STR("a token"),
					  (struct str){ zeros, sizeof(zeros) }));
		}
		check(n_fitting > 0 || jwks->keys[i].only);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jwks_report report;
	struct jwks *jwks = jwks_read_file((struct str){ (const char *)data, size }, &report);

	check(jwks || report.problem[0]);
	check(memchr(report.problem, 0, sizeof(report.problem)));
	if (jwks)
		try_keys(jwks);
	jwks_unref(jwks);
	check(ERR_peek_error() == 0);
	return 0;
}
