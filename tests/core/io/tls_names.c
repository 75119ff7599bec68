/* tests/core/io/tls_names.c: whom the ends of TLS believe, and what they remember of each other. */
#include "core/base/clock.h"
#include "core/io/tls_session.h"
#include "core/io/tls_tickets.h"
#include "tests/core/io/tls_ends.h"
#include <errno.h>
#include <openssl/ocsp.h>

static int add_cert(const char *file, struct str *ret_name)
{
	struct tls_fault fault;
	struct tls_cert *cert;

	check(tls_cert_load(&cert, cert_path(file, "pem"), cert_path(file, "key"), &fault) == 0);
	return tls_server_add(server, cert, ret_name, &fault);
}

/* The common name of the certificate that the server shows to who asks for `host`. */
static const char *shown_for(const char *host)
{
	static char name[100];
	struct arena arena;
	struct tls_peer peer = { STR_INIT("") };

	arena_init(&arena, 10000);
	connect_ends(host, NULL, 1 << 20);
	if (b.stream.tls && tls_is_open(b.stream.tls))
		tls_peer(b.stream.tls, &arena, &peer);
	snprintf(name, sizeof(name), "%.*s", STR_ARG(peer.subject));
	close_ends();
	arena_fini(&arena);
	return name;
}

/* ------------------------------------------------------------ the server's certificate */

static void the_certificate_is_chosen_by_name(void)
{
	struct str name;

	use_server(NULL, "a");
	is_int(add_cert("wild", &name), 0);
	is_int(add_cert("exact", &name), 0);
	is_text(shown_for("a.test"), "CN=a");
	is_text(shown_for("x.wild.test"), "CN=wild");
	is_text(shown_for("X.Wild.TEST"), "CN=wild");
	is_text(shown_for("exact.wild.test"), "CN=exact");
	is_text(shown_for("wild.test"), "");     /* the first, which does not say that name */
	is_text(shown_for("x.y.wild.test"), ""); /* a wildcard is for one label */
	is_text(shown_for("127.0.0.1"), "CN=a"); /* no name is asked for */
	is_text(shown_for("other.test"), "");
}

static void a_name_may_have_keys_of_different_kinds(void)
{
	struct str name;

	use_server(NULL, "a");
	is_int(add_cert("a-rsa", &name), 0);
	is_text(shown_for("a.test"), "CN=a"); /* the client can verify both: EC is preferred */
	is_int(add_cert("a-again", &name), -EEXIST);
	is_str(name, STR("a.test"));
	is_text(shown_for("a.test"), "CN=a");
}

static const char *fault_of(const char *cert_file, const char *key_file)
{
	static struct tls_fault fault;
	struct tls_cert *cert;
	char key[200];

	snprintf(key, sizeof(key), "%s", key_file);
	fault.text[0] = '\0';
	if (tls_cert_load(&cert, cert_file, key, &fault) == 0)
		tls_cert_destroy(cert);
	return fault.text;
}

