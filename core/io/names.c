/* core/io/names.c
 *
 * An entry is a name with its answer, or with the query that will bring one:
 *
 *   ASKING   c-ares has the query; the lookups that want the answer stand in `waiting`; the entry is in names->asking
 *   KNOWN    the answer is kept until `expires_ns`; the entry is in names->known, the least recently used first
 *
 * Who asks is only linked to an entry, so cancelling unlinks, and the query goes on for the next
 * one. A lookup completes from the loop's ready list, with a copy of the answer: nothing of an
 * entry is used after it is dropped.
 *
 * The answer may come from within resolver_ask() (a name of /etc/hosts); it calls nothing
 * outside of this file. */
#include "core/io/names.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/io/resolver.h"
#include <errno.h>
#include <stdlib.h>

enum {
	TTL_MIN_S = 1,
	TTL_MAX_S = 300,
	TTL_FAILURE_S = 1,
	LABEL_MAX = 63,
};

struct names {
	struct resolver resolver;
	struct map entries; /* by entry.key */
	struct list asking; /* of entry.link */
	struct list known;  /* of entry.link */
	bool closing;       /* answers are not wanted any more */
};

enum entry_state {
	ENTRY_ASKING, /* or about to: it is in no list yet */
	ENTRY_KNOWN,
};

struct entry {
	struct list link;
	struct names *names;
	struct list waiting; /* of lookup.link */
	enum entry_state state;
	uint64_t expires_ns;
	int error;
	unsigned n_addrs;
	struct net_addr *addrs;
	struct str key; /* host */
	char host[];    /* in lower case */
};

/* ------------------------------------------------------------ entries */

static void entry_drop(struct entry *entry)
{
	list_remove(&entry->link);
	map_remove(&entry->names->entries, entry->key);
	free(entry->addrs);
	free(entry);
}

static struct entry *entry_create(struct names *names, struct str host)
{
	struct entry *entry = mem_zalloc(sizeof(*entry) + host.len + 1);

	entry->names = names;
	list_init(&entry->link);
	list_init(&entry->waiting);
	memcpy(entry->host, host.ptr, host.len);
	entry->key = (struct str){ entry->host, host.len };
	map_set(&names->entries, entry->key, entry);
	return entry;
}

static void lookup_copy(struct lookup *lookup, int error, const struct net_addr *addrs, unsigned n)
{
	lookup->error = error;
	lookup->n_addrs = n;
	for (unsigned i = 0; i < n; i++) {
		lookup->addrs[i] = addrs[i];
		if (addrs[i].sa.sa_family == AF_INET)
			lookup->addrs[i].in4.sin_port = htons(lookup->port);
		else
			lookup->addrs[i].in6.sin6_port = htons(lookup->port);
	}
}

static void entry_answer(struct entry *entry, struct lookup *lookup)
{
	lookup_copy(lookup, entry->error, entry->addrs, entry->n_addrs);
	lookup->expires_ns = entry->expires_ns;
	loop_ready(entry->names->resolver.loop, &lookup->ready);
}

