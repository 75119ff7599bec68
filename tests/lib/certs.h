/* tests/lib/certs.h: certificates for tests, made when asked for, in a folder of their own. */
#pragma once
#include <stdbool.h>

struct cert_wish {
	const char *file;       /* FILE.pem and FILE.key are made */
	const char *subject;    /* its common name */
	const char *names;      /* "DNS:a.test,DNS:*.b.test,IP:127.0.0.1"; NULL: none */
	const char *issuer;     /* the FILE of the authority; NULL: it signs itself, and others */
	bool rsa;               /* 2048 bits; otherwise P-256 */
	int from_days, to_days; /* from now; 0 and 0: -1 to 30 */
	const char *with_chain; /* the FILE that stands behind it in FILE.pem; or NULL */
};

/* Made at the first call, removed at the end of the program. */
const char *certs_folder(void);

/* "FOLDER/FILE.pem": valid until the next but seven calls. */
const char *cert_path(const char *file, const char *suffix);

void cert_make(const struct cert_wish *wish);
void cert_write(const char *file, const char *suffix, const void *bytes, unsigned long size);
