/* server/peers/peers.h: the section `peers:`: other hosts whose actors are sent to, and who may send
 * to ours.
 *
 * An entry has a name of ours, and says how that host is spoken to (its form). What does the same
 * after a reload is carried over with its connection; what is changed or removed is retired: nothing
 * is sent to it any more, and what waited fails.
 *
 * A message for ACTOR@HOST (address.h) comes here from actors_send(), on any loop, and goes to the
 * form of that host: peer_leat (leat.c) speaks leat's own protocol over one connection. To add a form:
 * write its struct peer_form, and list it in section.c. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "core/thread/lock.h"
#include "server/actors/actors.h"
#include "server/client/upstream.h"
#include "server/networks.h"
#include "server/peers/address.h"
#include "server/peers/reach.h"
#include <stdatomic.h>

struct fellow;
struct peer_loop;
struct peers;
struct request;
struct router;
struct worker;

/* ------------------------------------------------------------ one host */

enum peer_auth_kind { PEER_AUTH_KEY, PEER_AUTH_TLS, PEER_AUTH_NONE };

/* As it was configured; fixed. */
struct peer_conf {
	struct str name;    /* what it is called here */
	struct str address; /* normal; empty: it cannot be connected to, and comes to us */
	struct upstream_server server; /* the same */
	struct str as;                 /* what we are called there */
	int auth;                      /* enum peer_auth_kind */
	struct str key;                /* the secret that both have; empty but with auth: key */
	struct str old_key;            /* that is taken as well, while it is changed; or empty */
	struct str subject;      /* with auth: tls, of its certificate; empty: it may not connect */
	struct tls_client *tls;  /* a reference; NULL: plain */
	struct str server_name;  /* that its certificate has; empty: its host */
	bool always;             /* connected also while nothing is sent */
	struct peer_reach reach; /* of our actors */
	uint64_t connect_ms, heartbeat_ms, grace_ms;
	size_t queue_max, bytes_max, message_max;
	/* of libprocess (wire.h) */
	struct networks from; /* that it sends from */
	struct str from_text;
	int body; /* enum wire_body */
	bool answers;
	uint8_t tls_identity[UPSTREAM_IDENTITY_SIZE];
};

/* Read by any thread. */
struct peer_stats {
	_Atomic uint64_t sent, received;  /* messages */
	_Atomic uint64_t acked;           /* that the other side has taken */
	_Atomic uint64_t lost;            /* sent, and not known to have arrived */
	_Atomic uint64_t refused;         /* never sent: no connection, no room */
	_Atomic uint64_t connects, fails; /* connections made; tries that failed */
	_Atomic uint64_t denied;          /* connections of others that were not who they said */
	_Atomic uint64_t rtt_ns;          /* of the last heartbeat */
};

/* One of the table of forms. */
struct peer_form {
	const char *name; /* `form:` */
	bool one_way;     /* nothing can be asked */

	/* Whether what is configured makes sense; errors go to diag. */
	bool (*is_right)(const struct peer_conf *conf, const struct node_entry *entry,
			 struct diag *diag);

	/* The message for the actor send->name of that host, from the loop of `from`. As actors_send(): asks:
	 * the future's value is a struct actor_answer (actor_answer_create()); else it is READY with
	 * a NULL value when the other side has taken it, or with an answer that says why not. NULL,
	 * with *ret_code and *ret_detail, when it was not even tried. */
	struct future *(*send)(struct fellow *peer, struct actor_loop *from,
			       const struct actor_send *send, bool asks, enum error_code *ret_code,
			       const char **ret_detail);

	/* The end of that actor there, and the loss of the host, are to be told by actor_loop_tell_end(), once, or no
	 * more. False: they cannot be. Any thread; it calls nobody back, and takes no lock but the form's. */
	bool (*watch)(struct fellow *peer, struct str there, bool on);
	bool (*may_watch)(struct str there); /* that can be the name of one there */

	/* It is in the generation at work now (again), whose actors are linked to `names` of that
	 * host; and: it is not any more. Main thread. May be NULL. */
	void (*open)(struct fellow *peer, struct peers *peers, const struct str *names,
		     size_t n_names);
	void (*retire)(struct fellow *peer);

	/* Memory of its own: what init() returns is peer->own. May be NULL, both. */
	void *(*init)(struct fellow *peer);
	void (*fini)(struct fellow *peer);

	/* Its figures as members of a JSON object: `,"queued":0`. May be NULL. Any thread. */
	void (*write)(struct fellow *peer, struct buf *out);
};

struct fellow {
	struct peer_conf conf;
	const struct peer_form *form;
	struct peer_stats stats;
	_Atomic uint32_t refs;
	void *own; /* the form's */
	struct arena arena;
};

struct fellow *fellow_ref(struct fellow *peer);
void fellow_unref(struct fellow *peer); /* NULL is accepted; any thread */

extern const struct peer_form peer_leat;

/* ------------------------------------------------------------ the section */

struct peer_section {
	size_t n_peers;
	struct fellow **peers; /* a reference each */
	const char **names;    /* NULL at the end */
};

extern const struct setting peer_keys[];

/* `node` may be NULL; what says the same as in `before` (or NULL) is carried over. */
void peer_section_compile(struct peer_section *section, const struct node *node,
			  const struct peer_section *before, struct conf *conf, struct diag *diag);
void peer_section_fini(struct peer_section *section);

/* By its name, or its address in any form; NULL: there is none. */
struct fellow *peer_section_find(const struct peer_section *section, struct str host);

struct fellow *peer_section_find_name(const struct peer_section *section, struct str name);

/* The same for ACTOR@HOST where it stands in a configuration: with an error when it cannot be
 * right. */
bool peer_section_check(const struct peer_section *section, struct str name, struct place place,
			struct diag *diag);
