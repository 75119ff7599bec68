/* server/verbs/dns.c: `dns: NAME`: the records of a name.
 *
 * Addresses come the way that calls to services find them, with /etc/hosts; records of other types by
 * core/io/records.h. */
#include "core/io/records.h"
#include "server/client/upstream.h"
#include "server/flow/step.h"
#include "server/verbs/all.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

struct dns_config {
	int type; /* the index in dns_type_names */
	enum dns_type dns_type;
	struct template *name;
};

struct dns_state {
	struct step_run *run;
	struct lookup addresses; /* of A and AAAA */
	struct record_lookup records;
	struct value result;
};

#define AT(field) offsetof(struct dns_config, field)
static const struct setting dns_keys[] = {
	{ "type", SETTING_CHOICE, AT(type), "A",
	  "The type of the records; for PTR the name may be an address.",
	  .choices = dns_type_names },
	SETTINGS_END
};
#undef AT

static bool dns_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct dns_config *own = config;

	check(dns_type_find(str_of(dns_type_names[own->type]), &own->dns_type));
	if (!node_is_scalar(value) || value->kind == NODE_NULL || value->text.len == 0) {
		diag_error(compiler->flow->diag, value->place,
			   "`dns` takes a name: dns: example.org");
		return false;
	}
	own->name = verb_public_text(compiler, value, "dns");
	return own->name != NULL;
}

/* ------------------------------------------------------------ the result */

static void dns_finish(struct step_run *run, int error, struct value *items, size_t n)
{
	struct dns_state *state = run->state;

	state->result = value_null();
	if (error == 0)
		state->result = value_list(items, n);
	switch (error) {
	case 0:
		step_done(run, ERROR_NONE, STR_NONE);
		return;
	case -ENOENT:
		step_done(run, ERROR_NOT_FOUND, STR("there is no such name"));
		return;
	case -EINVAL:
		step_done(run, ERROR_INVALID_INPUT, STR("this can be no name"));
		return;
	case -ENOMEM:
		step_done_errno(run, -ENOMEM);
		return;
	case -ETIMEDOUT:
		step_done(run, ERROR_DNS_FAILED, STR("no server of names answers in time"));
		return;
	default:
		step_done(run, ERROR_DNS_FAILED, STR("the servers of names do not answer well"));
		return;
	}
}

static void dns_on_addresses(struct lookup *lookup)
{
	struct dns_state *state = container_of(lookup, struct dns_state, addresses);
	struct step_run *run = state->run;
	const struct dns_config *config = run->config;
	int family = config->dns_type == DNS_A ? AF_INET : AF_INET6;
	struct value *items =
		arena_alloc_array(step_arena(run), lookup->n_addrs + 1, sizeof(*items));
	size_t n = 0;

	for (unsigned i = 0; items && lookup->error == 0 && i < lookup->n_addrs; i++) {
		const struct net_addr *addr = &lookup->addrs[i];
		char text[INET6_ADDRSTRLEN];
		struct str copy;

		if (addr->sa.sa_family != family)
			continue;
		inet_ntop(family,
			  family == AF_INET ? (const void *)&addr->in4.sin_addr
					    : (const void *)&addr->in6.sin6_addr,
			  text, sizeof(text));
		copy = arena_str(step_arena(run), str_of(text));
		if (!copy.ptr)
			items = NULL;
		else
			items[n++] = value_text(copy);
	}
	dns_finish(run, items ? lookup->error : -ENOMEM, items, n);
}

static struct member dns_member(const char *name, struct value value)
{
	return (struct member){ value_text(str_of(name)), value };
}

/* {priority, host} or {priority, weight, port, host}. */
static int dns_object(enum dns_type type, const struct dns_record *record, struct value host,
		      struct arena *arena, struct value *ret)
{
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));
	size_t n = 0;

	if (!members)
		return -ENOMEM;
	members[n++] = dns_member("priority", value_int(record->priority));
	if (type == DNS_SRV) {
		members[n++] = dns_member("weight", value_int(record->weight));
		members[n++] = dns_member("port", value_int(record->port));
	}
	members[n++] = dns_member("host", host);
	*ret = value_object(members, n);
	return 0;
}

