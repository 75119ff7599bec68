/* server/settings.h: the settings that are plain values: sections server, log, limits, timeouts, store. */
#pragma once
#include "conf/settings.h"

enum io_uring_use { IO_URING_AUTO, IO_URING_OFF };
enum store_if_corrupt { STORE_REFUSE, STORE_MOVE_ASIDE };

struct settings {
	/* server: fixed for the life of the process */
	struct str threads, compute_threads; /* "auto" or a number */
	int io_uring;                        /* enum io_uring_use */
	struct str uploads;                  /* a folder; empty: see server/body/uploads.h */
	struct setting_texts resolvers;
	struct str dns_servers; /* those, as c-ares reads them; empty: of /etc/resolv.conf */
	/* log */
	int log_level;         /* enum log_level */
	int log_format;        /* 0 text, 1 json */
	struct str log_access; /* "off", "stderr", or a path */
	struct str log_sample;
	uint64_t log_share; /* that: of SHARE_ALL */
	/* limits */
	int64_t connections;
	uint64_t line, head;
	int64_t fields;
	uint64_t body, inflated, memory, total_memory, extensions, trailers;
	int64_t requests; /* on one connection */
	/* timeouts, in milliseconds */
	uint64_t timeout_head, timeout_body, timeout_idle, timeout_write, timeout_route,
		timeout_handshake, timeout_shutdown;
	/* store: fixed for the life of the process */
	struct str store_path; /* made absolute or relative to the working directory; ":memory:" */
	uint64_t store_max;
	int store_if_corrupt; /* enum store_if_corrupt */
};

/* The rows of each section; all write into a struct settings. */
extern const struct setting server_keys[], log_keys[], limits_keys[], timeouts_keys[], store_keys[];
