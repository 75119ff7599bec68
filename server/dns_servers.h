/* server/dns_servers.h: `server: {resolvers: […]}`: which servers are asked for names. */
#pragma once
#include "conf/settings.h"

/* The list as c-ares reads it ("127.0.0.1:5353,[::1]:53"), in the arena; empty: those of
 * /etc/resolv.conf. Wrong ones are errors. */
struct str dns_servers_compile(const struct setting_texts *texts, struct arena *arena,
			       struct diag *diag);
