/* server/client/balance.c
 *
 * First everybody gets a class: those who can be called without a doubt, those who could not be
 * reached lately, those who are to be avoided, and those who cannot be called. The best class that
 * has somebody is what the policy chooses from, after the rule of groups and backups. */
#include "server/client/balance.h"
#include "core/base/backoff.h"
#include "core/base/memory.h"
#include <stdlib.h>

enum seat_class {
	CLASS_GOOD,
	CLASS_DOUBTED,
	CLASS_AVOIDED,
	CLASS_NONE,
};

/* Those that the policy chooses from. */
struct choice {
	const struct roster *roster;
	const struct balance_ask *ask;
	size_t n;
	bool in[ROSTER_SEATS_MAX];
};

void balance_init(struct balance *balance)
{
	*balance = (struct balance){ 0 };
}

void balance_fini(struct balance *balance)
{
	roster_unref(balance->roster);
	free(balance->turns);
	*balance = (struct balance){ 0 };
}

static int64_t balance_turn_of(const struct balance *balance, const struct peer *peer)
{
	for (size_t i = 0; balance->roster && i < balance->roster->n_seats; i++)
		if (balance->roster->seats[i].peer == peer)
			return balance->turns[i];
	return 0;
}

/* Loops that begin together should not all begin with the first server. */
static void balance_shuffle(const struct roster *roster, int64_t *turns)
{
	size_t first = (size_t)backoff_random(roster->n_seats);

	for (size_t i = 0; i < roster->n_seats; i++)
		turns[i] = i == first;
}

void balance_set(struct balance *balance, struct roster *roster)
{
	int64_t *turns = mem_zalloc((roster->n_seats + 1) * sizeof(*turns));

	if (balance->roster)
		for (size_t i = 0; i < roster->n_seats; i++)
			turns[i] = balance_turn_of(balance, roster->seats[i].peer);
	else
		balance_shuffle(roster, turns);
	balance_fini(balance);
	balance->roster = roster;
	balance->turns = turns;
}

/* ------------------------------------------------------------ who can be called */