static void what_is_wrong_with_a_file_is_said(void)
{
	static const char garbage[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				     "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
				     "-----END ENCRYPTED PRIVATE KEY-----\n";

	cert_write("garbage", "pem", garbage, sizeof(garbage) - 1);
	cert_write("empty", "pem", "", 0);
	cert_write("locked", "key", locked, sizeof(locked) - 1);
	is_text(fault_of(cert_path("a", "pem"), cert_path("a", "key")), "");
	is_text(fault_of("/nonexistent", cert_path("a", "key")),
		"cannot be read: No such file or directory");
	is_text(fault_of(cert_path("empty", "pem"), cert_path("a", "key")),
		"holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
	is_true(strncmp(fault_of(cert_path("garbage", "pem"), cert_path("a", "key")),
			"holds no certificate", 20) == 0);
	is_text(fault_of(cert_path("a", "pem"), "/nonexistent"),
		"cannot be read: No such file or directory");
	is_text(fault_of(cert_path("a", "pem"), cert_path("a", "pem")),
		"holds no private key in PEM");
	is_true(strstr(fault_of(cert_path("a", "pem"), cert_path("wild", "key")),
		       "is not the key of that certificate") != NULL);
	is_text(fault_of(cert_path("a", "pem"), "/"), "cannot be read: Is a directory");
}

static void ciphers_are_read_by_version(void)
{
	struct tls_server_settings settings = { .ciphers = "TLS_AES_256_GCM_SHA384" };
	struct tls_fault fault;
	struct tls_server *none;

	use_server(&settings, "a");
	connect_ends("a.test", NULL, 1 << 20);
	is_text(tls_cipher(a.stream.tls), "TLS_AES_256_GCM_SHA384");
	close_ends();
	settings.ciphers = "NOT-A-CIPHER";
	is_int(tls_server_create(&none, &settings, &fault), -EINVAL);
	is_int(fault.what, TLS_FAULT_OTHER);
	settings.ciphers = "";
	is_int(tls_server_create(&none, &settings, &fault), -EINVAL);
}

/* ------------------------------------------------------------ what the client believes */

static const char *refused_by_client(const char *file, const char *host)
{
	static char why[100];

	use_server(NULL, file);
	connect_ends(host, NULL, 1 << 20);
	is_int(b.stream.error, -EPROTO);
	snprintf(why, sizeof(why), "%s", tls_failure(b.stream.tls));
	is_true(a.n_secure == 1 || !tls_is_open(a.stream.tls));
	close_ends();
	return why;
}

static void a_client_says_why_it_does_not_believe(void)
{
	is_text(refused_by_client("a", "b.test"), "hostname mismatch");
	is_text(refused_by_client("a", "127.0.0.2"), "IP address mismatch");
	is_text(refused_by_client("old", "a.test"), "certificate has expired");
	is_text(refused_by_client("future", "a.test"), "certificate is not yet valid");
	is_text(refused_by_client("stranger", "a.test"), "unable to get local issuer certificate");
	is_text(refused_by_client("self", "a.test"), "self-signed certificate");
}

static void a_client_may_believe_anybody(void)
{
	const struct tls_client_settings any = { .no_verify = true };

	use_client(&any);
	use_server(NULL, "stranger");
	connect_ends("b.test", NULL, 1 << 20);
	is_int(b.stream.error, 0);
	is_true(tls_is_open(b.stream.tls));
	close_ends();
	use_client(NULL);
}

/* ------------------------------------------------------------ the client's certificate */

static void use_client_cert(const char *file)
{
	char key[200];
	struct tls_client_settings own = { .ca = cert_path("ca", "pem"),
					   .cert = cert_path(file, "pem") };

	snprintf(key, sizeof(key), "%s", cert_path(file, "key"));
	own.key = key;
	use_client(&own);
}

static void a_client_must_show_a_certificate(void)
{
	const struct tls_server_settings must = { .client_ca = cert_path("clients", "pem"),
						  .require_client = true };
	struct arena arena;
	struct tls_peer peer;

	use_server(&must, "a");
	use_client(NULL);
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.stream.error, -EPROTO);
	is_text(tls_failure(a.stream.tls), "peer did not return a certificate");
	close_ends();
	use_client_cert("a");
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.stream.error, -EPROTO);
	is_text(tls_failure(a.stream.tls), "unable to get local issuer certificate");
	close_ends();
	use_client_cert("ada");
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.stream.error, 0);
	arena_init(&arena, 10000);
	is_int(tls_peer(a.stream.tls, &arena, &peer), 1);
	is_str(peer.subject, STR("CN=Ada \\\"L\\\"\\, Ü"));
	is_str(peer.issuer, STR("CN=Clients"));
	is_int(peer.fingerprint.len, 64);
	is_int(peer.serial.len, 4);
	arena_fini(&arena);
	close_ends();
}

