/* server/listen_tls.c */
#include "server/listen_tls.h"
#include "core/base/clock.h"
#include "core/io/tls_server.h"
#include <errno.h>

/* A certificate, as it is written. */
struct cert_config {
	struct str cert, key, ocsp;
};

struct tls_config {
	struct cert_config first;
	const struct node *certs;
	struct str client_ca, ciphers;
	bool require, tickets;
	int min;
};

static const char *const min_choices[] = { "1.2", "1.3", NULL };

#define CERT_ROWS(at)                                                                              \
	{ "cert", SETTING_TEXT, (at) + offsetof(struct cert_config, cert),                         \
	  .help = "PEM file: the certificate, then those between it and the authority.",           \
	  .required = true },                                                                      \
		{ "key", SETTING_TEXT, (at) + offsetof(struct cert_config, key),                   \
		  .help = "PEM file: its private key, without a password.", .required = true },    \
	{                                                                                          \
		"ocsp", SETTING_TEXT, (at) + offsetof(struct cert_config, ocsp),                   \
			.help = "DER file: what the authority says of it; stapled while it is "    \
				"good."                                                            \
	}

static const struct setting cert_keys[] = { CERT_ROWS(0), SETTINGS_END };

#define AT(field) offsetof(struct tls_config, field)
const struct setting listen_tls_keys[] = {
	CERT_ROWS(AT(first)),
	{ "certs", SETTING_LIST, AT(certs),
	  .help = "More of {cert, key, ocsp}; which is shown depends on the name that the client "
		  "asks for, and the first is for all other names.",
	  .keys = cert_keys },
	{ "client_ca", SETTING_TEXT, AT(client_ca),
	  .help = "PEM file: authorities whose certificates clients show; ${tls.client} tells of "
		  "them." },
	{ "require", SETTING_BOOL, AT(require), "true",
	  "Clients must show one; false: they may, and a wrong one is refused all the same." },
	{ "min", SETTING_CHOICE, AT(min), "1.2", "The oldest version: 1.2 or 1.3.",
	  .choices = min_choices },
	{ "ciphers", SETTING_TEXT, AT(ciphers),
	  .help = "OpenSSL's names with ':' between; TLS_… are those of 1.3." },
	{ "tickets", SETTING_BOOL, AT(tickets), "true",
	  "Clients that come again skip most of the handshake; the keys change twice a day." },
	SETTINGS_END
};
#undef AT

/* One load of it. */
struct tls_load {
	struct conf *conf;
	struct diag *diag;
	struct tls_server *server;
};

/* Where the file is named whose fault it is. */
static void listen_tls_fault(const struct tls_load *load, const struct node *node,
			     const struct tls_fault *fault)
{
	static const char *const keys[] = {
		[TLS_FAULT_CERT] = "cert",     [TLS_FAULT_KEY] = "key",
		[TLS_FAULT_OCSP] = "ocsp",     [TLS_FAULT_CA] = "client_ca",
		[TLS_FAULT_OTHER] = "ciphers",
	};
	const struct node *at = node_find(node, keys[fault->what]);

	if (at)
		diag_error(load->diag, at->place, "%s \"%.*s\" %s", keys[fault->what],
			   STR_ARG(at->text), fault->text);
	else
		diag_error(load->diag, node->place, "tls cannot be used: %s", fault->text);
}

static const char *listen_tls_path(const struct tls_load *load, const struct node *node,
				   struct str path)
{
	return path.len ? conf_path(load->conf, node->place, path).ptr : NULL;
}

static void listen_tls_check_times(const struct tls_load *load, const struct node *node,
				   const struct tls_cert *cert)
{
	int64_t now_s = clock_wall_ns() / (int64_t)NS_PER_S;
	const struct node *at = node_find(node, "cert"), *ocsp = node_find(node, "ocsp");

	if (now_s >= cert->ends_s)
		diag_warning(load->diag, at->place,
			     "the certificate has expired; clients will refuse it");
	else if (now_s < cert->begins_s)
		diag_warning(load->diag, at->place,
			     "the certificate is not valid yet; clients will refuse it");
	if (ocsp && cert->ocsp && now_s >= cert->ocsp_ends_s)
		diag_warning(load->diag, ocsp->place,
			     "the OCSP response has expired, and is not sent; get a new one");
}

static void listen_tls_add(const struct tls_load *load, const struct node *node,
			   const struct cert_config *config)
{
	const char *cert_file = listen_tls_path(load, node_find(node, "cert"), config->cert);
	const char *key_file = listen_tls_path(load, node_find(node, "key"), config->key);
	struct tls_cert *cert;
	struct tls_fault fault;
	struct str name;
	int r = tls_cert_load(&cert, cert_file, key_file, &fault);

	if (r < 0) {
		listen_tls_fault(load, node, &fault);
		return;
	}
	if (config->ocsp.len &&
	    tls_cert_load_ocsp(cert, listen_tls_path(load, node_find(node, "ocsp"), config->ocsp),
			       &fault) < 0)
		listen_tls_fault(load, node, &fault);
	listen_tls_check_times(load, node, cert);
	r = tls_server_add(load->server, cert, &name, &fault);
	if (r == -EEXIST)
		diag_error(load->diag, node_find(node, "cert")->place,
			   "the name %.*s is in a certificate above, with a key of the same kind; "
			   "remove one of them",
			   STR_ARG(name));
	else if (r < 0)
		listen_tls_fault(load, node, &fault);
}

static bool listen_tls_read_cert(const struct tls_load *load, const struct node *node)
{
	struct cert_config config = { 0 };
	const struct settings_part part = { cert_keys, &config };

	if (settings_read(&part, 1, node, "a certificate", &load->conf->arena, load->diag) > 0)
		return false;
	listen_tls_add(load, node, &config);
	return true;
}

static bool listen_tls_create(struct tls_load *load, const struct node *node,
			      const struct tls_config *config)
{
	const struct node *require = node_find(node, "require");
	const struct tls_server_settings settings = {
		.no_tls12 = config->min == 1,
		.no_tickets = !config->tickets,
		.ciphers = config->ciphers.ptr,
		.client_ca = listen_tls_path(load, node_find(node, "client_ca"), config->client_ca),
		.require_client = config->require,
	};
	struct tls_fault fault;

	if (require && !settings.client_ca)
		diag_error(load->diag, require->place,
			   "require is for certificates of clients; name their authority with "
			   "client_ca");
	if (tls_server_create(&load->server, &settings, &fault) == 0)
		return true;
	listen_tls_fault(load, node, &fault);
	return false;
}

struct tls_server *listen_tls_compile(const struct node *node, struct conf *conf, struct diag *diag)
{
	struct tls_config config = { 0 };
	const struct settings_part part = { listen_tls_keys, &config };
	struct tls_load load = { .conf = conf, .diag = diag };
	size_t n_before = diag->n_errors;
	struct tls_fault fault;

	if (settings_read(&part, 1, node, "tls", &conf->arena, diag) > 0 ||
	    !listen_tls_create(&load, node, &config))
		return NULL;
	listen_tls_add(&load, node, &config.first);
	for (size_t i = 0; config.certs && i < config.certs->n_entries; i++)
		listen_tls_read_cert(&load, config.certs->entries[i].value);
	if (diag->n_errors == n_before && tls_server_try(load.server, config.min != 1, &fault) < 0)
		listen_tls_fault(&load, node, &fault);
	if (diag->n_errors == n_before)
		return load.server;
	tls_server_unref(load.server);
	return NULL;
}