static int entry_error(int status)
{
	switch (status) {
	case ARES_SUCCESS: /* but without an address */
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
	case ARES_EBADNAME:
	case ARES_EBADQUERY:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static bool entry_take_node(const struct ares_addrinfo_node *node, struct net_addr *ret_addr)
{
	bool known_family = node->ai_family == AF_INET || node->ai_family == AF_INET6;

	if (!known_family || node->ai_addrlen > sizeof(ret_addr->storage))
		return false;
	*ret_addr = (struct net_addr){ .len = node->ai_addrlen };
	memcpy(&ret_addr->storage, node->ai_addr, node->ai_addrlen);
	return true;
}

/* Stores the addresses; returns for how long they are good. */
static unsigned entry_take_addrs(struct entry *entry, const struct ares_addrinfo *info)
{
	struct net_addr addrs[NAMES_ADDRS_MAX];
	int ttl_s = TTL_MAX_S;
	unsigned n = 0;

	for (const struct ares_addrinfo_node *node = info->nodes; node && n < NAMES_ADDRS_MAX;
	     node = node->ai_next) {
		if (!entry_take_node(node, &addrs[n]))
			continue;
		ttl_s = MIN(ttl_s, node->ai_ttl);
		n++;
	}
	if (n > 0) {
		entry->addrs = mem_alloc(n * sizeof(addrs[0]));
		memcpy(entry->addrs, addrs, n * sizeof(addrs[0]));
	}
	entry->n_addrs = n;
	return (unsigned)MAX(ttl_s, (int)TTL_MIN_S);
}

static void entry_on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct entry *entry = arg;
	unsigned ttl_s = TTL_FAILURE_S;
	struct list *link;

	(void)timeouts;
	if (status == ARES_SUCCESS && info)
		ttl_s = entry_take_addrs(entry, info);
	if (info)
		ares_freeaddrinfo(info);
	if (entry->names->closing)
		return;
	entry->error = entry->n_addrs > 0 ? 0 : entry_error(status);
	entry->state = ENTRY_KNOWN;
	entry->expires_ns =
		clock_monotonic_ns() + (entry->error ? TTL_FAILURE_S : ttl_s) * NS_PER_S;
	list_remove(&entry->link);
	list_add(&entry->names->known, &entry->link);
	while ((link = list_pop(&entry->waiting)))
		entry_answer(entry, container_of(link, struct lookup, link));
}

static void entry_ask(struct entry *entry)
{
	if (list_is_empty(&entry->names->asking))
		(void)resolver_refresh(
			&entry->names->resolver); /* else the old servers are asked */
	list_add(&entry->names->asking, &entry->link);
	resolver_ask(&entry->names->resolver, entry->host, entry_on_answer, entry);
}

/* The entry for a name, with the one that was used longest ago dropped when there are too many.
 * NULL: they all wait for their answers. */
static struct entry *names_entry(struct names *names, struct str host)
{
	struct entry *entry = map_find(&names->entries, host);

	if (entry && entry->state == ENTRY_ASKING)
		return entry;
	if (entry && clock_monotonic_ns() < entry->expires_ns) {
		list_remove(&entry->link);
		list_add(&names->known, &entry->link);
		return entry;
	}
	if (!entry && names->entries.n_items >= NAMES_KEPT_MAX) {
		entry = list_first(&names->known, struct entry, link);
		if (!entry)
			return NULL;
	}
	if (entry)
		entry_drop(entry);
	return entry_create(names, host);
}

/* ------------------------------------------------------------ lookups */

static void lookup_complete(struct ready *ready)
{
	struct lookup *lookup = container_of(ready, struct lookup, ready);

	lookup->on_done(lookup);
}

static void lookup_fail(struct lookup *lookup, struct names *names, int error)
{
	lookup->error = error;
	lookup->expires_ns = clock_monotonic_ns() + TTL_FAILURE_S * NS_PER_S;
	loop_ready(names->resolver.loop, &lookup->ready);
}

static bool host_char_is_valid(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '_';
}

/* Writes the host in lower case. False: no server could know it (RFC 1123 §2.1, and the
 * underscore). */
static bool host_normalize(struct str host, char out[NAMES_HOST_MAX + 2], struct str *ret_host)
{
	size_t label_len = 0;

	if (host.len > 0 && host.ptr[host.len - 1] == '.' ? host.len > NAMES_HOST_MAX + 1
							  : host.len > NAMES_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		bool dot = host.ptr[i] == '.';

		if (dot ? label_len == 0 : !host_char_is_valid(host.ptr[i]))
			return false;
		label_len = dot ? 0 : label_len + 1;
		if (label_len > LABEL_MAX)
			return false;
		out[i] = char_lower(host.ptr[i]);
	}
	*ret_host = (struct str){ out, host.len };
	return host.len > 0;
}

static void lookup_ask(struct lookup *lookup, struct names *names, struct str host)
{
	struct entry *entry = names_entry(names, host);

	if (!entry) {
		lookup_fail(lookup, names, -EIO);
		return;
	}
	if (entry->state == ENTRY_KNOWN) {
		entry_answer(entry, lookup);
		return;
	}
	list_add(&entry->waiting, &lookup->link);
	if (!list_is_linked(&entry->link)) /* made just now */
		entry_ask(entry);
}

void lookup_start(struct lookup *lookup, struct names *names, struct str host, uint16_t port,
		  lookup_fn *on_done)
{
	char lower[NAMES_HOST_MAX + 2];
	struct net_addr numeric;

	list_init(&lookup->link);
	ready_init(&lookup->ready, lookup_complete);
	lookup->on_done = on_done;
	lookup->port = port;
	lookup->error = 0;
	lookup->n_addrs = 0;
	lookup->expires_ns = UINT64_MAX;
	if (net_addr_from_host(host, port, &numeric) == 0) {
		lookup_copy(lookup, 0, &numeric, 1);
		loop_ready(names->resolver.loop, &lookup->ready);
	} else if (host_normalize(host, lower, &host)) {
		lookup_ask(lookup, names, host);
	} else {
		lookup_fail(lookup, names, -ENOENT);
	}
}

void lookup_cancel(struct lookup *lookup)
{
	list_remove(&lookup->link);
	loop_ready_cancel(&lookup->ready);
}

/* ------------------------------------------------------------ names */

int names_create(struct names **ret_names, struct loop *loop)
{
	struct names *names = mem_zalloc(sizeof(*names));
	int r = resolver_open(&names->resolver, loop);

	if (r < 0) {
		free(names);
		return r;
	}
	list_init(&names->asking);
	list_init(&names->known);
	map_init(&names->entries);
	*ret_names = names;
	return 0;
}

int names_set_servers(struct names *names, const char *csv)
{
	return list_is_empty(&names->asking) ? resolver_set_servers(&names->resolver, csv) : -EBUSY;
}

int names_set_conf(struct names *names, const char *path)
{
	return list_is_empty(&names->asking) ? resolver_set_conf(&names->resolver, path) : -EBUSY;
}

int names_set_patience(struct names *names, unsigned timeout_ms, unsigned tries)
{
	if (!list_is_empty(&names->asking))
		return -EBUSY;
	return resolver_set_patience(&names->resolver, timeout_ms, tries);
}

static void names_drop_entries(struct list *entries)
{
	struct entry *entry;

	while ((entry = list_first(entries, struct entry, link))) {
		while (list_pop(&entry->waiting))
			;
		entry_drop(entry);
	}
}

void names_destroy(struct names *names)
{
	if (!names)
		return;
	names->closing = true;
	resolver_close(&names->resolver);
	names_drop_entries(&names->asking);
	names_drop_entries(&names->known);
	map_fini(&names->entries);
	free(names);
}
