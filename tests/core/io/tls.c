/* tests/core/io/tls.c: TLS on streams: handshakes, bytes, ends. */
#include "tests/core/io/tls_ends.h"
#include <errno.h>

enum { BIG = 3 << 20 };

static size_t drain(struct end *end, char *bytes, size_t at, size_t max, size_t piece)
{
	ssize_t n;

	while (at < max && (n = stream_read(&end->stream, bytes + at, MIN(max - at, piece))) > 0)
		at += (size_t)n;
	return at;
}

static char *big_bytes(void)
{
	char *bytes = malloc(BIG);

	check(bytes);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)(i * 31 + i / 4096);
	return bytes;
}

/* ------------------------------------------------------------ handshakes */

static void both_ends_are_told_once_that_the_handshake_is_done(void)
{
	connect_ends("a.test", NULL, 1 << 20);
	is_int(a.n_secure, 1);
	is_int(b.n_secure, 1);
	is_int(a.stream.error, 0);
	is_int(b.stream.error, 0);
	is_text(tls_version(a.stream.tls), "TLSv1.3");
	is_text(tls_cipher(a.stream.tls), "TLS_AES_128_GCM_SHA256");
	is_text(tls_server_name(a.stream.tls), "a.test");
	is_int(a.n_readable, 0);
	close_ends();
}

static void a_handshake_may_come_byte_by_byte(void)
{
	char bytes[100];

	connect_ends("a.test", NULL, 1);
	is_int(a.n_secure, 1);
	is_int(b.n_secure, 1);
	is_int(write_text(&b, "hello"), 1);
	settle(1);
	is_int(stream_read(&a.stream, bytes, sizeof(bytes)), 5);
	is_int(memcmp(bytes, "hello", 5), 0);
	is_false(a.stream.readable);
	close_ends();
}

static void handshakes_are_done_one_a_turn(void)
{
	enum { MANY = 8 };
	static struct end servers[MANY], clients[MANY];
	unsigned n_answered = 0;

	for (unsigned i = 0; i < MANY; i++) {
		end_open(&servers[i]);
		end_open(&clients[i]);
		check(stream_secure(&clients[i].stream, tls_connect(client, STR("a.test"), NULL),
				    end_on_secure) == 0);
	}
	for (unsigned i = 0; i < 3 * MANY; i++) /* all clients have said hello */
		turn();
	for (unsigned i = 0; i < MANY; i++) {
		check(stream_secure(&servers[i].stream, tls_accept(server, NULL), end_on_secure) ==
		      0);
		is_true(carry(&clients[i], &servers[i], 1 << 20) > 0);
	}
	turn(); /* hears of them */
	for (unsigned t = 1; t <= MANY; t++) {
		turn();
		n_answered = 0;
		for (unsigned i = 0; i < MANY; i++) {
			char byte;

			n_answered += recv(servers[i].wire_fd, &byte, 1, MSG_PEEK) == 1;
		}
		is_int(n_answered, t);
	}
	for (unsigned i = 0; i < MANY; i++) {
		end_close(&servers[i]);
		end_close(&clients[i]);
	}
}

static void a_client_that_says_nothing_has_no_session(void)
{
	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	settle(1);
	is_int(a.n_secure, 0);
	close_ends();
}

static void what_is_not_tls_fails_and_plain_http_is_known(void)
{
	char bytes[100];

	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	is_int(write_text(&b, "GET / HTTP/1.1\r\n\r\n"), 0);
	settle(1 << 20);
	is_int(a.n_secure, 1);
	is_int(a.stream.error, -EPROTO);
	is_true(tls_met_plain_http(a.stream.tls));
	is_text(tls_failure(a.stream.tls), "a request without TLS");
	stream_unsecure(&a.stream);
	is_int(write_text(&a, "no"), 1);
	settle(1 << 20);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 2);
	close_ends();
	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	is_int(write_text(&b, "\x01\x02\x03"), 0);
	settle(1 << 20);
	is_int(a.n_secure, 1);
	is_false(tls_met_plain_http(a.stream.tls));
	is_text(tls_failure(a.stream.tls), "not TLS");
	close_ends();
}