static bool ids_have(const uint32_t *ids, size_t n_ids, uint32_t id)
{
	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static enum seat_class seat_classify(const struct seat *seat, const struct balance_ask *ask,
				     enum balance_refusal *refusal)
{
	struct peer *peer = seat->peer;

	if (ids_have(ask->tried, ask->n_tried, peer->id))
		return CLASS_NONE;
	if (ask->only)
		return peer->id == ask->only ? CLASS_GOOD : CLASS_NONE;
	if (ask->healthy && peer_is_down(peer)) {
		*refusal = BALANCE_UNHEALTHY;
		return CLASS_NONE;
	}
	if (ask->breaker && !breaker_admits(&peer->breaker, ask->breaker, ask->now_ns)) {
		*refusal = BALANCE_OPEN;
		return CLASS_NONE;
	}
	if (ids_have(ask->avoided, ask->n_avoided, peer->id))
		return CLASS_AVOIDED;
	return peer_is_doubted(peer, ask->now_ns) ? CLASS_DOUBTED : CLASS_GOOD;
}

static void choice_classify(struct choice *choice, enum balance_refusal *refusal)
{
	enum seat_class classes[ROSTER_SEATS_MAX], best = CLASS_NONE;
	const struct roster *roster = choice->roster;

	for (size_t i = 0; i < roster->n_seats; i++) {
		classes[i] = seat_classify(&roster->seats[i], choice->ask, refusal);
		best = MIN(best, classes[i]);
	}
	for (size_t i = 0; i < roster->n_seats; i++) {
		choice->in[i] = best != CLASS_NONE && classes[i] == best;
		choice->n += choice->in[i];
	}
}

/* ------------------------------------------------------------ groups and backups */

/* The least of a group's ranks that is there; UINT32_MAX: nobody of it is. */
static uint32_t choice_first_rank(const struct choice *choice, int group)
{
	const struct roster *roster = choice->roster;
	uint32_t first = UINT32_MAX;

	for (size_t i = 0; i < roster->n_seats; i++)
		if (choice->in[i] && roster->seats[i].group == group)
			first = MIN(first, roster->seats[i].backup);
	return first;
}

static void choice_drop(struct choice *choice, size_t i)
{
	choice->n -= choice->in[i];
	choice->in[i] = false;
}

static void choice_narrow(struct choice *choice)
{
	const struct roster *roster = choice->roster;
	int group = choice->ask->group;

	if (group >= 0 && choice_first_rank(choice, group) != UINT32_MAX)
		for (size_t i = 0; i < roster->n_seats; i++)
			if (roster->seats[i].group != group)
				choice_drop(choice, i);
	for (size_t i = 0; i < roster->n_seats; i++)
		if (roster->seats[i].backup && choice->in[i] &&
		    roster->seats[i].backup > choice_first_rank(choice, roster->seats[i].group))
			choice_drop(choice, i);
}

/* ------------------------------------------------------------ policies */

static size_t choice_first(const struct choice *choice)
{
	for (size_t i = 0; i < choice->roster->n_seats; i++)
		if (choice->in[i])
			return i;
	unreachable();
}

/* Each gains its weight, the richest is chosen and pays for all. */
static size_t choose_in_turn(const struct choice *choice, int64_t *turns)
{
	size_t best = choice_first(choice);
	int64_t total = 0;

	for (size_t i = 0; i < choice->roster->n_seats; i++) {
		if (!choice->in[i])
			continue;
		turns[i] += choice->roster->seats[i].weight;
		total += choice->roster->seats[i].weight;
		if (turns[i] > turns[best])
			best = i;
	}
	turns[best] -= total;
	return best;
}

static uint64_t seat_in_flight(const struct seat *seat)
{
	int n = atomic_load_explicit(&seat->peer->stats.in_flight, memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

/* With one more call, which of them has more to do for its weight. */
static bool seat_is_busier(const struct seat *a, const struct seat *b)
{
	return (seat_in_flight(a) + 1) * b->weight > (seat_in_flight(b) + 1) * a->weight;
}

static bool seat_is_as_busy(const struct seat *a, const struct seat *b)
{
	return !seat_is_busier(a, b) && !seat_is_busier(b, a);
}

/* Those that are equal take turns. */
static size_t choose_least(struct choice *choice, int64_t *turns)
{
	const struct seat *seats = choice->roster->seats;
	size_t best = choice_first(choice);

	for (size_t i = best + 1; i < choice->roster->n_seats; i++)
		if (choice->in[i] && seat_is_busier(&seats[best], &seats[i]))
			best = i;
	for (size_t i = 0; i < choice->roster->n_seats; i++)
		if (choice->in[i] && !seat_is_as_busy(&seats[i], &seats[best]))
			choice_drop(choice, i);
	return choose_in_turn(choice, turns);
}

static size_t choose_random(const struct choice *choice, size_t except)
{
	const struct roster *roster = choice->roster;
	uint64_t total = 0, at;
	size_t last = except;

	for (size_t i = 0; i < roster->n_seats; i++)
		if (choice->in[i] && i != except)
			total += roster->seats[i].weight;
	at = backoff_random(total);
	for (size_t i = 0; i < roster->n_seats; i++) {
		if (!choice->in[i] || i == except)
			continue;
		last = i;
		if (at < roster->seats[i].weight)
			break;
		at -= roster->seats[i].weight;
	}
	return last;
}

static size_t choose_of_two(const struct choice *choice)
{
	const struct seat *seats = choice->roster->seats;
	size_t one = choose_random(choice, SIZE_MAX), other;

	if (choice->n == 1)
		return one;
	other = choose_random(choice, one);
	return seat_in_flight(&seats[other]) * seats[one].weight <
			       seat_in_flight(&seats[one]) * seats[other].weight
		       ? other
		       : one;
}

static size_t choose_by_hash(const struct choice *choice)
{
	const struct roster *roster = choice->roster;
	size_t low = 0, high = roster->n_points;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (roster->points[middle].hash < choice->ask->hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < roster->n_points; i++) {
		uint32_t seat = roster->points[(low + i) % roster->n_points].seat;

		if (choice->in[seat])
			return seat;
	}
	return choice_first(choice); /* a roster without points */
}

static size_t choose(struct choice *choice, int64_t *turns)
{
	switch (choice->ask->policy) {
	case BALANCE_ROUND_ROBIN:
		return choose_in_turn(choice, turns);
	case BALANCE_LEAST_CONN:
		return choose_least(choice, turns);
	case BALANCE_RANDOM_TWO:
		return choose_of_two(choice);
	case BALANCE_HASH:
		return choose_by_hash(choice);
	}
	unreachable();
}

int balance_choose(struct balance *balance, const struct balance_ask *ask,
		   enum balance_refusal *ret_refusal)
{
	struct choice choice;

	*ret_refusal = BALANCE_NOBODY;
	choice.roster = balance->roster;
	choice.ask = ask;
	choice.n = 0;
	choice_classify(&choice, ret_refusal);
	if (choice.n == 0)
		return -1;
	*ret_refusal = BALANCE_FOUND;
	if (choice.n > 1)
		choice_narrow(&choice);
	return (int)choose(&choice, balance->turns);
}
