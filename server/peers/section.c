/* server/peers/section.c: the section `peers:`. No message repeats a key. */
#include "core/base/memory.h"
#include "core/io/tls_client.h"
#include "server/flow/step.h"
#include "server/peers/peers.h"
#include "server/peers/wire.h"
#include "server/upstream_tls.h"
#include <stdlib.h>

/* One a form. */
static const struct peer_form *const forms[] = { &peer_leat, &peer_libprocess };
static const char *const form_choices[] = { "leat", "libprocess", NULL };

enum { KEY_LEN_MIN = 16 };
static const char *const auth_choices[] = { "key", "tls", "none", NULL }; /* enum peer_auth_kind */
static const char *const body_choices[] = { "auto", "text", "base64", NULL };
static const char *const connect_choices[] = { "on_demand", "always", NULL };

struct peer_config {
	struct str address, as, key, old_key, subject;
	int form, auth, connect, body;
	bool answers;
	struct setting_texts from, actors;
	const struct node *tls;
	uint64_t timeout_ms, heartbeat_ms, grace_ms, bytes, max;
	int64_t messages;
};

#define AT(field) offsetof(struct peer_config, field)
const struct setting peer_keys[] = {
	{ "address", SETTING_TEXT, AT(address),
	  .help = "host:port of its HTTP server; without it, it has to connect to us." },
	{ "form", SETTING_CHOICE, AT(form), "leat", "What is spoken with it.",
	  .choices = form_choices },
	{ "as", SETTING_TEXT, AT(as), .help = "The name of our entry in its `peers:`." },
	{ "key", SETTING_TEXT, AT(key),
	  .help = "The secret that both have, 16 bytes or more: ${secret.NAME}." },
	{ "old_key", SETTING_TEXT, AT(old_key),
	  .help = "One more key that is taken, until the other host has the new one." },
	{ "auth", SETTING_CHOICE, AT(auth), "key",
	  "How both prove who they are: by the key, or by their certificates (tls). With none, "
	  "whoever says its name is believed.",
	  .choices = auth_choices },
	{ "subject", SETTING_TEXT, AT(subject),
	  .help = "With auth: tls, the subject of the certificate that it shows when it "
		  "connects, as ${tls.client.subject} tells it: CN=shop,O=Example." },
	{ "actors", SETTING_TEXTS, AT(actors),
	  .help = "The names (without keys) of those of our actors that it may send to and "
		  "be linked to; all when not said, none with []." },
	{ "tls", SETTING_MAP, AT(tls),
	  .help = "Its address is of a listener with TLS: how it is believed.",
	  .keys = upstream_tls_keys },
	{ "connect", SETTING_CHOICE, AT(connect), "on_demand",
	  "When it is connected to: by the first message, or at the start, and again when it is "
	  "lost.",
	  .choices = connect_choices },
	{ "from", SETTING_TEXTS, AT(from),
	  .help = "Of libprocess: the addresses and networks that it sends from; that of `address` "
		  "when not said." },
	{ "body", SETTING_CHOICE, AT(body), "auto",
	  "Of libprocess: what ${message} is of a body: JSON where it is (else a text), always a "
	  "text, or any bytes in base64.",
	  .choices = body_choices },
	{ "answers", SETTING_BOOL, AT(answers), "true",
	  "Of libprocess: whether it answers each message; versions of before 2014 do not." },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "5s",
	  "How long connecting may take, with the proof of the key.", 10, 3600000 },
	{ "heartbeat", SETTING_DURATION, AT(heartbeat_ms), "5s",
	  "It is asked for a sign of life that often; it is lost when three have failed.", 20,
	  3600000 },
	{ "grace", SETTING_DURATION, AT(grace_ms), "5s",
	  "How long it may be gone before those linked to its actors are told.", 0, 86400000 },
	{ "messages", SETTING_INT, AT(messages), "10000",
	  "Messages that wait for it, or for its answers; one more is queue_full.", 1, 1000000 },
	{ "bytes", SETTING_SIZE, AT(bytes), "16m", "What they take together.", 1024,
	  INT64_C(1) << 32 },
	{ "max", SETTING_SIZE, AT(max), "1m",
	  "The largest message, and the largest answer; a larger one is too_large.", 1024,
	  INT64_C(1) << 26 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ one entry */

static struct fellow *peer_create(struct str name, const struct peer_form *form)
{
	struct fellow *peer = mem_zalloc(sizeof(*peer));

	atomic_init(&peer->refs, 1);
	arena_init_required(&peer->arena);
	peer->conf.name = arena_str(&peer->arena, name);
	peer->form = form;
	return peer;
}

struct fellow *fellow_ref(struct fellow *peer)
{
	check(atomic_fetch_add(&peer->refs, 1) > 0);
	return peer;
}

void fellow_unref(struct fellow *peer)
{
	if (!peer || atomic_fetch_sub(&peer->refs, 1) != 1)
		return;
	if (peer->own)
		peer->form->fini(peer);
	tls_client_unref(peer->conf.tls);
	arena_fini(&peer->arena);
	free(peer);
}

static bool peer_read_address(struct fellow *peer, const struct node_entry *entry,
			      struct str address, struct diag *diag)
{
	char text[PEER_HOST_MAX];
	struct str normal = peer_address_normal(address, text);

	if (address.len == 0)
		return true;
	if (normal.len == 0) {
		diag_error(diag, node_find(entry->value, "address")->place,
			   "\"%.*s\" is not the address of a peer; write host:port, or [v6]:port",
			   STR_ARG(str_first(address, 80)));
		return false;
	}
	peer->conf.address = arena_str(&peer->arena, normal);
	check(upstream_read_address(peer->conf.address, 0, &peer->conf.server) == 0);
	return true;
}

/* `node` may be NULL. */
static bool peer_check_key(const struct peer_config *config, const struct node *node,
			   struct str key, bool checking, struct diag *diag)
{
	const char *problem = NULL;

	if (node && config->auth != PEER_AUTH_KEY)
		problem = "is not used; remove it";
	else if (node && key.len < KEY_LEN_MIN && (key.len || !checking))
		problem = "is too short to be a secret; make it with `openssl rand -hex 32`";
	if (problem)
		diag_error(diag, node->place, "with auth: %s the key %s",
			   auth_choices[config->auth], problem);
	return !problem;
}

static bool peer_read_keys(struct fellow *peer, const struct peer_config *config,
			   const struct node_entry *entry, bool checking, struct diag *diag)
{
	const struct node *old = node_find(entry->value, "old_key");
	const struct node *node = node_find(entry->value, "key");

	if (!peer_check_key(config, node, config->key, checking, diag) ||
	    !peer_check_key(config, old, config->old_key, checking, diag))
		return false;
	if (old && !node) {
		diag_error(diag, old->place, "old_key stands beside the key that replaces it");
		return false;
	}
	peer->conf.key = arena_str(&peer->arena, config->key);
	peer->conf.old_key = arena_str(&peer->arena, config->old_key);
	return true;
}

/* As upstreams have it; what carries it there is thrown away. */
static bool peer_read_tls(struct fellow *peer, const struct node *node, struct conf *conf,
			  struct diag *diag)
{
	struct upstream *upstream;
	bool ok;

	if (!node)
		return true;
	upstream = upstream_create(peer->conf.name);
	ok = upstream_tls_compile(upstream, node, conf, diag);
	if (ok) {
		peer->conf.tls = tls_client_ref(upstream->tls);
		peer->conf.server_name = arena_str(&peer->arena, upstream->server_name);
		memcpy(peer->conf.tls_identity, upstream->tls_identity,
		       sizeof(peer->conf.tls_identity));
	}
	upstream_unref(upstream);
	return ok;
}

static void peer_take(struct fellow *peer, const struct peer_config *config)
{
	struct peer_conf *conf = &peer->conf;

	conf->as = arena_str(&peer->arena, config->as);
	conf->auth = config->auth;
	conf->subject = arena_str(&peer->arena, config->subject);
	conf->always = config->connect == 1;
	conf->body = config->body;
	conf->answers = config->answers;
	conf->connect_ms = config->timeout_ms;
	conf->heartbeat_ms = config->heartbeat_ms;
	conf->grace_ms = config->grace_ms;
	conf->queue_max = (size_t)config->messages;
	conf->bytes_max = (size_t)config->bytes;
	conf->message_max = (size_t)config->max;
}

static bool peer_conf_is_same(const struct peer_conf *a, const struct peer_conf *b)
{
	return str_eq(a->name, b->name) && str_eq(a->address, b->address) && str_eq(a->as, b->as) &&
	       a->auth == b->auth && str_eq(a->key, b->key) && str_eq(a->old_key, b->old_key) &&
	       str_eq(a->subject, b->subject) && !a->tls == !b->tls &&
	       peer_reach_is_same(&a->reach, &b->reach) && str_eq(a->server_name, b->server_name) &&
	       a->always == b->always && a->connect_ms == b->connect_ms &&
	       a->heartbeat_ms == b->heartbeat_ms && a->grace_ms == b->grace_ms &&
	       a->queue_max == b->queue_max && a->bytes_max == b->bytes_max &&
	       a->message_max == b->message_max && a->body == b->body && a->answers == b->answers &&
	       str_eq(a->from_text, b->from_text) &&
	       memcmp(a->tls_identity, b->tls_identity, sizeof(a->tls_identity)) == 0;
}

/* Without `from:` it is what the address says, if that is a number. */
static bool peer_read_from(struct fellow *peer, const struct peer_config *config, struct diag *diag)
{
	const struct node *number = NULL; /* it is one: there is nothing to complain of */
	struct setting_texts texts = config->from;
	struct buf text;

	buf_init_arena(&text, &peer->arena);
	for (size_t i = 0; i < texts.n_texts; i++) {
		buf_add(&text, texts.texts[i]);
		buf_add_char(&text, ' ');
	}
	peer->conf.from_text = buf_str(&text);
	if (texts.n_texts == 0 && wire_is_number(peer->conf.server.host))
		texts = (struct setting_texts){ &peer->conf.server.host, &number, 1 };
	return networks_compile(&peer->conf.from, &texts, &peer->arena, diag);
}

/* Keys that say something of another form would do nothing. */
static bool peer_check_keys(const struct fellow *peer, const struct node_entry *entry,
			    struct diag *diag)
{
	static const struct {
		const struct peer_form *form; /* that has no use for it */
		const char *key;
	} useless[] = {
		{ &peer_leat, "from" },          { &peer_leat, "body" },
		{ &peer_leat, "answers" },       { &peer_libprocess, "grace" },
		{ &peer_libprocess, "old_key" }, { &peer_libprocess, "subject" },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
		const struct node_entry *key = node_entry_find(entry->value, useless[i].key);

		if (!key || peer->form != useless[i].form)
			continue;
		diag_error(diag, key->key_place, "form: %s has no use for %s; remove it",
			   peer->form->name, useless[i].key);
		ok = false;
	}
	return ok;
}

static bool peer_check_name(const struct node_entry *entry, struct diag *diag)
{
	if (name_is_valid(entry->key))
		return true;
	diag_error(diag, entry->key_place,
		   "\"%.*s\" cannot be the name of a peer; write lower-case letters, digits and _",
		   STR_ARG(str_first(entry->key, 80)));
	return false;
}

/* NULL with errors in diag. */
static struct fellow *peer_compile(const struct node_entry *entry,
				   const struct peer_section *before, struct conf *conf,
				   struct diag *diag)
{
	struct peer_config config = { 0 };
	const struct settings_part part = { peer_keys, &config };
	struct fellow *peer, *same;
	bool ok;

	if (!peer_check_name(entry, diag) ||
	    settings_read(&part, 1, entry->value, "a peer", &conf->arena, diag) > 0)
		return NULL;
	peer = peer_create(entry->key, forms[config.form]);
	peer_take(peer, &config);
	ok = peer_read_address(peer, entry, config.address, diag);
	ok = peer_read_keys(peer, &config, entry, conf->checking, diag) && ok;
	ok = peer_read_tls(peer, config.tls, conf, diag) && ok;
	ok = peer_read_from(peer, &config, diag) && ok;
	peer_reach_read(&peer->conf.reach, &config.actors,
			node_find(entry->value, "actors") != NULL, &peer->arena);
	ok = peer_check_keys(peer, entry, diag) && ok;
	if (ok)
		ok = peer->form->is_right(&peer->conf, entry, diag);
	same = before ? peer_section_find(before, entry->key) : NULL;
	if (ok && same && same->form == peer->form && peer_conf_is_same(&same->conf, &peer->conf)) {
		fellow_ref(same);
	} else {
		same = ok ? fellow_ref(peer) : NULL;
		if (ok && peer->form->init)
			peer->own = peer->form->init(peer);
	}
	fellow_unref(peer);
	return same;
}

/* ------------------------------------------------------------ the section */

void peer_section_compile(struct peer_section *section, const struct node *node,
			  const struct peer_section *before, struct conf *conf, struct diag *diag)
{
	size_t n_entries = node && node->kind == NODE_MAP ? node->n_entries : 0;

	section->peers = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->peers));
	section->names = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->names));
	for (size_t i = 0; i < n_entries; i++) {
		struct fellow *peer = peer_compile(&node->entries[i], before, conf, diag);

		if (!peer)
			continue;
		if (peer->conf.address.len && peer_section_find(section, peer->conf.address))
			diag_error(diag, node->entries[i].key_place,
				   "two peers have the address %.*s; remove one",
				   STR_ARG(peer->conf.address));
		section->names[section->n_peers] = peer->conf.name.ptr;
		section->peers[section->n_peers++] = peer;
	}
	section->names[section->n_peers] = NULL;
}

