/* server/upstream_tls.c
 *
 * The identity of an upstream's TLS is a hash of its settings and of the files that they name: so
 * connections are carried over a reload as long as nothing has changed, and no longer. */
#include "server/upstream_tls.h"
#include "conf/file.h"
#include "core/io/tls_client.h"
#include <openssl/evp.h>

enum { FILE_MAX = 16 << 20 };

struct upstream_tls_config {
	bool verify;
	struct str ca, cert, key, server_name;
};

#define AT(field) offsetof(struct upstream_tls_config, field)
const struct setting upstream_tls_keys[] = {
	{ "verify", SETTING_BOOL, AT(verify), "true",
	  "The server's certificate must be of a known authority, and say its name." },
	{ "ca", SETTING_TEXT, AT(ca),
	  .help = "PEM file: the authorities, instead of the system's." },
	{ "cert", SETTING_TEXT, AT(cert), .help = "PEM file: what is shown to servers that ask." },
	{ "key", SETTING_TEXT, AT(key), .help = "PEM file: its private key, without a password." },
	{ "server_name", SETTING_TEXT, AT(server_name),
	  .help = "The name that is asked for, and must be in the certificate; else the host." },
	SETTINGS_END
};
#undef AT

static void upstream_tls_fault(const struct node *node, const struct tls_fault *fault,
			       struct diag *diag)
{
	static const char *const keys[] = { [TLS_FAULT_CERT] = "cert",
					    [TLS_FAULT_KEY] = "key",
					    [TLS_FAULT_OCSP] = "ocsp",
					    [TLS_FAULT_CA] = "ca",
					    [TLS_FAULT_OTHER] = "verify" };
	const struct node *at = node ? node_find(node, keys[fault->what]) : NULL;
	struct place place = at ? at->place : node ? node->place : (struct place){ 0 };

	if (at)
		diag_error(diag, place, "%s \"%.*s\" %s", keys[fault->what], STR_ARG(at->text),
			   fault->text);
	else
		diag_error(diag, place, "tls cannot be used: %s", fault->text);
}

static void upstream_tls_hash_file(EVP_MD_CTX *md, const char *path)
{
	struct arena arena;
	struct file file;

	if (!path)
		return;
	arena_init(&arena, FILE_MAX + 4096);
	EVP_DigestUpdate(md, path, strlen(path) + 1);
	if (file_read(path, FILE_MAX, &arena, &file) == 0)
		EVP_DigestUpdate(md, file.text.ptr, file.text.len);
	arena_fini(&arena);
}

/* Without a hash, no two are the same: only connections are lost. */
static void upstream_tls_identify(struct upstream *upstream,
				  const struct tls_client_settings *settings)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) {
		EVP_DigestUpdate(md, settings->no_verify ? "any" : "few", 3);
		upstream_tls_hash_file(md, settings->ca);
		upstream_tls_hash_file(md, settings->cert);
		upstream_tls_hash_file(md, settings->key);
		EVP_DigestFinal_ex(md, upstream->tls_identity, NULL);
	}
	EVP_MD_CTX_free(md);
}

static const char *upstream_tls_path(struct conf *conf, const struct node *node, struct str path)
{
	return path.len ? conf_path(conf, node->place, path).ptr : NULL;
}

bool upstream_tls_compile(struct upstream *upstream, const struct node *node, struct conf *conf,
			  struct diag *diag)
{
	struct upstream_tls_config config = { .verify = true };
	const struct settings_part part = { upstream_tls_keys, &config };
	struct tls_client_settings settings;
	struct tls_client *tls;
	struct tls_fault fault;

	if (node && settings_read(&part, 1, node, "tls", &conf->arena, diag) > 0)
		return false;
	if ((config.cert.len > 0) != (config.key.len > 0)) {
		diag_error(diag, node->place, "cert and key belong together; write both");
		return false;
	}
	settings = (struct tls_client_settings){
		.no_verify = !config.verify,
		.ca = upstream_tls_path(conf, node, config.ca),
		.cert = upstream_tls_path(conf, node, config.cert),
		.key = upstream_tls_path(conf, node, config.key),
	};
	if (tls_client_create(&tls, &settings, &fault) < 0) {
		upstream_tls_fault(node, &fault, diag);
		return false;
	}
	upstream_secure(upstream, tls, config.server_name);
	upstream_tls_identify(upstream, &settings);
	return true;
}
