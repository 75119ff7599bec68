/* server/listen_tls.h: `tls:` of a listener: certificates, and what is asked of clients. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"

struct tls_server;

/* Reads the files, too. NULL with errors in diag. The paths are relative to the file that names
 * them. A reference of the caller's. */
struct tls_server *listen_tls_compile(const struct node *node, struct conf *conf,
				      struct diag *diag);

extern const struct setting listen_tls_keys[];
