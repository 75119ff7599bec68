/* core/base/cidr.c */
#include "core/base/cidr.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* ------------------------------------------------------------ addresses */

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

struct ip ip_of_v4(const void *four_bytes)
{
	struct ip ip;

	memcpy(ip.bytes, mapped, sizeof(mapped));
	memcpy(ip.bytes + 12, four_bytes, 4);
	return ip;
}

int ip_parse(struct str text, struct ip *ret_ip)
{
	char copy[INET6_ADDRSTRLEN + 1];
	struct in_addr v4;
	struct in6_addr v6;

	if (text.len == 0 || text.len >= sizeof(copy) || str_has(text, '\0'))
		return -EINVAL;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		*ret_ip = ip_of_v4(&v4);
		return 0;
	}
	if (inet_pton(AF_INET6, copy, &v6) != 1)
		return -EINVAL;
	memcpy(ret_ip->bytes, &v6, sizeof(v6));
	return 0;
}

const char *ip_write(char out[IP_TEXT_MAX], const struct ip *ip)
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, ip->bytes + 12, out, IP_TEXT_MAX);
	else
		inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_MAX);
	return out;
}

struct ip ip_mask(const struct ip *ip, unsigned bits)
{
	struct ip masked = *ip;

	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > i * 8 ? MIN(bits - i * 8, 8U) : 0;

		masked.bytes[i] &= (uint8_t)(0xff00U >> kept);
	}
	return masked;
}

/* ------------------------------------------------------------ networks */

enum cidr_error cidr_parse(struct str text, struct cidr *ret_cidr)
{
	ptrdiff_t slash = str_find_char(text, '/');
	struct str host = slash < 0 ? text : str_first(text, (size_t)slash);
	uint64_t bits, most = str_has(host, ':') ? 128 : 32;
	struct cidr cidr;

	bits = most;
	if (ip_parse(host, &cidr.ip) < 0)
		return CIDR_BAD;
	if (slash >= 0 && (str_to_u64(str_skip(text, (size_t)slash + 1), &bits) < 0 || bits > most))
		return CIDR_BAD;
	cidr.bits = (unsigned)(bits + 128 - most);
	ret_cidr->bits = cidr.bits;
	ret_cidr->ip = ip_mask(&cidr.ip, cidr.bits);
	return memcmp(&ret_cidr->ip, &cidr.ip, sizeof(cidr.ip)) == 0 ? CIDR_OK : CIDR_HOST_BITS;
}

const char *cidr_write(char out[CIDR_TEXT_MAX], const struct cidr *cidr)
{
	char text[IP_TEXT_MAX];
	bool v4 = ip_is_v4(&cidr->ip) && cidr->bits >= 96;

	snprintf(out, CIDR_TEXT_MAX, "%s/%u", ip_write(text, &cidr->ip),
		 v4 ? cidr->bits - 96 : cidr->bits);
	return out;
}

/* ------------------------------------------------------------ sets
 *
 * Networks contain each other or are apart, so that the number line falls into spans, of which
 * each knows the length of the innermost network around it: at most two for each network. */

static int cidr_cmp(const void *a, const void *b)
{
	const struct cidr *left = a, *right = b;
	int order = memcmp(&left->ip, &right->ip, sizeof(left->ip));

	return order ? order : (int)left->bits - (int)right->bits;
}

/* The address behind the last one of a network; false: there is none. */
static bool cidr_end(const struct cidr *cidr, struct ip *ret_ip)
{
	struct ip end = cidr->ip;
	int at = (int)(cidr->bits + 7) / 8 - 1; /* the byte of its last bit */
	unsigned carry = 1U << ((8 - cidr->bits % 8) % 8);

	for (; at >= 0 && carry; at--) {
		carry += end.bytes[at];
		end.bytes[at] = (uint8_t)carry;
		carry >>= 8;
	}
	*ret_ip = end;
	return cidr->bits > 0 && carry == 0;
}

static void cidr_set_add(struct cidr_set *set, const struct ip *first, int bits)
{
	struct cidr_span *last = set->n_spans ? &set->spans[set->n_spans - 1] : NULL;

	check(set->spans);
	if (last && memcmp(&last->first, first, sizeof(*first)) == 0)
		last->bits = (int16_t)bits;
	else
		set->spans[set->n_spans++] = (struct cidr_span){ *first, (int16_t)bits };
}

/* Closes those of the open networks that end before `next` (all, when it is NULL). */
static size_t cidr_set_close(struct cidr_set *set, const struct cidr *const open[], size_t n_open,
			     const struct ip *next)
{
	struct ip end;

	while (n_open > 0) {
		bool ends = cidr_end(open[n_open - 1], &end);

		if (next && (!ends || memcmp(&end, next, sizeof(end)) > 0))
			break;
		n_open--;
		if (ends)
			cidr_set_add(set, &end, n_open ? (int)open[n_open - 1]->bits : -1);
	}
	return n_open;
}

void cidr_set_init(struct cidr_set *set, struct cidr *cidrs, size_t n_cidrs, struct arena *arena)
{
	const struct cidr *open[130]; /* nested: each is longer than the one around it */
	struct cidr_span *spans = arena_alloc_array(arena, n_cidrs * 2 + 1, sizeof(*spans));
	size_t n_open = 0;

	*set = (struct cidr_set){ .spans = spans };
	if (n_cidrs)
		qsort(cidrs, n_cidrs, sizeof(*cidrs), cidr_cmp);
	for (size_t i = 0; i < n_cidrs; i++) {
		if (i > 0 && cidr_cmp(&cidrs[i - 1], &cidrs[i]) == 0)
			continue;
		n_open = cidr_set_close(set, open, n_open, &cidrs[i].ip);
		check(n_open < ARRAY_LEN(open));
		open[n_open++] = &cidrs[i];
		cidr_set_add(set, &cidrs[i].ip, (int)cidrs[i].bits);
	}
	cidr_set_close(set, open, n_open, NULL);
}

/* The last span that begins at the address or before it. */
static const struct cidr_span *cidr_set_span(const struct cidr_set *set, const struct ip *ip)
{
	size_t from = 0, to = set->n_spans;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (memcmp(&set->spans[middle].first, ip, sizeof(*ip)) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from ? &set->spans[from - 1] : NULL;
}

int cidr_set_find(const struct cidr_set *set, const struct ip *ip)
{
	const struct cidr_span *span = cidr_set_span(set, ip);
	int bits = span ? span->bits : -1;

	return ip_is_v4(ip) && bits < 96 ? -1 : bits; /* IPv6 networks have no IPv4 addresses */
}