static void a_client_that_leaves_in_the_handshake_is_an_error(void)
{
	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	check(stream_secure(&b.stream, tls_connect(client, STR("a.test"), NULL), end_on_secure) ==
	      0);
	turn();
	turn();
	carry(&b, &a, 20);
	shutdown(a.wire_fd, SHUT_WR);
	settle(1);
	is_int(a.n_secure, 1);
	is_int(a.stream.error, -ECONNABORTED);
	is_text(tls_failure(a.stream.tls), "the peer has left");
	close_ends();
}

static void a_stream_may_be_closed_when_it_is_told(void)
{
	end_open(&a);
	end_open(&b);
	a.close_on_secure = b.close_on_secure = true;
	check(stream_secure(&a.stream, tls_accept(server, NULL), end_on_secure) == 0);
	check(stream_secure(&b.stream, tls_connect(client, STR("a.test"), NULL), end_on_secure) ==
	      0);
	settle(100);
	is_int(a.n_secure, 1);
	is_int(b.n_secure, 1);
	is_false(stream_is_open(&a.stream));
	close_ends();
}

/* ------------------------------------------------------------ bytes */

static void small_parts_become_one_record(void)
{
	char hello[] = "hello", bytes[100];
	struct iovec parts[4] = { { hello, 2 }, { NULL, 0 }, { hello + 2, 1 }, { hello + 3, 2 } };
	size_t before;

	connect_ends("a.test", NULL, 1 << 20);
	before = a.carried;
	is_int(stream_write(&a.stream, parts, 4), 1);
	settle(1 << 20);
	is_int(a.carried - before, 5 + 5 + 1 + 16); /* head, bytes, kind, tag */
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 5);
	is_int(memcmp(bytes, "hello", 5), 0);
	is_int(a.n_sent, 0); /* it went at once */
	close_ends();
}

/* The bytes of a through the wire to b. */
static void move_big(struct iovec *parts, size_t n_parts, const char *bytes, size_t wire,
		     size_t piece)
{
	char *got = malloc(BIG + 100);
	size_t at = 0;
	unsigned quiet = 0;

	check(got);
	connect_ends("a.test", NULL, 1 << 20);
	is_int(stream_write(&a.stream, parts, n_parts), 0);
	is_true(stream_is_sending(&a.stream));
	while (at < BIG && quiet < 10) {
		size_t before = at, moved;

		turn();
		moved = carry(&a, &b, wire);
		at = drain(&b, got, at, BIG + 100, piece);
		quiet = moved || at > before ? 0 : quiet + 1;
	}
	is_int(at, BIG);
	is_int(memcmp(got, bytes, BIG), 0);
	is_int(a.n_sent, 1);
	is_false(stream_is_sending(&a.stream));
	free(got);
	close_ends();
}

static void large_writes_go_out_in_order_whatever_the_wire_takes(void)
{
	char *bytes = big_bytes();
	static const size_t wires[] = { 1 << 20, 70001, 4093 };
	static const size_t pieces[] = { 65536, 16384, 1000 };

	for (unsigned i = 0; i < ARRAY_LEN(wires); i++) {
		struct iovec parts[5] = { { bytes, 7 },
					  { bytes + 7, 100000 },
					  { bytes + 100007, 1 },
					  { bytes + 100008, 16384 },
					  { bytes + 116392, BIG - 116392 } };

		move_big(parts, ARRAY_LEN(parts), bytes, wires[i], pieces[i]);
	}
	free(bytes);
}

static void a_turn_encrypts_no_more_than_its_share(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };
	const int room = 8 << 20;

	connect_ends("a.test", NULL, 1 << 20);
	setsockopt(stream_fd(&a.stream), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	is_int(stream_write(&a.stream, &part, 1), 0);
	is_true(BIG - stream_unsent(&a.stream) <= STREAM_FILE_TURN);
	close_ends();
	free(bytes);
}

