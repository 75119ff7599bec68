/* server/client/upstream_names.c
 *
 * Locking: names.lock guards everything but `due_ns` and `number`, which are written under it and
 * looked at without. With it held, a fleet's lock may be taken (peers come and go), nothing else. */
#include "server/client/upstream_names.h"
#include "core/base/backoff.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum {
	CLAIM_MS = 10000, /* so long nobody else asks what one loop has asked */
	JUST_EXPIRED_MS = 10000,
	AGAIN_MS = 1000, /* after a failure, while old addresses are used */
	AGAIN_MAX_MS = 10000,
	BACKUP_LISTED = 1 << 16, /* behind all ranks of those that are not */
};

/* Of one server. */
struct found {
	uint64_t expires_ns; /* of the addresses */
	uint64_t due_ns;     /* when somebody has to ask; UINT64_MAX: never */
	unsigned n_failed;   /* look-ups in a row */
	int error;           /* of the last one */
	size_t n_addresses;
	struct upstream_address *addresses; /* in one order; their hosts are copies */
};

struct upstream_names {
	struct lock lock;
	_Atomic uint64_t due_ns, number;
	bool retired, dirty; /* dirty: `roster` is not what was found */
	struct roster *roster;
	struct found found[UPSTREAM_SERVERS_MAX];
};

void upstream_names_create(struct upstream *upstream)
{
	struct upstream_names *names = mem_zalloc(sizeof(*names));

	lock_init(&names->lock);
	atomic_init(&names->due_ns, UINT64_MAX);
	atomic_init(&names->number, 1);
	names->dirty = true;
	upstream->names = names;
}

/* ------------------------------------------------------------ addresses */

static void found_clear(struct found *found)
{
	for (size_t i = 0; i < found->n_addresses; i++)
		free((char *)(uintptr_t)found->addresses[i].host.ptr);
	free(found->addresses);
	found->addresses = NULL;
	found->n_addresses = 0;
}

static int address_compare(const void *a, const void *b)
{
	const struct upstream_address *p = a, *q = b;
	char p_text[NET_ADDR_TEXT_MAX], q_text[NET_ADDR_TEXT_MAX];

	return strcmp(net_addr_write(p_text, &p->addr), net_addr_write(q_text, &q->addr));
}

/* In an order of their own, so that the turns of a name server are no news. */
static void found_set(struct found *found, const struct upstream_address *addresses, size_t n)
{
	found_clear(found);
	found->addresses = mem_zalloc((n + 1) * sizeof(addresses[0]));
	for (size_t i = 0; i < n; i++) {
		struct str host = addresses[i].host;

		found->addresses[i] = addresses[i];
		found->addresses[i].host =
			(struct str){ mem_strndup(host.ptr, host.len), host.len };
	}
	found->n_addresses = n;
	qsort(found->addresses, n, sizeof(addresses[0]), address_compare);
}

static bool address_eq(const struct upstream_address *a, const struct upstream_address *b)
{
	return net_addr_eq(&a->addr, &b->addr) && a->weight == b->weight &&
	       a->backup == b->backup && str_eq(a->host, b->host);
}

static bool found_has(const struct found *found, const struct upstream_address *address)
{
	for (size_t i = 0; i < found->n_addresses; i++)
		if (address_eq(&found->addresses[i], address))
			return true;
	return false;
}

static bool found_is(const struct found *found, const struct upstream_answer *answer)
{
	if (found->n_addresses != answer->n_addresses)
		return false;
	for (size_t i = 0; i < answer->n_addresses; i++)
		if (!found_has(found, &answer->addresses[i]))
			return false;
	return true;
}

/* ------------------------------------------------------------ when somebody has to ask */

static void names_set_due(struct upstream *upstream) HOLDS(upstream->names->lock)
{
	uint64_t due_ns = UINT64_MAX;

	for (size_t i = 0; i < upstream->n_servers; i++)
		due_ns = MIN(due_ns, upstream->names->found[i].due_ns);
	atomic_store_explicit(&upstream->names->due_ns, due_ns, memory_order_relaxed);
}

static void names_changed(struct upstream *upstream) HOLDS(upstream->names->lock)
{
	upstream->names->dirty = true;
	atomic_fetch_add_explicit(&upstream->names->number, 1, memory_order_release);
}

uint64_t upstream_due_ns(const struct upstream *upstream)
{
	return atomic_load_explicit(&upstream->names->due_ns, memory_order_relaxed);
}

uint64_t upstream_roster_number(const struct upstream *upstream)
{
	return atomic_load_explicit(&upstream->names->number, memory_order_acquire);
}

const struct upstream_server *upstream_asked(const struct upstream *upstream, size_t server)
{
	return upstream->via ? &upstream->via->proxy : &upstream->servers[server];
}

