/* tests/core/io/dns_message.c: answers of DNS, byte by byte. */
#include "core/io/dns_message.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct arena arena;
static struct dns_answer answer;
static uint8_t message[65536];
static size_t len;

static void add(const void *bytes, size_t size)
{
	check(len + size <= sizeof(message));
	memcpy(message + len, bytes, size);
	len += size;
}

static void add16(unsigned number)
{
	const uint8_t bytes[] = { (uint8_t)(number >> 8), (uint8_t)number };

	add(bytes, 2);
}

/* A header and the question a.test. */
static void begin(unsigned n_answers)
{
	len = 0;
	arena_reset(&arena);
	add16(1);
	add16(0x8180);
	add16(1);
	add16(n_answers);
	add16(0);
	add16(0);
	add("\1a\4test", 8);
	add16(DNS_A);
	add16(1);
}

/* Of the question's name. */
static void add_record(unsigned type, uint32_t ttl_s, const void *data, size_t size)
{
	add16(0xc00c);
	add16(type);
	add16(1);
	add16(ttl_s >> 16);
	add16(ttl_s & 0xffff);
	add16((unsigned)size);
	add(data, size);
}

static int read_as(enum dns_type type)
{
	answer = (struct dns_answer){ 0 };
	return dns_message_read((struct str){ (const char *)message, len }, type, &arena, &answer);
}

static void records_of_the_type_are_read_and_others_left(void)
{
	begin(3);
	add_record(DNS_A, 60, "\xc0\x00\x02\x01", 4);
	add_record(DNS_TXT, 5, "\2hi", 3);
	add_record(DNS_A, 30, "\xc0\x00\x02\x02", 4);
	is_int(read_as(DNS_A), 0);
	is_int(answer.n_records, 2);
	is_str(answer.records[0].text, STR("192.0.2.1"));
	is_str(answer.records[1].text, STR("192.0.2.2"));
	is_int(answer.ttl_s, 30);
	is_int(read_as(DNS_TXT), 0);
	is_int(answer.n_records, 1);
	is_str(answer.records[0].text, STR("hi"));
	is_int(read_as(DNS_MX), 0);
	is_int(answer.n_records, 0);
	is_int(answer.ttl_s, UINT32_MAX);
}

static void names_are_followed_to_where_they_go_on(void)
{
	begin(2);
	add_record(DNS_MX, 60, "\0\12\2mx\xc0\x0c", 7);
	add_record(DNS_SRV, 60, "\0\1\0\2\x1f\x90\xc0\x0c", 8);
	is_int(read_as(DNS_MX), 0);
	is_int(answer.records[0].priority, 10);
	is_str(answer.records[0].text, STR("mx.a.test"));
	is_int(read_as(DNS_SRV), 0);
	is_int(answer.records[0].weight, 2);
	is_int(answer.records[0].port, 8080);
	is_str(answer.records[0].text, STR("a.test"));
}

static void strange_bytes_of_a_name_are_written_as_numbers(void)
{
	begin(1);
	add_record(DNS_NS, 60, "\4a.\n\xff\0", 6);
	is_int(read_as(DNS_NS), 0);
	is_str(answer.records[0].text, STR("a\\046\\010\\255"));
	begin(1);
	add_record(DNS_NS, 60, "\0", 1);
	is_int(read_as(DNS_NS), 0);
	is_str(answer.records[0].text, STR(""));
}

static void names_that_go_round_or_out_are_refused(void)
{
	begin(1);
	add16(0xc000 | (unsigned)len); /* itself */
	add16(DNS_A);
	is_int(read_as(DNS_A), -EBADMSG);
	begin(1);
	add_record(DNS_NS, 60, "\xff\xff", 2);
	is_int(read_as(DNS_NS), -EBADMSG);
	begin(1);
	add_record(DNS_NS, 60, "\x3fx", 2);
	is_int(read_as(DNS_NS), -EBADMSG);
	begin(1);
	add_record(DNS_NS, 60, "\x40x\0", 3); /* neither a length nor a pointer */
	is_int(read_as(DNS_NS), -EBADMSG);
}

