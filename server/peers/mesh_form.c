/* server/peers/mesh_form.c: the form `leat` of a peer: its checks, memory and figures. */
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/flow/step.h"
#include "server/peers/mesh.h"
#include <stdlib.h>

static void *mesh_init(struct fellow *peer)
{
	struct mesh *mesh = mem_zalloc(sizeof(*mesh));

	mesh->peer = peer;
	lock_init(&mesh->lock);
	list_init(&mesh->waiting);
	list_init(&mesh->notices);
	list_init(&mesh->unsure);
	list_init(&mesh->linked);
	list_init(&mesh->wanted);
	list_init(&mesh->unsaid);
	map_init(&mesh->watches);
	map_init(&mesh->watched);
	for (size_t i = 0; i < MESH_SLOTS; i++)
		list_init(&mesh->sent[i]);
	mesh->home_post.run = mesh_on_home;
	return mesh;
}

static void mesh_fini(struct fellow *peer)
{
	struct mesh *mesh = mesh_of(peer);

	check(!mesh->trunk && !mesh->next && !mesh->left && mesh->n_waiting + mesh->n_sent == 0);
	lock_acquire(&mesh->lock);
	mesh_doubt_notices(mesh);
	mesh_drop_notices(mesh, true);
	lock_release(&mesh->lock);
	mesh_watches_clear(&mesh->watches);
	mesh_watches_clear(&mesh->watched);
	map_fini(&mesh->watches);
	map_fini(&mesh->watched);
	mesh_names_clear(&mesh->linked);
	mesh_names_clear(&mesh->wanted);
	lock_fini(&mesh->lock);
	free(mesh);
}

/* With auth: tls nothing else tells the other host who we are, or us who it is. */
static void mesh_check_tls(const struct peer_conf *conf, const struct node_entry *entry,
			   struct diag *diag)
{
	const struct node *tls = node_find(entry->value, "tls");
	const struct node *verify = tls ? node_find(tls, "verify") : NULL;
	const char *problem = NULL;

	if (conf->address.len == 0 && conf->subject.len == 0)
		problem = "add subject: what its certificate says, by which it is known when it "
			  "connects";
	else if (conf->address.len && (!tls || !node_find(tls, "cert")))
		problem = "add tls: {ca: FILE, cert: FILE, key: FILE}: what is believed of that "
			  "host, and what is shown to it";
	else if (verify && verify->kind == NODE_BOOL && !verify->boolean)
		problem = "its certificate has to be looked at: remove verify: false";
	if (problem)
		diag_error(diag, entry->key_place, "with auth: tls: %s", problem);
}

static void mesh_check_auth(const struct peer_conf *conf, const struct node_entry *entry,
			    struct diag *diag)
{
	if (conf->auth == PEER_AUTH_TLS)
		mesh_check_tls(conf, entry, diag);
	else if (conf->subject.len)
		diag_error(
			diag, node_find(entry->value, "subject")->place,
			"the subject of a certificate is looked at with auth: tls; remove it, or "
			"add that");
	if (conf->auth == PEER_AUTH_KEY && !node_find(entry->value, "key"))
		diag_error(
			diag, entry->key_place,
			"peer \"%.*s\" needs a key: ${secret.NAME}; or auth: none, where everybody "
			"who can connect may send",
			STR_ARG(conf->name));
}

static void mesh_check_names(const struct peer_conf *conf, const struct node_entry *entry,
			     struct diag *diag)
{
	if (conf->as.len == 0)
		diag_error(
			diag, entry->key_place,
			"peer \"%.*s\" needs `as`: what the entry for this host is called in its "
			"`peers:`",
			STR_ARG(conf->name));
	else if (!name_is_valid(conf->as))
		diag_error(
			diag, node_find(entry->value, "as")->place,
			"\"%.*s\" cannot be the name of a peer; write lower-case letters, digits "
			"and _",
			STR_ARG(str_first(conf->as, 80)));
	else if (str_eq(conf->as, conf->name))
		diag_error(
			diag, node_find(entry->value, "as")->place,
			"both hosts are called %.*s; `as` is the name of this one, the entry's key "
			"that of the other",
			STR_ARG(conf->name));
}

static bool mesh_is_right(const struct peer_conf *conf, const struct node_entry *entry,
			  struct diag *diag)
{
	const struct node_entry *connect = node_entry_find(entry->value, "connect");
	size_t n_errors = diag->n_errors;

	mesh_check_names(conf, entry, diag);
	mesh_check_auth(conf, entry, diag);
	if (conf->address.len == 0 && (conf->always || conf->tls))
		diag_error(diag, conf->always ? connect->key_place : entry->key_place,
			   "peer \"%.*s\" has no address that could be connected to",
			   STR_ARG(conf->name));
	return diag->n_errors == n_errors;
}

static void mesh_write(struct fellow *peer, struct buf *out)
{
	struct mesh *mesh = mesh_of(peer);

	lock_acquire(&mesh->lock);
	buf_printf(out, ",\"state\":\"%s\",\"queued\":%zu,\"unanswered\":%zu,\"bytes\":%zu",
		   mesh->trunk       ? "connected"
		   : mesh->must_dial ? "connecting"
		   : mesh->problem   ? "failed"
				     : "idle",
		   mesh->n_waiting, mesh->n_sent, mesh->n_bytes);
	if (mesh->problem && !mesh->trunk) {
		buf_add(out, STR(",\"problem\":"));
		json_write_text(str_of(mesh->problem), out);
	}
	lock_release(&mesh->lock);
}

const struct peer_form peer_leat = { .name = "leat",
				     .is_right = mesh_is_right,
				     .send = mesh_send,
				     .watch = mesh_watch,
				     .may_watch = actor_name_is_canonical,
				     .open = mesh_open,
				     .retire = mesh_retire,
				     .init = mesh_init,
				     .fini = mesh_fini,
				     .write = mesh_write };