static int dns_value(enum dns_type type, const struct dns_record *record, struct arena *arena,
		     struct value *ret)
{
	struct str text = arena_str(arena, record->text);

	if (!text.ptr && record->text.len)
		return -ENOMEM;
	*ret = value_text(text);
	if (type != DNS_MX && type != DNS_SRV)
		return 0;
	return dns_object(type, record, *ret, arena, ret);
}

static void dns_on_records(struct record_lookup *lookup)
{
	struct dns_state *state = container_of(lookup, struct dns_state, records);
	struct step_run *run = state->run;
	const struct dns_config *config = run->config;
	size_t n = lookup->error ? 0 : lookup->answer->n_records;
	struct value *items = arena_alloc_array(step_arena(run), n + 1, sizeof(*items));
	int r = items ? lookup->error : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = dns_value(config->dns_type, &lookup->answer->records[i], step_arena(run),
			      &items[i]);
	dns_finish(run, r, items, n);
}

/* ------------------------------------------------------------ the question */

/* 4.3.2.1.in-addr.arpa of 1.2.3.4, and nibbles for IPv6; what is no address stays. */
static struct str dns_reverse(struct str name, char out[80])
{
	struct net_addr addr;
	const uint8_t *bytes;
	int len = 0;

	if (net_addr_from_host(name, 0, &addr) < 0)
		return name;
	if (addr.sa.sa_family == AF_INET) {
		bytes = (const uint8_t *)&addr.in4.sin_addr;
		len = snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1],
			       bytes[0]);
		return (struct str){ out, (size_t)len };
	}
	bytes = (const uint8_t *)&addr.in6.sin6_addr;
	for (int i = 15; i >= 0; i--)
		len += snprintf(out + len, 80 - (size_t)len, "%x.%x.", bytes[i] & 15U,
				(unsigned)bytes[i] >> 4);
	len += snprintf(out + len, 80 - (size_t)len, "ip6.arpa");
	return (struct str){ out, (size_t)len };
}

static void dns_start(struct step_run *run)
{
	const struct dns_config *config = run->config;
	struct client *client = run->run->context->client;
	struct dns_state *state = run->state;
	char reversed[80];
	struct str name;
	int r = template_eval(config->name, step_env(run), &name);

	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	if (!client) {
		step_done(run, ERROR_UNAVAILABLE, STR("nobody can be asked here"));
		return;
	}
	state->run = run;
	list_init(&state->addresses.link);
	list_init(&state->addresses.ready.link);
	list_init(&state->records.link);
	list_init(&state->records.ready.link);
	if (config->dns_type == DNS_A || config->dns_type == DNS_AAAA) {
		lookup_start(&state->addresses, client_names(client), name, 0, dns_on_addresses);
		return;
	}
	if (config->dns_type == DNS_PTR)
		name = dns_reverse(name, reversed);
	record_lookup_start(&state->records, client_records(client), name, config->dns_type,
			    dns_on_records);
}

static void dns_cancel(struct step_run *run)
{
	struct dns_state *state = run->state;

	lookup_cancel(&state->addresses);
	record_lookup_cancel(&state->records);
	step_done(run, ERROR_CANCELLED, STR("cancelled while it waited"));
}

static int dns_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct dns_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

static const char *const dns_fields[] = { "result", NULL };

const struct verb verb_dns = {
	.name = "dns",
	.help = "Asks for the records of a name: .result is a list of texts, of MX and SRV of "
		"objects.",
	.keys = dns_keys,
	.config_size = sizeof(struct dns_config),
	.state_size = sizeof(struct dns_state),
	.is_idempotent = true,
	.fields = dns_fields,
	.main_field = "result",
	.compile = dns_compile,
	.start = dns_start,
	.cancel = dns_cancel,
	.field = dns_field,
};
