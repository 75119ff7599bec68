/* tests/server/client/balance.c: who is chosen; fleets and rosters with them. */
#include "server/client/balance.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <stdio.h>
#include <stdlib.h>

enum { SEATS_MAX = 8 };

static struct fleet *fleet;
static struct balance balance;
static struct balance_ask ask;
static struct peer *peers[SEATS_MAX];
static struct seat seats[SEATS_MAX];
static size_t n_seats;
static unsigned chosen[SEATS_MAX];

static struct peer *peer_at(uint16_t port)
{
	struct peer_key key = { .host = STR("h") };

	is_int(net_addr_from_host(STR("127.0.0.1"), port, &key.addr), 0);
	return fleet_peer(fleet, &key);
}

static void seat(uint32_t weight, uint16_t group, bool backup)
{
	peers[n_seats] = peer_at((uint16_t)(1000 + n_seats));
	seats[n_seats] = (struct seat){ peers[n_seats], weight, group, backup };
	n_seats++;
}

static void begin(enum balance_policy policy)
{
	fleet = fleet_create();
	balance_init(&balance);
	n_seats = 0;
	ask = (struct balance_ask){ .policy = policy, .group = -1, .now_ns = NS_PER_S };
}

static void ready(void)
{
	struct roster *roster = roster_create(seats, n_seats, ask.policy == BALANCE_HASH);

	if (balance.roster)
		roster_retire(balance.roster);
	balance_set(&balance, roster);
}

static void end(void)
{
	roster_retire(balance.roster);
	balance_fini(&balance);
	is_true(list_is_empty(&fleet->peers));
	fleet_unref(fleet);
}

static int choose(void)
{
	enum balance_refusal refusal;
	int i = balance_choose(&balance, &ask, &refusal);

	is_int(refusal == BALANCE_FOUND, i >= 0);
	return i;
}

static void choose_n(unsigned n)
{
	memset(chosen, 0, sizeof(chosen));
	for (unsigned i = 0; i < n; i++) {
		int at = choose();

		if (at >= 0)
			chosen[at]++;
	}
}

static void turns_go_by_weight_and_smoothly(void)
{
	char order[8] = { 0 };
	unsigned n_a = 0;

	begin(BALANCE_ROUND_ROBIN);
	seat(5, 0, false);
	seat(1, 0, false);
	seat(1, 0, false);
	ready();
	choose_n(7000);
	is_int(chosen[0], 5000);
	is_int(chosen[1], 1000);
	is_int(chosen[2], 1000);
	for (unsigned i = 0; i < 7; i++) {
		order[i] = (char)('a' + choose());
		n_a = order[i] == 'a' ? n_a + 1 : 0;
		is_true(n_a < 4); /* not aaaaabc */
	}
	end();
}

static void loops_do_not_all_begin_with_the_first(void)
{
	unsigned firsts[2] = { 0 };

	for (unsigned i = 0; i < 60; i++) {
		begin(BALANCE_ROUND_ROBIN);
		seat(1, 0, false);
		seat(1, 0, false);
		ready();
		firsts[choose()]++;
		end();
	}
	is_true(firsts[0] > 5 && firsts[1] > 5);
}

static void what_was_tried_is_not_chosen_again(void)
{
	uint32_t tried[3];
	enum balance_refusal refusal;

	begin(BALANCE_ROUND_ROBIN);
	for (unsigned i = 0; i < 3; i++)
		seat(1, 0, false);
	ready();
	for (unsigned i = 0; i < 3; i++)
		tried[i] = peers[i]->id;
	ask.tried = tried;
	ask.n_tried = 2;
	choose_n(10);
	is_int(chosen[2], 10);
	ask.n_tried = 3;
	is_int(balance_choose(&balance, &ask, &refusal), -1);
	is_int(refusal, BALANCE_NOBODY);
	end();
}