static void a_client_may_show_a_certificate_but_no_wrong_one(void)
{
	const struct tls_server_settings may = { .client_ca = cert_path("clients", "pem") };
	struct arena arena;
	struct tls_peer peer;

	use_server(&may, "a");
	use_client(NULL);
	arena_init(&arena, 10000);
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.stream.error, 0);
	is_int(tls_peer(a.stream.tls, &arena, &peer), 0);
	close_ends();
	use_client_cert("a");
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.stream.error, -EPROTO);
	close_ends();
	arena_fini(&arena);
	use_client(NULL);
}

/* ------------------------------------------------------------ sessions */

/* One connection with a byte each way, so that tickets have come. True: it was resumed. */
static bool resumes(struct tls_memory *memory)
{
	char byte;
	bool resumed;

	connect_ends("a.test", memory, 1 << 20);
	check(a.stream.error == 0 && b.stream.error == 0);
	write_text(&a, "x");
	settle(1 << 20);
	is_int(stream_read(&b.stream, &byte, 1), 1);
	resumed = tls_was_resumed(b.stream.tls);
	is_int(tls_was_resumed(a.stream.tls), resumed);
	close_ends();
	return resumed;
}

static void a_session_is_resumed_also_by_another_server_of_the_process(void)
{
	struct tls_memory memory = { NULL };

	use_server(NULL, "a");
	is_false(resumes(&memory));
	is_true(resumes(&memory));
	is_true(resumes(&memory));
	use_server(NULL, "a"); /* as after a reload */
	is_true(resumes(&memory));
	tls_memory_forget(&memory);
	is_false(resumes(&memory));
	tls_memory_forget(&memory);
}

static void keys_of_tickets_are_good_for_two_turns(void)
{
	const uint64_t turn_ns = TLS_TICKETS_TURN_S * NS_PER_S;
	struct tls_memory memory = { NULL }, old = { NULL };

	use_server(NULL, "a");
	clock_freeze(clock_monotonic_ns(), clock_wall_ns());
	clock_advance(3 * turn_ns);
	is_false(resumes(&memory));
	is_false(resumes(&old));
	clock_advance(turn_ns - NS_PER_S);
	is_true(resumes(&memory));
	clock_advance(turn_ns); /* another key has come */
	is_true(resumes(&memory));
	clock_advance(turn_ns);
	is_true(resumes(&memory));
	is_false(resumes(&old));
	clock_thaw();
	tls_memory_forget(&memory);
	tls_memory_forget(&old);
}

static void a_session_without_a_certificate_is_not_resumed_where_one_is_needed(void)
{
	const struct tls_server_settings must = { .client_ca = cert_path("clients", "pem"),
						  .require_client = true };
	struct tls_memory memory = { NULL };

	use_server(NULL, "a");
	is_false(resumes(&memory));
	use_server(&must, "a");
	connect_ends("a.test", &memory, 1 << 20);
	is_int(a.stream.error, -EPROTO);
	close_ends();
	use_client_cert("ada");
	is_false(resumes(&memory));
	is_true(resumes(&memory));
	use_server(NULL, "a"); /* nor the other way round */
	is_false(resumes(&memory));
	tls_memory_forget(&memory);
	use_client(NULL);
}

static void a_session_ends_with_the_certificate_that_it_began_with(void)
{
	const struct tls_server_settings must = { .client_ca = cert_path("clients", "pem"),
						  .require_client = true };
	struct tls_memory memory = { NULL };

	use_server(&must, "a");
	use_client_cert("ada");
	is_false(resumes(&memory));
	is_true(resumes(&memory));
	clock_freeze(clock_monotonic_ns(), clock_wall_ns() + INT64_C(31) * 86400000000000);
	is_false(
		resumes(&memory)); /* OpenSSL's own clock goes on: it still takes the certificate */
	clock_thaw();
	tls_memory_forget(&memory);
	use_client(NULL);
}

