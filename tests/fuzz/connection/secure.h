/* tests/fuzz/connection/secure.h: the client's side of TLS, for the fuzzer: OpenSSL between two
 * pieces of memory, so that what is sent and when is the script's matter. */
#pragma once
#include "core/base/buf.h"
#include "core/base/check.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

/* A certificate and its key, of nobody. */
static const char secure_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBbzCCARWgAwIBAgIUKRB0a2HgM8bhKQhHRfHQmVU/mNUwCgYIKoZIzj0EAwIw\n"
	"DDEKMAgGA1UEAwwBYTAgFw0yNjExMjgwNTAwMDNaGA8yMTI2MTEwNDA1MDAwM1ow\n"
	"DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD6Qkbhuk8Yl\n"
	"x5m++PVeqiULAKgK4lSAwKGhltpexQmWgThqKRqBHTKqSye3d/YLBrjK0DRlWkL8\n"
	"h+37Cpcf1Z2jUzBRMB0GA1UdDgQWBBQ//84rIdrgd2vYzkTD2rJKMaf6HTAfBgNV\n"
	"HSMEGDAWgBQ//84rIdrgd2vYzkTD2rJKMaf6HTAPBgNVHRMBAf8EBTADAQH/MAoG\n"
	"CCqGSM49BAMCA0gAMEUCIQCGXA7s9pq65SicIVrmKjKJE2o6c90mfZJyZ+nW5NjH\n"
	"OAIgCrMMm4juOL3iHWKIQ1/Yo4Nj4ViPUziZ2+O8PnAt6zo=\n"
	"-----END CERTIFICATE-----\n"
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgq2izUp5R90waCOBT\n"
	"xgbgfgw5b+JgcG08j6LB3OLvwZuhRANCAAQ+kJG4bpPGJceZvvj1XqolCwCoCuJU\n"
	"gMChoZbaXsUJloE4aikagR0yqksnt3f2Cwa4ytA0ZVpC/Ift+wqXH9Wd\n"
	"-----END PRIVATE KEY-----\n";

static SSL *secure_create(void)
{
	static SSL_CTX *ctx;
	SSL *ssl;

	if (!ctx)
		ctx = SSL_CTX_new(TLS_client_method());
	ssl = ctx ? SSL_new(ctx) : NULL;
	check(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	return ssl;
}

/* What OpenSSL has to say goes to the server, if that still takes it. */
static void secure_flush(SSL *ssl, int fd)
{
	char bytes[16384];
	int n;

	while ((n = BIO_read(SSL_get_wbio(ssl), bytes, sizeof(bytes))) > 0)
		(void)!send(fd, bytes, (size_t)n, MSG_NOSIGNAL);
	ERR_clear_error();
}

static void secure_take(SSL *ssl, const char *bytes, size_t size)
{
	check(BIO_write(SSL_get_rbio(ssl), bytes, (int)size) == (int)size);
}

/* The plaintext of what was taken. True when the server has said that there is no more. */
static bool secure_read(SSL *ssl, struct buf *got)
{
	char bytes[16384];
	int n;

	ERR_clear_error();
	while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
		buf_add(got, (struct str){ bytes, (size_t)n });
	return SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ;
}