static void a_slow_reader_holds_no_more_than_a_piece(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };

	connect_ends("a.test", NULL, 1 << 20);
	is_int(stream_write(&a.stream, &part, 1), 0);
	for (unsigned i = 0; i < 100; i++)
		turn();
	is_true(stream_unsent(&a.stream) > BIG / 4);
	is_int(a.n_sent, 0);
	is_true(budget.used > 0 && budget.used <= 80 << 10);
	close_ends();
	is_int(budget.used, 0);
	free(bytes);
}

static void what_the_budget_has_no_room_for_ends_the_session(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };

	connect_ends("a.test", NULL, 1 << 20);
	budget.max = 1000;
	is_int(stream_write(&a.stream, &part, 1), -ENOMEM);
	is_int(budget.used, 0);
	budget.max = SIZE_MAX;
	close_ends();
	free(bytes);
}

static void a_file_goes_through_tls(void)
{
	char path[] = "/tmp/leat-tls-XXXXXX", *bytes = big_bytes(), *got = malloc(BIG);
	int fd = mkstemp(path);
	size_t at = 0;

	check(fd >= 0 && got && write(fd, bytes, BIG) == BIG);
	unlink(path);
	connect_ends("a.test", NULL, 1 << 20);
	is_int(write_text(&a, "head"), 1);
	is_int(stream_write_file(&a.stream, fd, 1000, BIG - 1000, NULL), 0);
	for (unsigned i = 0; i < 10000 && at < BIG - 996; i++) {
		turn();
		carry(&a, &b, 100000);
		at = drain(&b, got, at, BIG, 65536);
	}
	is_int(at, BIG - 996);
	is_int(memcmp(got, "head", 4), 0);
	is_int(memcmp(got + 4, bytes + 1000, BIG - 1000), 0);
	is_int(a.n_sent, 1);
	is_int(ftruncate(fd, 100), 0);
	is_int(stream_write_file(&a.stream, fd, 0, 101, NULL), -EIO);
	close_ends();
	close(fd);
	free(bytes);
	free(got);
}

static void readable_stays_true_while_anything_is_left(void)
{
	char bytes[20000], got[20000];
	struct iovec part = { bytes, sizeof(bytes) };

	memset(bytes, 'x', sizeof(bytes));
	connect_ends("a.test", NULL, 1 << 20);
	is_int(stream_write(&a.stream, &part, 1), 1);
	settle(1 << 20);
	for (unsigned i = 0; i < 19; i++) {
		is_int(stream_read(&b.stream, got, 1000), 1000);
		is_true(b.stream.readable);
	}
	is_int(stream_read(&b.stream, got, 1000), 1000);
	is_int(stream_read(&b.stream, got, 1000), -EAGAIN);
	is_false(b.stream.readable);
	close_ends();
}

/* ------------------------------------------------------------ ends */

static void a_stream_that_ends_is_read_to_its_end(void)
{
	char bytes[100];

	connect_ends("a.test", NULL, 1 << 20);
	is_int(stream_peek(&b.stream), -EAGAIN);
	write_text(&a, "bye");
	stream_end(&a.stream);
	stream_close(&a.stream);
	settle(1 << 20);
	is_int(stream_peek(&b.stream), 1);
	is_int(stream_peek(&b.stream), 1);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 3);
	is_int(stream_peek(&b.stream), 0);
	is_true(b.stream.peer_closed);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 0);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 0);
	is_true(b.stream.readable);
	close_ends();
}