static void who_is_doubted_or_avoided_comes_last_but_comes(void)
{
	uint32_t avoided;

	begin(BALANCE_ROUND_ROBIN);
	for (unsigned i = 0; i < 3; i++)
		seat(1, 0, false);
	ready();
	avoided = peers[0]->id;
	ask.avoided = &avoided;
	ask.n_avoided = 1;
	peer_doubt(peers[1], ask.now_ns);
	choose_n(10);
	is_int(chosen[2], 10);
	peer_doubt(peers[2], ask.now_ns);
	choose_n(10);
	is_int(chosen[1], 5);
	is_int(chosen[2], 5);
	ask.tried = (uint32_t[]){ peers[1]->id, peers[2]->id };
	ask.n_tried = 2;
	choose_n(10);
	is_int(chosen[0], 10);
	ask.n_tried = ask.n_avoided = 0;
	peer_trust(peers[1]);
	choose_n(10);
	is_int(chosen[2], 0);
	ask.now_ns += 31 * NS_PER_S; /* doubts pass */
	choose_n(9);
	is_int(chosen[2], 3);
	end();
}

static void an_open_breaker_is_not_chosen(void)
{
	const struct breaker_settings breaker = { .failures = 1, .probes = 1, .open_ms = 1000 };
	enum balance_refusal refusal;
	breaker_ticket ticket;

	begin(BALANCE_ROUND_ROBIN);
	seat(1, 0, false);
	seat(1, 0, false);
	ready();
	ask.breaker = &breaker;
	for (unsigned i = 0; i < 2; i++) {
		choose_n(4);
		is_int(chosen[0], i == 0 ? 2 : 0);
		is_true(breaker_enter(&peers[i]->breaker, &breaker, ask.now_ns, &ticket));
		breaker_report(&peers[i]->breaker, &breaker, ask.now_ns, ticket, BREAKER_FAILED);
	}
	is_int(balance_choose(&balance, &ask, &refusal), -1);
	is_int(refusal, BALANCE_OPEN);
	ask.now_ns += NS_PER_S;
	choose_n(4);
	is_int(chosen[0] + chosen[1], 4);
	end();
}

static void a_backup_stands_in_for_its_group(void)
{
	begin(BALANCE_ROUND_ROBIN);
	seat(1, 1, false);
	seat(1, 1, true);
	seat(1, 2, false);
	seat(1, 2, true);
	ready();
	choose_n(10);
	is_int(chosen[0], 5);
	is_int(chosen[2], 5);
	ask.tried = &peers[0]->id;
	ask.n_tried = 1;
	choose_n(10);
	is_int(chosen[1], 5);
	is_int(chosen[2], 5);
	ask.group = 1; /* it began there */
	choose_n(10);
	is_int(chosen[1], 10);
	end();
}

static void the_least_busy_for_its_weight_is_chosen(void)
{
	begin(BALANCE_LEAST_CONN);
	seat(1, 0, false);
	seat(3, 0, false);
	ready();
	memset(chosen, 0, sizeof(chosen));
	for (unsigned i = 0; i < 40; i++) {
		int at = choose();

		chosen[at]++;
		atomic_fetch_add(&peers[at]->stats.in_flight, 1);
	}
	is_int(chosen[0], 10);
	is_int(chosen[1], 30);
	atomic_store(&peers[0]->stats.in_flight, 0);
	choose_n(5);
	is_int(chosen[0], 5);
	end();
}

static void the_less_busy_of_two_is_chosen(void)
{
	begin(BALANCE_RANDOM_TWO);
	for (unsigned i = 0; i < 3; i++)
		seat(1, 0, false);
	ready();
	choose_n(3000);
	for (unsigned i = 0; i < 3; i++)
		is_true(chosen[i] > 800 && chosen[i] < 1200);
	atomic_store(&peers[1]->stats.in_flight, 7);
	choose_n(100);
	is_int(chosen[1], 0); /* whoever it is compared with is less busy */
	ask.tried = (uint32_t[]){ peers[0]->id, peers[2]->id };
	ask.n_tried = 2;
	choose_n(5);
	is_int(chosen[1], 5);
	end();
}

static uint64_t key_hash(unsigned i)
{
	char key[16];

	snprintf(key, sizeof(key), "user:%u", i);
	return roster_hash(str_of(key));
}

enum { KEYS = 4000 };