void upstream_names_add(struct upstream *upstream, size_t server)
{
	const struct upstream_server *asked = upstream_asked(upstream, server);
	struct upstream_address address = { .host = upstream->servers[server].host, .weight = 1 };
	struct found *found = &upstream->names->found[server];

	lock_acquire(&upstream->names->lock);
	found->due_ns = 0;
	if (!asked->srv && net_addr_from_host(asked->host, asked->port, &address.addr) == 0) {
		found_set(found, &address, 1);
		found->expires_ns = found->due_ns = UINT64_MAX;
	}
	names_set_due(upstream);
	names_changed(upstream);
	lock_release(&upstream->names->lock);
}

/* Whether addresses are still good enough, `now_ns` being past their time. */
static bool found_is_usable(const struct upstream *upstream, const struct found *found,
			    uint64_t now_ns)
{
	return now_ns < found->expires_ns + upstream->stale_ms * NS_PER_MS;
}

static enum upstream_due found_due(const struct upstream *upstream, struct found *found,
				   uint64_t now_ns)
{
	bool just = now_ns < found->expires_ns + JUST_EXPIRED_MS * NS_PER_MS;

	if (now_ns < found->due_ns)
		return UPSTREAM_KNOWN;
	if (found->n_addresses == 0)
		return UPSTREAM_UNKNOWN;
	if (!found_is_usable(upstream, found, now_ns) || (!just && found->n_failed == 0))
		return UPSTREAM_OLD;
	found->due_ns = now_ns + CLAIM_MS * NS_PER_MS;
	return UPSTREAM_REFRESH;
}

enum upstream_due upstream_due(struct upstream *upstream, size_t server, uint64_t now_ns)
{
	struct upstream_names *names = upstream->names;
	enum upstream_due due;

	lock_acquire(&names->lock);
	due = found_due(upstream, &names->found[server], now_ns);
	names_set_due(upstream);
	lock_release(&names->lock);
	return due;
}

/* ------------------------------------------------------------ answers */

/* Nobody has said anything: what is known stays, as long as it may. True: it went. */
static bool found_fail(const struct upstream *upstream, struct found *found,
		       const struct upstream_answer *answer, uint64_t now_ns)
{
	bool had = found->n_addresses > 0;

	found->n_failed++;
	found->error = answer->error;
	if (had && answer->error != -ENOENT && found_is_usable(upstream, found, now_ns)) {
		found->due_ns = now_ns + backoff_ns(AGAIN_MS, AGAIN_MAX_MS, found->n_failed);
		return false;
	}
	found_clear(found);
	found->due_ns = answer->expires_ns;
	return had;
}

/* True: it is news. */
static bool found_take(struct found *found, const struct upstream_answer *answer)
{
	bool news = !found_is(found, answer);

	found->n_failed = 0;
	found->error = 0;
	found->expires_ns = found->due_ns = answer->expires_ns;
	if (news)
		found_set(found, answer->addresses, answer->n_addresses);
	return news;
}

void upstream_found(struct upstream *upstream, size_t server, const struct upstream_answer *answer)
{
	struct upstream_names *names = upstream->names;
	struct found *found = &names->found[server];
	bool news;

	lock_acquire(&names->lock);
	news = answer->error ? found_fail(upstream, found, answer, clock_monotonic_ns())
			     : found_take(found, answer);
	names_set_due(upstream);
	if (news)
		names_changed(upstream);
	lock_release(&names->lock);
}

int upstream_names_error(struct upstream *upstream)
{
	int error = 0;

	lock_acquire(&upstream->names->lock);
	for (size_t i = 0; i < upstream->n_servers && !error; i++)
		error = upstream->names->found[i].error;
	lock_release(&upstream->names->lock);
	return error;
}

size_t upstream_addresses(struct upstream *upstream, size_t server, struct net_addr *addrs,
			  size_t max, bool *ret_stale)
{
	struct found *found = &upstream->names->found[server];
	size_t n;

	lock_acquire(&upstream->names->lock);
	n = MIN(found->n_addresses, max);
	for (size_t i = 0; i < n; i++)
		addrs[i] = found->addresses[i].addr;
	*ret_stale = n > 0 && clock_monotonic_ns() >= found->expires_ns;
	lock_release(&upstream->names->lock);
	return n;
}

/* ------------------------------------------------------------ the roster */

/* The bytes that say how a peer is reached. */
static struct str upstream_way(const struct upstream *upstream, struct arena *arena)
{
	const struct upstream_via *via = upstream->via;
	struct buf way;

	buf_init_arena(&way, arena);
	if (via)
		buf_printf(&way, "via %.*s:%u %.*s\n", STR_ARG(via->proxy.host), via->proxy.port,
			   STR_ARG(via->authorization));
	if (upstream->tls) {
		buf_add(&way, (struct str){ (const char *)upstream->tls_identity,
					    UPSTREAM_IDENTITY_SIZE });
		buf_add(&way, upstream->server_name);
	}
	check(!way.error);
	return buf_str(&way);
}

