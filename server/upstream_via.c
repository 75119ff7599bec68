/* server/upstream_via.c */
#include "server/upstream_via.h"
#include "core/base/base64.h"
#include "server/sql/sql_url.h"

/* "Basic …" (RFC 7617); empty without credentials. */
static struct str via_authorization(struct arena *arena, const struct sql_address *address)
{
	struct str login;
	char *digits;

	if (address->user.len == 0 && address->password.len == 0)
		return STR_NONE;
	login = arena_printf(arena, "%.*s:%.*s", STR_ARG(address->user),
			     STR_ARG(address->password));
	digits = arena_alloc(arena, base64_encoded_size(login.len) + 1);
	base64_encode(login, digits);
	digits[base64_encoded_size(login.len)] = '\0';
	return arena_printf(arena, "Basic %s", digits);
}

static bool via_read_server(const struct sql_address *address, struct arena *arena,
			    struct upstream_server *ret_proxy)
{
	bool v6 = str_has(address->host, ':');
	struct str text = arena_printf(arena, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(address->host),
				       v6 ? "]" : "", address->port);

	return address->host.len && address->port && address->database.len == 0 &&
	       address->query.len == 0 && upstream_read_address(text, 0, ret_proxy) == 0;
}

/* What is written may hold a secret: messages do not repeat it. */
bool upstream_read_via(struct upstream *upstream, const struct node *node, struct diag *diag)
{
	struct arena *arena = &upstream->arena;
	struct upstream_via *via = arena_alloc_array(arena, 1, sizeof(*via));
	struct sql_address address;

	if (!str_eq(sql_url_scheme(node->text), STR("http")) ||
	    !sql_url_read_server(node->text, arena, &address) ||
	    !via_read_server(&address, arena, &via->proxy)) {
		diag_error(diag, node->place,
			   "this is not the URL of an HTTP proxy; write via: "
			   "http://proxy:3128, or http://user:password@proxy:3128");
		return false;
	}
	via->authorization = via_authorization(arena, &address);
	upstream->via = via;
	return true;
}

bool upstream_check_via(const struct upstream *upstream, const struct node *node, struct diag *diag)
{
	for (size_t i = 0; upstream->via && i < upstream->n_servers; i++) {
		if (!upstream->servers[i].srv)
			continue;
		diag_error(diag, node->place,
			   "a proxy looks up the names of servers itself, and no services; remove "
			   "via, or srv:");
		return false;
	}
	if (!upstream->via || upstream->tls || upstream->n_servers <= 1)
		return true;
	diag_error(diag, node->place,
		   "a proxy is told the whole URL of an http:// request, so there is one server; "
		   "write url: http://…, or use https");
	return false;
}

bool upstream_via_is_same(const struct upstream_via *a, const struct upstream_via *b)
{
	if (!a || !b)
		return a == b;
	return str_eq(a->proxy.host, b->proxy.host) && a->proxy.port == b->proxy.port &&
	       str_eq(a->authorization, b->authorization);
}
