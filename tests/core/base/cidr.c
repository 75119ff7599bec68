/* tests/core/base/cidr.c: networks, and sets of them against a plain search. */
#include "core/base/cidr.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

static struct arena arena;

static struct cidr cidr(const char *text)
{
	struct cidr cidr;

	check_that(cidr_parse(str_of(text), &cidr) == CIDR_OK, "text=%s", text);
	return cidr;
}

static struct ip ip(const char *text)
{
	struct ip ip;

	check_that(ip_parse(str_of(text), &ip) == 0, "text=%s", text);
	return ip;
}

static struct cidr_set set_of(const char *const texts[], size_t n_texts)
{
	struct cidr *cidrs = mem_alloc((n_texts + 1) * sizeof(*cidrs));
	struct cidr_set set;

	for (size_t i = 0; i < n_texts; i++)
		cidrs[i] = cidr(texts[i]);
	cidr_set_init(&set, cidrs, n_texts, &arena);
	free(cidrs);
	return set;
}

static int found(const struct cidr_set *set, const char *text)
{
	const struct ip asked = ip(text);

	return cidr_set_find(set, &asked);
}

static void what_is_no_network_is_refused(void)
{
	static const char *const bad[] = { "",           "/",           "10.0.0.0/", "10.0.0.0/33",
					   "10.0.0/8",   "::1/129",     "[::1]",     "10.0.0.0/8/8",
					   "localhost",  "10.0.0.0/-1", " 10.0.0.1", "10.0.0.1 ",
					   "0x10.0.0.1", "::/1e1" };
	struct cidr ignored;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(cidr_parse(str_of(bad[i]), &ignored), CIDR_BAD);
}

static void bits_behind_the_length_are_told_with_what_was_meant(void)
{
	struct cidr meant;
	char text[CIDR_TEXT_MAX];

	is_int(cidr_parse(STR("10.1.2.3/8"), &meant), CIDR_HOST_BITS);
	is_text(cidr_write(text, &meant), "10.0.0.0/8");
	is_int(cidr_parse(STR("2001:db8::1/33"), &meant), CIDR_HOST_BITS);
	is_text(cidr_write(text, &meant), "2001:db8::/33");
	is_int(cidr_parse(STR("1.2.3.4/0"), &meant), CIDR_HOST_BITS);
	is_text(cidr_write(text, &meant), "0.0.0.0/0");
}

static void a_mapped_address_is_the_same_as_the_plain_one(void)
{
	static const char *const texts[] = { "10.0.0.0/8", "::ffff:192.168.0.0/112" };
	struct cidr_set set = set_of(texts, ARRAY_LEN(texts));

	is_int(found(&set, "::ffff:10.1.2.3"), 104);
	is_int(found(&set, "192.168.7.7"), 112);
	is_int(found(&set, "192.169.7.7"), -1);
}

static void all_of_ipv6_is_nothing_of_ipv4(void)
{
	static const char *const six[] = { "::/0" }, *const four[] = { "0.0.0.0/0" };
	struct cidr_set set6 = set_of(six, 1), set4 = set_of(four, 1);

	is_int(found(&set6, "::1"), 0);
	is_int(found(&set6, "10.0.0.1"), -1);
	is_int(found(&set4, "10.0.0.1"), 96);
	is_int(found(&set4, "255.255.255.255"), 96);
	is_int(found(&set4, "::1"), -1);
	is_int(found(&set4, "ffff::"), -1);
}

static void the_innermost_network_is_found(void)
{
	static const char *const texts[] = { "10.0.0.0/8",   "10.1.0.0/16",     "10.1.2.0/24",
					     "10.1.2.3",     "10.255.255.255",  "10.0.0.0/24",
					     "11.0.0.0/8",   "255.255.255.255", "10.1.2.0/24",
					     "2001:db8::/32" };
	struct cidr_set set = set_of(texts, ARRAY_LEN(texts));

	is_int(found(&set, "10.1.2.3"), 128);
	is_int(found(&set, "10.1.2.4"), 120);
	is_int(found(&set, "10.1.3.0"), 112);
	is_int(found(&set, "10.2.0.0"), 104);
	is_int(found(&set, "10.0.0.255"), 120);
	is_int(found(&set, "10.255.255.255"), 128);
	is_int(found(&set, "11.0.0.0"), 104);
	is_int(found(&set, "12.0.0.0"), -1);
	is_int(found(&set, "9.255.255.255"), -1);
	is_int(found(&set, "255.255.255.255"), 128);
	is_int(found(&set, "2001:db8::1"), 32);
}

static void an_empty_set_has_nothing(void)
{
	struct cidr_set set = set_of(NULL, 0);

	is_int(found(&set, "10.0.0.1"), -1);
}

/* Few bits, so that networks meet. */
static struct ip random_ip(void)
{
	struct ip random = ip(rand() % 2 ? "10.0.0.0" : "2001:db8::");

	random.bytes[13] = (uint8_t)(rand() % 4);
	random.bytes[14] = (uint8_t)(rand() % 4 * 85);
	random.bytes[15] = (uint8_t)(rand() % 8 * 32);
	return random;
}

static int find_plainly(const struct cidr *cidrs, size_t n_cidrs, const struct ip *asked)
{
	int longest = -1;

	for (size_t i = 0; i < n_cidrs; i++) {
		const struct ip masked = ip_mask(asked, cidrs[i].bits);

		if (ip_is_v4(&cidrs[i].ip) == ip_is_v4(asked) &&
		    memcmp(&masked, &cidrs[i].ip, sizeof(masked)) == 0)
			longest = MAX(longest, (int)cidrs[i].bits);
	}
	return longest;
}

static void a_set_finds_what_a_search_through_all_finds(void)
{
	bool same = true;

	for (unsigned round = 0; round < 500; round++) {
		struct cidr cidrs[24];
		struct cidr_set set;
		size_t n_cidrs = (size_t)(rand() % 24);

		for (size_t i = 0; i < n_cidrs; i++) {
			const struct ip at = random_ip();

			cidrs[i].bits = 96 + (unsigned)(rand() % 33);
			cidrs[i].ip = ip_mask(&at, cidrs[i].bits);
		}
		cidr_set_init(&set, cidrs, n_cidrs, &arena);
		for (unsigned i = 0; i < 100; i++) {
			const struct ip asked = random_ip();

			same &= cidr_set_find(&set, &asked) == find_plainly(cidrs, n_cidrs, &asked);
		}
	}
	is_true(same);
}

int main(void)
{
	arena_init_required(&arena);
	srand(1);
	TEST(what_is_no_network_is_refused);
	TEST(bits_behind_the_length_are_told_with_what_was_meant);
	TEST(a_mapped_address_is_the_same_as_the_plain_one);
	TEST(all_of_ipv6_is_nothing_of_ipv4);
	TEST(the_innermost_network_is_found);
	TEST(an_empty_set_has_nothing);
	TEST(a_set_finds_what_a_search_through_all_finds);
	arena_fini(&arena);
	return tap_done();
}