/* An address that two servers have is one seat. */
static bool seats_merge(struct seat *seats, size_t n_seats, const struct seat *seat)
{
	for (size_t i = 0; i < n_seats; i++) {
		if (seats[i].peer != seat->peer)
			continue;
		seats[i].weight += seat->weight;
		seats[i].backup = MIN(seats[i].backup, seat->backup);
		return true;
	}
	return false;
}

static void names_add_seats(struct upstream *upstream, size_t server, struct str way,
			    struct seat *seats, size_t *n_seats) HOLDS(upstream->names->lock)
{
	const struct found *found = &upstream->names->found[server];
	const struct upstream_server *listed = &upstream->servers[server];

	for (size_t i = 0; i < found->n_addresses && *n_seats < ROSTER_SEATS_MAX; i++) {
		const struct upstream_address *address = &found->addresses[i];
		const struct peer_key key = { address->host, address->addr, way,
					      upstream->via ? listed->port : 0 };
		const struct seat seat = {
			.peer = fleet_peer(upstream->fleet, &key),
			.weight = listed->weight * address->weight,
			.group = listed->group,
			.backup = (listed->backup ? BACKUP_LISTED : 0u) + address->backup,
		};

		if (seats_merge(seats, *n_seats, &seat))
			peer_unref(seat.peer);
		else
			seats[(*n_seats)++] = seat;
	}
}

static void names_set_roster(struct upstream_names *names, struct roster *roster) HOLDS(names->lock)
{
	if (names->roster)
		roster_retire(names->roster);
	roster_unref(names->roster);
	names->roster = roster;
}

/* Peers that stay are listed by the new one before the old one lets go of them. */
static void names_build(struct upstream *upstream) HOLDS(upstream->names->lock)
{
	struct seat seats[ROSTER_SEATS_MAX];
	size_t n_seats = 0;
	struct arena arena;
	struct str way;

	arena_init_required(&arena);
	way = upstream_way(upstream, &arena);
	for (size_t i = 0; i < upstream->n_servers; i++)
		names_add_seats(upstream, i, way, seats, &n_seats);
	names_set_roster(upstream->names,
			 roster_create(seats, n_seats, upstream->balance == BALANCE_HASH));
	upstream->names->dirty = false;
	arena_fini(&arena);
}

struct roster *upstream_roster(struct upstream *upstream)
{
	struct upstream_names *names = upstream->names;
	struct roster *roster;

	lock_acquire(&names->lock);
	if (!names->roster || (names->dirty && !names->retired))
		names_build(upstream);
	roster = roster_ref(names->roster);
	lock_release(&names->lock);
	return roster;
}

/* ------------------------------------------------------------ coming and going */

static bool server_is_named_as(const struct upstream_server *a, const struct upstream_server *b)
{
	return a->port == b->port && a->srv == b->srv && str_eq(a->host, b->host);
}

static void names_inherit(struct upstream *upstream, size_t server, struct upstream *before)
	HOLDS(before->names->lock)
{
	struct found *found = &upstream->names->found[server];

	for (size_t i = 0; i < before->n_servers; i++) {
		const struct found *known = &before->names->found[i];

		if (found->due_ns == UINT64_MAX || known->n_addresses == 0 ||
		    !server_is_named_as(&upstream->servers[server], &before->servers[i]) ||
		    !server_is_named_as(upstream_asked(upstream, server),
					upstream_asked(before, i)))
			continue;
		found_set(found, known->addresses, known->n_addresses);
		found->expires_ns = known->expires_ns;
		found->due_ns = known->due_ns;
		found->n_failed = known->n_failed;
		found->error = known->error;
	}
}

void upstream_succeed(struct upstream *upstream, struct upstream *before)
{
	check(!upstream->names->roster);
	fleet_unref(upstream->fleet);
	upstream->fleet = fleet_ref(before->fleet);
	lock_acquire(&before->names->lock);
	for (size_t i = 0; i < upstream->n_servers; i++)
		names_inherit(upstream, i, before);
	lock_release(&before->names->lock);
	lock_acquire(&upstream->names->lock);
	names_set_due(upstream);
	names_build(upstream); /* now, while `before` still has its peers */
	lock_release(&upstream->names->lock);
}

/* Loops finish their calls by the roster that they have. */
void upstream_names_retire(struct upstream *upstream)
{
	struct upstream_names *names = upstream->names;

	lock_acquire(&names->lock);
	names->retired = true;
	if (names->roster)
		names_set_roster(names, NULL);
	lock_release(&names->lock);
}

void upstream_names_destroy(struct upstream *upstream)
{
	struct upstream_names *names = upstream->names;

	if (names->roster)
		names_set_roster(names, NULL);
	for (size_t i = 0; i < UPSTREAM_SERVERS_MAX; i++)
		found_clear(&names->found[i]);
	lock_fini(&names->lock);
	free(names);
}