static void without_tickets_nothing_is_resumed(void)
{
	const struct tls_server_settings settings = { .no_tickets = true };
	struct tls_memory memory = { NULL };

	use_server(&settings, "a");
	is_false(resumes(&memory));
	is_false(resumes(&memory));
	is_null(memory.session);
}

static void records_without_data_have_an_end(void)
{
	char byte;

	use_server(NULL, "a");
	connect_ends("a.test", NULL, 1 << 20);
	for (unsigned i = 0; i < 40; i++) {
		check(SSL_key_update(b.stream.tls->ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
		is_int(write_text(&b, "x"), 1);
	}
	settle(1 << 20);
	for (unsigned i = 0; i < 40; i++)
		is_int(stream_read(&a.stream, &byte, 1), 1);
	for (unsigned i = 0; i < 100; i++) {
		check(SSL_key_update(b.stream.tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
		check(SSL_do_handshake(b.stream.tls->ssl) == 1);
	}
	is_int(write_text(&b, "x"), 1);
	settle(1 << 20);
	is_int(stream_read(&a.stream, &byte, 1), -EPROTO);
	is_text(tls_failure(a.stream.tls), "too many records without data");
	close_ends();
}

/* ------------------------------------------------------------ OCSP */

static X509 *read_cert(const char *file)
{
	BIO *bio = BIO_new_file(cert_path(file, "pem"), "r");
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	check(cert);
	BIO_free(bio);
	return cert;
}

/* FILE.ocsp: what the authority says of it, good for `days`. */
static void make_ocsp(const char *file, int status, int days)
{
	X509 *cert = read_cert(file), *issuer = read_cert("ca");
	BIO *bio = BIO_new_file(cert_path("ca", "key"), "r");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
	ASN1_TIME *from = X509_gmtime_adj(NULL, -86400), *to = X509_gmtime_adj(NULL, days * 86400L);
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;
	int size;

	check(OCSP_basic_add1_status(basic, id, status, 0, from, from, to) != NULL);
	check(OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0) == 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	size = i2d_OCSP_RESPONSE(response, &der);
	check(size > 0);
	cert_write(file, "ocsp", der, (unsigned long)size);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	EVP_PKEY_free(key);
	BIO_free(bio);
	X509_free(cert);
	X509_free(issuer);
}

/* The size of what is stapled for who asks for it; 0: nothing. */
static long stapled_size(void)
{
	const unsigned char *response;
	long size;

	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	check(stream_secure(&b.stream, tls_connect(client, STR("a.test"), NULL), end_on_secure) ==
	      0);
	SSL_set_tlsext_status_type(b.stream.tls->ssl, TLSEXT_STATUSTYPE_ocsp);
	settle(1 << 20);
	check(b.stream.error == 0);
	size = SSL_get_tlsext_status_ocsp_resp(b.stream.tls->ssl, &response);
	close_ends();
	return MAX(size, 0L);
}

static const char *ocsp_fault(struct tls_cert *cert, const char *path)
{
	static struct tls_fault fault;

	int r;

	fault.text[0] = '\0';
	r = tls_cert_load_ocsp(cert, path, &fault);
	is_int(r, fault.text[0] ? -EINVAL : 0);
	return fault.text;
}

static void an_answer_of_the_authority_is_stapled_while_it_is_good(void)
{
	struct tls_fault fault;
	struct tls_cert *cert;
	struct str name;

	make_ocsp("a", V_OCSP_CERTSTATUS_GOOD, 3);
	make_ocsp("wild", V_OCSP_CERTSTATUS_GOOD, 3);
	tls_server_unref(server);
	check(tls_server_create(&server, &(struct tls_server_settings){ 0 }, &fault) == 0);
	check(tls_cert_load(&cert, cert_path("a", "pem"), cert_path("a", "key"), &fault) == 0);
	is_text(ocsp_fault(cert, cert_path("wild", "ocsp")), "is not about that certificate");
	is_text(ocsp_fault(cert, cert_path("a", "pem")),
		"is not a successful OCSP response in DER (openssl ocsp -respout FILE)");
	is_text(ocsp_fault(cert, cert_path("empty", "pem")), "is empty");
	is_text(ocsp_fault(cert, cert_path("a", "ocsp")), "");
	check(tls_server_add(server, cert, &name, &fault) == 0);
	is_true(stapled_size() == (long)cert->ocsp_size);
	clock_freeze(clock_monotonic_ns(), clock_wall_ns());
	clock_advance(UINT64_C(4) * 86400 * NS_PER_S);
	is_int(stapled_size(), 0);
	clock_thaw();
	make_ocsp("a", V_OCSP_CERTSTATUS_REVOKED, 3);
	is_text(ocsp_fault(cert, cert_path("a", "ocsp")),
		"says that the certificate is revoked; get a new one");
}

static void make_certs(void)
{
	static const struct cert_wish wishes[] = {
		{ .file = "ca", .subject = "Test CA" },
		{ .file = "other-ca", .subject = "Other CA" },
		{ .file = "clients", .subject = "Clients" },
		{ .file = "a", .subject = "a", .names = "DNS:a.test,IP:127.0.0.1", .issuer = "ca" },
		{ .file = "a-rsa",
		  .subject = "a-rsa",
		  .names = "DNS:a.test",
		  .issuer = "ca",
		  .rsa = true },
		{ .file = "a-again", .subject = "a-again", .names = "DNS:a.test", .issuer = "ca" },
		{ .file = "wild", .subject = "wild", .names = "DNS:*.Wild.test", .issuer = "ca" },
		{ .file = "exact",
		  .subject = "exact",
		  .names = "DNS:exact.wild.test",
		  .issuer = "ca" },
		{ .file = "old",
		  .subject = "old",
		  .names = "DNS:a.test",
		  .issuer = "ca",
		  .from_days = -9,
		  .to_days = -2 },
		{ .file = "future",
		  .subject = "future",
		  .names = "DNS:a.test",
		  .issuer = "ca",
		  .from_days = 2,
		  .to_days = 9 },
		{ .file = "stranger",
		  .subject = "stranger",
		  .names = "DNS:a.test",
		  .issuer = "other-ca" },
		{ .file = "self", .subject = "self", .names = "DNS:a.test" },
		{ .file = "ada", .subject = "Ada \"L\", Ü", .issuer = "clients" },
	};

	for (size_t i = 0; i < ARRAY_LEN(wishes); i++)
		cert_make(&wishes[i]);
}

int main(void)
{
	make_certs();
	check(loop_create(&loop) == 0);
	use_client(NULL);
	TEST(the_certificate_is_chosen_by_name);
	TEST(a_name_may_have_keys_of_different_kinds);
	TEST(what_is_wrong_with_a_file_is_said);
	TEST(ciphers_are_read_by_version);
	TEST(a_client_says_why_it_does_not_believe);
	TEST(a_client_may_believe_anybody);
	TEST(a_client_must_show_a_certificate);
	TEST(a_client_may_show_a_certificate_but_no_wrong_one);
	TEST(a_session_is_resumed_also_by_another_server_of_the_process);
	TEST(keys_of_tickets_are_good_for_two_turns);
	TEST(a_session_without_a_certificate_is_not_resumed_where_one_is_needed);
	TEST(a_session_ends_with_the_certificate_that_it_began_with);
	TEST(without_tickets_nothing_is_resumed);
	TEST(records_without_data_have_an_end);
	TEST(an_answer_of_the_authority_is_stapled_while_it_is_good);
	tls_server_unref(server);
	tls_client_unref(client);
	loop_destroy(loop);
	return tap_done();
}
