/* server/client/roster.c */
#include "server/client/roster.h"
#include "core/base/memory.h"
#include <stdlib.h>

enum { POINTS_A_WEIGHT = 64, POINTS_A_SEAT_MAX = 4096 };

static uint64_t hash_mix(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ hash >> 33;
}

uint64_t roster_hash(struct str key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
	return hash_mix(hash);
}

static int point_compare(const void *a, const void *b)
{
	const struct roster_point *p = a, *q = b;

	return p->hash < q->hash ? -1 : p->hash > q->hash;
}

static size_t seat_n_points(const struct seat *seat)
{
	return MIN((size_t)seat->weight * POINTS_A_WEIGHT, (size_t)POINTS_A_SEAT_MAX);
}

/* A seat's places depend on its own address alone: when another comes or goes, only the keys next to
 * the other's places move. */
static void roster_make_points(struct roster *roster)
{
	size_t n_points = 0;

	for (size_t i = 0; i < roster->n_seats; i++)
		n_points += seat_n_points(&roster->seats[i]);
	roster->points = mem_alloc((n_points + 1) * sizeof(roster->points[0]));
	for (size_t i = 0; i < roster->n_seats; i++) {
		char text[NET_ADDR_TEXT_MAX];
		uint64_t base =
			roster_hash(str_of(net_addr_write(text, &roster->seats[i].peer->addr)));

		for (size_t j = 0; j < seat_n_points(&roster->seats[i]); j++)
			roster->points[roster->n_points++] = (struct roster_point){
				hash_mix(base + j * UINT64_C(0x9e3779b97f4a7c15)), (uint32_t)i
			};
	}
	qsort(roster->points, roster->n_points, sizeof(roster->points[0]), point_compare);
}

struct roster *roster_create(const struct seat *seats, size_t n_seats, bool hashed)
{
	struct roster *roster = mem_zalloc(sizeof(*roster) + n_seats * sizeof(seats[0]));

	check(n_seats <= ROSTER_SEATS_MAX);
	atomic_init(&roster->refs, 1);
	roster->listed = true;
	roster->n_seats = n_seats;
	for (size_t i = 0; i < n_seats; i++) {
		roster->seats[i] = seats[i];
		atomic_fetch_add_explicit(&seats[i].peer->n_listed, 1, memory_order_relaxed);
	}
	if (hashed)
		roster_make_points(roster);
	return roster;
}

struct roster *roster_ref(struct roster *roster)
{
	atomic_fetch_add_explicit(&roster->refs, 1, memory_order_relaxed);
	return roster;
}

void roster_retire(struct roster *roster)
{
	check(roster->listed);
	roster->listed = false;
	for (size_t i = 0; i < roster->n_seats; i++)
		atomic_fetch_sub_explicit(&roster->seats[i].peer->n_listed, 1,
					  memory_order_relaxed);
}

void roster_unref(struct roster *roster)
{
	if (!roster || atomic_fetch_sub_explicit(&roster->refs, 1, memory_order_acq_rel) != 1)
		return;
	check(!roster->listed);
	for (size_t i = 0; i < roster->n_seats; i++)
		peer_unref(roster->seats[i].peer);
	free(roster->points);
	free(roster);
}