void peer_section_fini(struct peer_section *section)
{
	for (size_t i = 0; i < section->n_peers; i++)
		fellow_unref(section->peers[i]);
	section->n_peers = 0;
}

struct fellow *peer_section_find_name(const struct peer_section *section, struct str name)
{
	for (size_t i = 0; i < section->n_peers; i++)
		if (str_eq(section->peers[i]->conf.name, name))
			return section->peers[i];
	return NULL;
}

struct fellow *peer_section_find(const struct peer_section *section, struct str host)
{
	struct fellow *named = peer_section_find_name(section, host);
	char text[PEER_HOST_MAX];
	struct str normal;

	if (named)
		return named;
	normal = peer_address_normal(host, text);
	for (size_t i = 0; normal.len && i < section->n_peers; i++)
		if (str_eq(section->peers[i]->conf.address, normal))
			return section->peers[i];
	return NULL;
}

bool peer_section_check(const struct peer_section *section, struct str name, struct place place,
			struct diag *diag)
{
	struct str actor, host;
	const char *nearest;

	if (!peer_address_split(name, &actor, &host))
		return true;
	if (section && peer_section_find(section, host) && actor.len)
		return true;
	nearest = section ? diag_nearest(host, section->names) : NULL;
	if (actor.len == 0)
		diag_error(diag, place, "the name of the actor is missing; write ACTOR@HOST");
	else
		diag_error(diag, place,
			   "there is no host \"%.*s\" in `peers:`%s%s%s; list it there, by its "
			   "name or its address",
			   STR_ARG(str_first(host, 80)), nearest ? "; did you mean \"" : "",
			   nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}