static void a_key_keeps_its_server_when_others_come_and_go(void)
{
	static uint16_t before[KEYS];
	unsigned n_moved = 0, counts[SEATS_MAX] = { 0 };

	begin(BALANCE_HASH);
	for (unsigned i = 0; i < 4; i++)
		seat(i == 3 ? 2 : 1, 0, false);
	ready();
	for (unsigned i = 0; i < KEYS; i++) {
		ask.hash = key_hash(i);
		before[i] = (uint16_t)choose();
		counts[before[i]]++;
	}
	for (unsigned i = 0; i < 4; i++) {
		unsigned share = KEYS / 5 * (i == 3 ? 2 : 1);

		is_true(counts[i] > share * 6 / 10 && counts[i] < share * 14 / 10);
	}
	ask.tried = &peers[1]->id; /* as one that is down */
	ask.n_tried = 1;
	for (unsigned i = 0; i < KEYS; i++) {
		int now;

		ask.hash = key_hash(i);
		now = choose();
		if (before[i] == 1)
			counts[now]++;
		else
			n_moved += now != before[i];
	}
	is_int(n_moved, 0);
	ask.n_tried = 0;
	for (unsigned i = 0; i < 4; i++)
		peer_ref(peers[i]);
	seat(1, 0, false); /* a fifth takes its share and no more */
	ready();
	for (unsigned i = 0; i < KEYS; i++) {
		int now;

		ask.hash = key_hash(i);
		now = choose();
		n_moved += now != before[i];
		is_true(now == before[i] || now == 4);
	}
	is_true(n_moved > KEYS / 12 && n_moved < KEYS / 3);
	end();
}

static void the_hash_of_a_key_is_the_same_everywhere(void)
{
	is_true(roster_hash(STR("")) == UINT64_C(0xefd01f60ba992926));
	is_true(roster_hash(STR("user:1")) != roster_hash(STR("user:2")));
}

static void turns_go_on_when_the_roster_changes(void)
{
	begin(BALANCE_ROUND_ROBIN);
	seat(1, 0, false);
	seat(1, 0, false);
	ready();
	for (unsigned i = 0; i < 21; i++) {
		int at = choose();

		peer_ref(peers[0]);
		peer_ref(peers[1]);
		ready();
		is_int(choose(), !at);
	}
	end();
}

static void a_peer_is_one_as_long_as_somebody_has_it(void)
{
	struct peer_key key = { .host = STR("h"), .way = STR("tls") };
	struct peer *a, *b, *c;

	fleet = fleet_create();
	a = peer_at(80);
	b = peer_at(80);
	is_ptr(a, b);
	key.addr = a->addr;
	c = fleet_peer(fleet, &key);
	is_true(c != a); /* reached in another way */
	is_true(a->id != c->id);
	peer_unref(a);
	is_int(atomic_load(&b->refs), 1);
	peer_unref(b);
	peer_unref(c);
	peer_unref(NULL);
	is_true(list_is_empty(&fleet->peers));
	fleet_unref(fleet);
	fleet_unref(NULL);
}

static void who_is_in_a_roster_is_listed_until_it_retires(void)
{
	struct roster *before;
	struct peer *gone;

	begin(BALANCE_ROUND_ROBIN);
	seat(1, 0, false);
	seat(1, 0, false);
	ready();
	gone = peer_ref(peers[1]);
	peer_ref(peers[0]);
	is_true(peer_is_listed(gone));
	before = roster_ref(balance.roster);
	n_seats = 1;
	ready();
	is_false(peer_is_listed(gone));
	is_true(peer_is_listed(peers[0]));
	roster_unref(before);
	peer_unref(gone);
	end();
}

int main(void)
{
	TEST(turns_go_by_weight_and_smoothly);
	TEST(loops_do_not_all_begin_with_the_first);
	TEST(what_was_tried_is_not_chosen_again);
	TEST(who_is_doubted_or_avoided_comes_last_but_comes);
	TEST(an_open_breaker_is_not_chosen);
	TEST(a_backup_stands_in_for_its_group);
	TEST(the_least_busy_for_its_weight_is_chosen);
	TEST(the_less_busy_of_two_is_chosen);
	TEST(a_key_keeps_its_server_when_others_come_and_go);
	TEST(the_hash_of_a_key_is_the_same_everywhere);
	TEST(turns_go_on_when_the_roster_changes);
	TEST(a_peer_is_one_as_long_as_somebody_has_it);
	TEST(who_is_in_a_roster_is_listed_until_it_retires);
	return tap_done();
}
