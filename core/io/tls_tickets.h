/* core/io/tls_tickets.h: the keys of session tickets: one set for the process, made anew by time.
 *
 * They survive a reload, so clients resume after one. A key makes tickets for TLS_TICKETS_TURN_S
 * and opens them for as long again; then it is forgotten, and what was recorded under it stays
 * closed. Any thread. */
#pragma once
#include <openssl/ssl.h>

enum {
	TLS_TICKETS_TURN_S = 12 * 3600,
	TLS_TICKETS_KEYS_SIZE = 2 * (16 + 32 + 32 + 8),
};

/* For a process that takes this one's place: its clients resume. Secret: clean `out` when it was passed on.
 * The clock of both is the same. What does not look like keys that are in use is not taken. */
void tls_tickets_save(unsigned char out[TLS_TICKETS_KEYS_SIZE]);
void tls_tickets_restore(const unsigned char in[TLS_TICKETS_KEYS_SIZE]);

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb(). */
int tls_tickets_on_key(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
		       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making);