static void a_name_is_no_longer_than_names_are(void)
{
	uint8_t data[300] = { 0 };

	for (size_t i = 0; i < 5; i++)
		data[i * 64] = 63;
	begin(1);
	add_record(DNS_NS, 60, data, 300);
	is_int(read_as(DNS_NS), -EBADMSG);
	begin(1);
	data[3 * 64] = 61;
	data[3 * 64 + 62] = 0;
	add_record(DNS_NS, 60, data, 256);
	is_int(read_as(DNS_NS), 0); /* 3 × 64 + 62 + 1 = 255 */
	is_int(answer.records[0].text.len, 4 * (3 * 63 + 61) + 3);
}

static void what_ends_early_is_refused(void)
{
	begin(1);
	add_record(DNS_SRV, 60, "\0\1\0\2\x1f\x90\2aa\xc0\x0c", 11);
	for (size_t whole = len; len > 0; len--) {
		int r = read_as(DNS_SRV);

		if (len == whole)
			is_int(r, 0);
		else if (r != -EBADMSG)
			is_int(r, -EBADMSG);
	}
	is_int(read_as(DNS_A), -EBADMSG);
}

static void sizes_of_data_must_fit(void)
{
	begin(1);
	add_record(DNS_A, 60, "\1\2\3", 3);
	is_int(read_as(DNS_A), -EBADMSG);
	begin(1);
	add_record(DNS_AAAA, 60, "\1\2\3\4", 4);
	is_int(read_as(DNS_AAAA), -EBADMSG);
	begin(1);
	add_record(DNS_TXT, 60, "\5hi", 3);
	add("beyond", 6);
	is_int(read_as(DNS_TXT), -EBADMSG);
	begin(1);
	add_record(DNS_TXT, 60, "\0\2hi\0\1!", 7);
	is_int(read_as(DNS_TXT), 0);
	is_str(answer.records[0].text, STR("hi!"));
}

static void times_of_more_than_31_bits_are_none(void)
{
	begin(1);
	add_record(DNS_A, 0x80000000U, "\1\2\3\4", 4);
	is_int(read_as(DNS_A), 0);
	is_int(answer.ttl_s, 0);
	begin(2);
	add_record(DNS_CNAME, 7, "\xc0\x0c", 2);
	add_record(DNS_A, 60, "\1\2\3\4", 4);
	is_int(read_as(DNS_A), 0);
	is_int(answer.ttl_s, 7); /* that of the alias */
}

static void there_are_no_more_records_than_may(void)
{
	begin(1000);
	for (unsigned i = 0; i < 1000; i++)
		add_record(DNS_A, 60, "\1\2\3\4", 4);
	is_int(read_as(DNS_A), 0);
	is_int(answer.n_records, DNS_RECORDS_MAX);
	begin(65535); /* it says so, and has none */
	is_int(read_as(DNS_A), -EBADMSG);
}

static void types_are_found_by_name(void)
{
	enum dns_type type;

	is_true(dns_type_find(STR("aaaa"), &type) && type == DNS_AAAA);
	is_true(dns_type_find(STR("SRV"), &type) && type == DNS_SRV);
	is_false(dns_type_find(STR("ANY"), &type));
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	TEST(records_of_the_type_are_read_and_others_left);
	TEST(names_are_followed_to_where_they_go_on);
	TEST(strange_bytes_of_a_name_are_written_as_numbers);
	TEST(names_that_go_round_or_out_are_refused);
	TEST(a_name_is_no_longer_than_names_are);
	TEST(what_ends_early_is_refused);
	TEST(sizes_of_data_must_fit);
	TEST(times_of_more_than_31_bits_are_none);
	TEST(there_are_no_more_records_than_may);
	TEST(types_are_found_by_name);
	arena_fini(&arena);
	return tap_done();
}
