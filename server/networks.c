/* server/networks.c */
#include "server/networks.h"

enum { UNIX_BITS = 128 };

static bool networks_read_one(struct str text, const struct node *node, struct diag *diag,
			      struct cidr *ret_cidr)
{
	char meant[CIDR_TEXT_MAX];

	switch (cidr_parse(text, ret_cidr)) {
	case CIDR_OK:
		return true;
	case CIDR_BAD:
		diag_error(diag, node->place,
			   "\"%.*s\" is not an address or a network; write 10.0.0.0/8, 192.0.2.1, "
			   "2001:db8::/32 or unix",
			   STR_ARG(str_first(text, 80)));
		return false;
	case CIDR_HOST_BITS:
		diag_error(diag, node->place,
			   "\"%.*s\" has bits behind the length of its network; write %s",
			   STR_ARG(text), cidr_write(meant, ret_cidr));
		return false;
	}
	unreachable();
}

bool networks_compile(struct networks *networks, const struct setting_texts *texts,
		      struct arena *arena, struct diag *diag)
{
	struct cidr *cidrs = arena_alloc_array(arena, texts->n_texts + 1, sizeof(*cidrs));
	size_t n_cidrs = 0;
	bool ok = true;

	*networks = (struct networks){ 0 };
	for (size_t i = 0; i < texts->n_texts; i++) {
		if (str_eq(texts->texts[i], STR("unix")))
			networks->has_unix = true;
		else if (networks_read_one(texts->texts[i], texts->nodes[i], diag, &cidrs[n_cidrs]))
			n_cidrs++;
		else
			ok = false;
	}
	cidr_set_init(&networks->set, cidrs, n_cidrs, arena);
	return ok;
}

int networks_find(const struct networks *networks, const struct ip *ip)
{
	if (!ip)
		return networks->has_unix ? UNIX_BITS : -1;
	return cidr_set_find(&networks->set, ip);
}
