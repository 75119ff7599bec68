/* core/base/cidr.h: numeric IP addresses, networks of them, and large sets of networks.
 *
 * An IPv4 address and the same one mapped into IPv6 (::ffff:10.0.0.1) are one and the same here:
 * a listener on [::] sees IPv4 clients in that form. The families are apart otherwise: ::/0 is
 * every IPv6 address and no IPv4 one. */
#pragma once
#include "core/base/arena.h"

struct ip {
	uint8_t bytes[16]; /* IPv4: mapped into IPv6 */
};

enum { IP_TEXT_MAX = 48 };

int ip_parse(struct str text, struct ip *ret_ip); /* without brackets; -EINVAL */
struct ip ip_of_v4(const void *four_bytes);       /* in network order */
bool ip_is_v4(const struct ip *ip);
const char *ip_write(char out[IP_TEXT_MAX], const struct ip *ip); /* IPv4 as 10.0.0.1 */
struct ip ip_mask(const struct ip *ip, unsigned bits);            /* its first bits, of 128 */

struct cidr {
	struct ip ip;  /* the first of the network */
	unsigned bits; /* of 128: an IPv4 network's length and 96 */
};

enum cidr_error {
	CIDR_OK,
	CIDR_BAD,       /* no address or network */
	CIDR_HOST_BITS, /* 10.0.0.1/8: *ret_cidr is what was meant */
};

/* "10.0.0.0/8", "::1", … */
enum cidr_error cidr_parse(struct str text, struct cidr *ret_cidr);

enum { CIDR_TEXT_MAX = IP_TEXT_MAX + 4 };
const char *cidr_write(char out[CIDR_TEXT_MAX], const struct cidr *cidr);

/* Networks of which the longest that has an address is found in O(log n). Immutable. */
struct cidr_set {
	size_t n_spans;
	struct cidr_span *spans; /* sorted: each up to where the next one begins */
};

struct cidr_span {
	struct ip first;
	int16_t bits; /* of the longest network around it; -1: none */
};

/* From networks in any order, which may repeat and contain each other; they are sorted here.
 * `arena` is required. */
void cidr_set_init(struct cidr_set *set, struct cidr *cidrs, size_t n_cidrs, struct arena *arena);

/* The length of the longest network that has the address (of 128 bits), or -1. */
int cidr_set_find(const struct cidr_set *set, const struct ip *ip);
