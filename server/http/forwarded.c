/* server/http/forwarded.c
 *
 * Lists are read from the right: the last element of the last line first. An element that is no
 * address (unknown, a name) ends the walk: then the client is who that proxy is, as far as
 * anybody vouches for it.
 *
 * Whoever is further left may write what he likes: in X-Forwarded-For quotes mean nothing, or one
 * of his would swallow what the proxy adds; in Forwarded, where they do, a line in which one stays
 * open is refused. */
#include "server/http/forwarded.h"

/* A walk over the elements of all lines of a field, from the right. */
struct walk {
	const struct http_head *head;
	struct str name;
	bool quotes;     /* strings may be quoted */
	bool bad;        /* one is not closed */
	size_t n_fields; /* those not looked at yet */
	struct str rest; /* of the line at hand; .ptr NULL: none */
};

/* The first `c` that stands in no quoted string, or the length. *ret_open: a string stays open. */
static size_t forwarded_find(struct str s, char c, bool *ret_open)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
		else if (s.ptr[i] == c && !quoted)
			return i;
	}
	*ret_open = quoted;
	return s.len;
}

/* ------------------------------------------------------------ lists */

/* Where the last element begins. */
static size_t walk_last_start(struct walk *walk)
{
	size_t start = 0, next;

	if (!walk->quotes) {
		for (size_t i = walk->rest.len; i > 0; i--)
			if (walk->rest.ptr[i - 1] == ',')
				return i;
		return 0;
	}
	while ((next = forwarded_find(str_skip(walk->rest, start), ',', &walk->bad)) <
	       walk->rest.len - start)
		start += next + 1;
	return start;
}

static bool walk_next_line(struct walk *walk)
{
	while (walk->n_fields > 0) {
		const struct http_field *field = &walk->head->fields[--walk->n_fields];

		if (str_eq_nocase(field->name, walk->name)) {
			walk->rest = field->value;
			return true;
		}
	}
	return false;
}

static bool walk_next(struct walk *walk, struct str *ret_element)
{
	size_t start;

	if (!walk->rest.ptr && !walk_next_line(walk))
		return false;
	start = walk_last_start(walk);
	*ret_element = str_trim(str_skip(walk->rest, start));
	if (start)
		walk->rest = str_first(walk->rest, start - 1);
	else
		walk->rest = STR_NONE;
	return !walk->bad;
}

static struct walk walk_begin(const struct http_head *head, struct str name, bool quotes)
{
	return (struct walk){
		.head = head, .name = name, .quotes = quotes, .n_fields = head->n_fields
	};
}

/* ------------------------------------------------------------ one element */

static bool forwarded_port(struct str text, uint16_t *ret_port)
{
	uint64_t port;

	if (text.len < 2 || text.ptr[0] != ':' || text.len > 6 ||
	    str_to_u64(str_skip(text, 1), &port) < 0 || port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool forwarded_address(struct str text, struct forwarded *forwarded)
{
	bool bracket = text.len && text.ptr[0] == '[';
	ptrdiff_t end = str_find_char(text, bracket ? ']' : ':');
	struct str host, rest;

	forwarded->port = 0;
	if (ip_parse(text, &forwarded->ip) == 0)
		return true;
	if (end < 0)
		return false;
	host = str_skip(str_first(text, (size_t)end), bracket);
	rest = str_skip(text, (size_t)end + bracket);
	return (rest.len == 0 || forwarded_port(rest, &forwarded->port)) &&
	       ip_parse(host, &forwarded->ip) == 0 && str_has(host, ':') == bracket;
}

/* The value of a pair of Forwarded: `for="[2001:db8::1]:80"; proto=https`; .ptr NULL: none. There
 * are no escapes in what is looked for, so quotes are taken off and that is all. */
static struct str forwarded_pair(struct str element, struct str name)
{
	bool open;

	while (element.len > 0) {
		size_t end = forwarded_find(element, ';', &open);
		struct str pair = str_first(element, end), value;
		ptrdiff_t equals = str_find_char(pair, '=');

		element = str_skip(element, end + 1);
		if (equals < 0 || !str_eq_nocase(str_trim(str_first(pair, (size_t)equals)), name))
			continue;
		value = str_trim(str_skip(pair, (size_t)equals + 1));
		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = (struct str){ value.ptr + 1, value.len - 2 };
		return value;
	}
	return STR_NONE;
}

/* ------------------------------------------------------------ */

/* The first from the right that is not a trusted proxy, or the last that is an address. */
static struct forwarded forwarded_walk(struct walk *walk, const struct cidr_set *trusted)
{
	struct forwarded found = { 0 };
	struct str element;

	while (walk_next(walk, &element)) {
		struct forwarded said = { .known = true };

		if (walk->quotes) {
			said.secure =
				str_eq_nocase(forwarded_pair(element, STR("proto")), STR("https"));
			element = forwarded_pair(element, STR("for"));
		}
		if (!forwarded_address(element, &said))
			break;
		found = said;
		if (cidr_set_find(trusted, &said.ip) < 0)
			break;
	}
	return found;
}

bool forwarded_read(const struct http_head *head, const struct cidr_set *trusted,
		    struct forwarded *ret_forwarded)
{
	struct walk protos = walk_begin(head, STR("x-forwarded-proto"), false);
	struct walk xs = walk_begin(head, STR("x-forwarded-for"), false);
	struct walk standards = walk_begin(head, STR("forwarded"), true);
	struct forwarded x = forwarded_walk(&xs, trusted);
	struct forwarded standard = forwarded_walk(&standards, trusted);
	struct str proto;

	x.secure = walk_next(&protos, &proto) && str_eq_nocase(proto, STR("https"));
	*ret_forwarded = standard.known ? standard : x;
	ret_forwarded->secure |= x.secure;
	if (standards.bad)
		return false;
	return !x.known || !standard.known || memcmp(&x.ip, &standard.ip, sizeof(x.ip)) == 0;
}
