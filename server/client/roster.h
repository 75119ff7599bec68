/* server/client/roster.h: the servers that calls may go to now, as a list that does not change.
 *
 * When names are looked up again, or the configuration is another, there is a new roster; loops
 * take it at their next call, and those who use the old one keep it until they are done. */
#pragma once
#include "server/client/fleet.h"

enum { ROSTER_SEATS_MAX = 256 };

struct seat {
	struct peer *peer; /* a reference */
	uint32_t weight;   /* at least 1 */
	uint16_t group;    /* servers that stand in for one another have the same */
	uint32_t backup;   /* 0; else it is called only when nobody of its group with less can be */
};

/* Where on the circle of a consistent hash a seat begins. */
struct roster_point {
	uint64_t hash;
	uint32_t seat;
};

struct roster {
	atomic_uint refs;
	bool listed; /* its peers are told that they are listed */
	size_t n_points;
	struct roster_point *points; /* sorted; NULL: nobody asks by hash */
	size_t n_seats;
	struct seat seats[];
};

/* Takes the references of the seats' peers, which are listed from now on. `hashed`: with points for
 * a consistent hash. */
struct roster *roster_create(const struct seat *seats, size_t n_seats, bool hashed);
struct roster *roster_ref(struct roster *roster);
void roster_unref(struct roster *roster); /* NULL is accepted */

/* It is not current any more: its peers are listed by others, or have left. Once. */
void roster_retire(struct roster *roster);

/* A hash that is the same in every process and on every machine. */
uint64_t roster_hash(struct str key);