static void an_end_without_a_word_is_an_error_of_reading(void)
{
	char bytes[100];

	connect_ends("a.test", NULL, 1 << 20);
	write_text(&a, "bye");
	stream_close(&a.stream);
	settle(1 << 20);
	shutdown(b.wire_fd, SHUT_WR);
	settle(1 << 20);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 3);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), -ECONNABORTED);
	is_int(stream_peek(&b.stream), 0); /* it has left all the same */
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), -ECONNABORTED);
	is_int(write_text(&b, "still"), 1); /* only half is closed */
	close_ends();
}

static void what_was_cut_off_does_not_end_with_a_word(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };
	ssize_t n;

	connect_ends("a.test", NULL, 1 << 20);
	is_int(stream_write(&a.stream, &part, 1), 0);
	stream_end(&a.stream);
	stream_close(&a.stream);
	for (unsigned i = 0; i < 1000 && carry(&a, &b, 1 << 20); i++) {
		turn();
		while (stream_read(&b.stream, bytes, 65536) > 0)
			;
	}
	shutdown(b.wire_fd, SHUT_WR);
	settle(1 << 20);
	while ((n = stream_read(&b.stream, bytes, 65536)) > 0)
		;
	is_int(n, -ECONNABORTED);
	close_ends();
	free(bytes);
}

static void half_a_connection_may_end(void)
{
	char bytes[100];

	connect_ends("a.test", NULL, 1 << 20);
	write_text(&b, "question");
	stream_shutdown(&b.stream);
	settle(1 << 20);
	is_int(stream_read(&a.stream, bytes, sizeof(bytes)), 8);
	is_int(stream_read(&a.stream, bytes, sizeof(bytes)), 0);
	is_int(write_text(&a, "answer"), 1);
	settle(1 << 20);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 6);
	close_ends();
}

static void bytes_that_were_changed_on_the_way_are_an_error(void)
{
	char bytes[200];
	ssize_t n;

	connect_ends("a.test", NULL, 1 << 20);
	write_text(&a, "hello");
	n = recv(a.wire_fd, bytes, sizeof(bytes), 0);
	is_true(n > 10);
	bytes[n - 1] ^= 1;
	is_int(send(b.wire_fd, bytes, (size_t)n, 0), n);
	turn();
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), -EPROTO);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), -EPROTO);
	is_int(write_text(&b, "x"), -EPROTO);
	is_text(tls_failure(b.stream.tls), "decryption failed or bad record mac");
	close_ends();
}

int main(void)
{
	cert_make(&(struct cert_wish){ .file = "ca", .subject = "Test CA" });
	cert_make(&(struct cert_wish){
		.file = "a", .subject = "a", .names = "DNS:a.test,IP:127.0.0.1", .issuer = "ca" });
	check(loop_create(&loop) == 0);
	use_server(NULL, "a");
	use_client(NULL);
	TEST(both_ends_are_told_once_that_the_handshake_is_done);
	TEST(a_handshake_may_come_byte_by_byte);
	TEST(handshakes_are_done_one_a_turn);
	TEST(a_client_that_says_nothing_has_no_session);
	TEST(what_is_not_tls_fails_and_plain_http_is_known);
	TEST(a_client_that_leaves_in_the_handshake_is_an_error);
	TEST(a_stream_may_be_closed_when_it_is_told);
	TEST(small_parts_become_one_record);
	TEST(large_writes_go_out_in_order_whatever_the_wire_takes);
	TEST(a_turn_encrypts_no_more_than_its_share);
	TEST(a_slow_reader_holds_no_more_than_a_piece);
	TEST(what_the_budget_has_no_room_for_ends_the_session);
	TEST(a_file_goes_through_tls);
	TEST(readable_stays_true_while_anything_is_left);
	TEST(a_stream_that_ends_is_read_to_its_end);
	TEST(an_end_without_a_word_is_an_error_of_reading);
	TEST(what_was_cut_off_does_not_end_with_a_word);
	TEST(half_a_connection_may_end);
	TEST(bytes_that_were_changed_on_the_way_are_an_error);
	tls_server_unref(server);
	tls_client_unref(client);
	loop_destroy(loop);
	return tap_done();
}
