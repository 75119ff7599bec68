/* server/tls_info.h: what a TLS session has agreed on, as texts: for requests, which may outlive
 * their connection. Of one loop. */
#pragma once
#include "server/expr/value.h"

struct tls;

struct tls_info {
	unsigned refs;                /* of its loop's connection and requests */
	const char *version, *cipher; /* static */
	struct str server_name;       /* .ptr NULL: none was asked for */
	bool has_client;
	struct str subject, issuer, serial, fingerprint;
	char bytes[];
};

/* NULL without memory. */
struct tls_info *tls_info_create(const struct tls *tls);
struct tls_info *tls_info_ref(struct tls_info *info);
void tls_info_unref(struct tls_info *info); /* NULL is accepted */

/* ${tls} and ${tls.KEY}; null when `info` is NULL. 0 or -ENOMEM. */
int tls_info_value(const struct tls_info *info, struct arena *arena, struct str key,
		   struct value *ret);
