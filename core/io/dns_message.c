/* core/io/dns_message.c */
#include "core/io/dns_message.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum {
	HEADER_SIZE = 12,
	CLASS_IN = 1,
	NAME_WIRE_MAX = 255,
	NAME_TEXT_MAX = 4 * NAME_WIRE_MAX, /* all of it as \DDD */
	POINTERS_MAX = 127,                /* more than a name has labels go round in a circle */
};

const char *const dns_type_names[] = {
	"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT", NULL
};

bool dns_type_find(struct str name, enum dns_type *ret_type)
{
	static const enum dns_type types[] = { DNS_A,  DNS_AAAA, DNS_CNAME, DNS_MX,
					       DNS_NS, DNS_PTR,  DNS_SRV,   DNS_TXT };

	for (size_t i = 0; dns_type_names[i]; i++) {
		if (!str_eq_nocase(name, str_of(dns_type_names[i])))
			continue;
		*ret_type = types[i];
		return true;
	}
	return false;
}

/* ------------------------------------------------------------ bytes */

struct reader {
	const uint8_t *bytes;
	size_t len, at;
	bool bad; /* it would have left the message; sticky */
};

static unsigned read_number(struct reader *reader, size_t size)
{
	unsigned number = 0;

	if (reader->bad || reader->len - reader->at < size) {
		reader->bad = true;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		number = number << 8 | reader->bytes[reader->at++];
	return number;
}

static void read_skip(struct reader *reader, size_t size)
{
	if (reader->bad || reader->len - reader->at < size)
		reader->bad = true;
	else
		reader->at += size;
}

static size_t name_write_label(char *out, const uint8_t *label, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = (char)label[i];

		if (char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '_')
			out[n++] = c;
		else
			n += (size_t)snprintf(out + n, 5, "\\%03u", label[i]);
	}
	return n;
}

/* A name, which may go on elsewhere in the message; then the reader stands behind what stood here.
 * `out` has NAME_TEXT_MAX bytes and 8 more. */
static size_t read_name(struct reader *reader, char *out)
{
	size_t n = 0, wire = 0, after = 0;
	unsigned n_pointers = 0, len;

	while ((len = read_number(reader, 1)) > 0) {
		if (len >= 0xc0) {
			size_t to = (len & 0x3fU) << 8 | read_number(reader, 1);

			if (n_pointers++ == 0)
				after = reader->at;
			reader->bad |= to >= reader->len || n_pointers > POINTERS_MAX;
			reader->at = reader->bad ? reader->len : to;
			continue;
		}
		wire += len + 1;
		if (len > 63 || wire > NAME_WIRE_MAX || reader->bad ||
		    reader->len - reader->at < len) {
			reader->bad = true;
			return 0;
		}
		if (n > 0)
			out[n++] = '.';
		n += name_write_label(out + n, reader->bytes + reader->at, len);
		reader->at += len;
	}
	if (n_pointers > 0 && !reader->bad)
		reader->at = after;
	return n;
}

/* ------------------------------------------------------------ records */

static int record_set(struct arena *arena, struct dns_record *record, const char *text, size_t len)
{
	record->text = arena_str(arena, (struct str){ text, len });
	return record->text.ptr || len == 0 ? 0 : -ENOMEM;
}

static int record_read_name(struct reader *reader, struct arena *arena, struct dns_record *record)
{
	char text[NAME_TEXT_MAX + 8];
	size_t len = read_name(reader, text);

	return reader->bad ? -EBADMSG : record_set(arena, record, text, len);
}

static int record_read_address(struct reader *reader, struct arena *arena, int family, size_t size,
			       struct dns_record *record)
{
	char text[INET6_ADDRSTRLEN];

	if (size != (family == AF_INET ? 4U : 16U) || reader->len - reader->at < size)
		return -EBADMSG;
	if (!inet_ntop(family, reader->bytes + reader->at, text, sizeof(text)))
		return -EBADMSG;
	return record_set(arena, record, text, strlen(text));
}

static int record_read_text(struct reader *reader, struct arena *arena, size_t size,
			    struct dns_record *record)
{
	char *text = arena_alloc(arena, size + 1);
	size_t end = reader->at + size, len = 0;

	if (!text)
		return -ENOMEM;
	while (reader->at < end) {
		size_t part = read_number(reader, 1);

		if (end - reader->at < part)
			return -EBADMSG;
		memcpy(text + len, reader->bytes + reader->at, part);
		reader->at += part;
		len += part;
	}
	record->text = (struct str){ text, len };
	return 0;
}

/* The data of one, `size` bytes, which are there. */
static int record_read(struct reader *reader, enum dns_type type, size_t size, struct arena *arena,
		       struct dns_record *record)
{
	switch (type) {
	case DNS_A:
		return record_read_address(reader, arena, AF_INET, size, record);
	case DNS_AAAA:
		return record_read_address(reader, arena, AF_INET6, size, record);
	case DNS_TXT:
		return record_read_text(reader, arena, size, record);
	case DNS_SRV:
	case DNS_MX:
		record->priority = (uint16_t)read_number(reader, 2);
		if (type == DNS_SRV) {
			record->weight = (uint16_t)read_number(reader, 2);
			record->port = (uint16_t)read_number(reader, 2);
		}
		return record_read_name(reader, arena, record);
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return record_read_name(reader, arena, record);
	}
	unreachable();
}

/* One record of the section of answers; *ret_is_wanted: it is of this type. */
static int message_read_record(struct reader *reader, enum dns_type type, struct arena *arena,
			       struct dns_record *record, struct dns_answer *answer)
{
	char owner[NAME_TEXT_MAX + 8];
	unsigned its_type, its_class, ttl_s;
	size_t size, end;
	int r = 0;

	read_name(reader, owner);
	its_type = read_number(reader, 2);
	its_class = read_number(reader, 2);
	ttl_s = read_number(reader, 4);
	size = read_number(reader, 2);
	if (reader->bad || reader->len - reader->at < size)
		return -EBADMSG;
	end = reader->at + size;
	if (its_type == (unsigned)type && its_class == CLASS_IN &&
	    answer->n_records < DNS_RECORDS_MAX) {
		*record = (struct dns_record){ 0 };
		r = record_read(reader, type, size, arena, record);
		answer->n_records += r == 0;
	}
	/* RFC 2181 §8: more than 31 bits are none; an alias is good no longer than its own time */
	if (its_class == CLASS_IN && (its_type == (unsigned)type || its_type == DNS_CNAME))
		answer->ttl_s = MIN(answer->ttl_s, ttl_s > INT32_MAX ? 0 : ttl_s);
	reader->at = end;
	return r;
}

int dns_message_read(struct str message, enum dns_type type, struct arena *arena,
		     struct dns_answer *ret_answer)
{
	struct reader reader = { (const uint8_t *)message.ptr, message.len, HEADER_SIZE, false };
	struct dns_answer answer = { .ttl_s = UINT32_MAX };
	char name[NAME_TEXT_MAX + 8];
	unsigned n_questions, n_answers;
	int r = 0;

	if (message.len < HEADER_SIZE)
		return -EBADMSG;
	n_questions = (unsigned)(reader.bytes[4] << 8 | reader.bytes[5]);
	n_answers = (unsigned)(reader.bytes[6] << 8 | reader.bytes[7]);
	for (unsigned i = 0; i < n_questions && !reader.bad; i++) {
		read_name(&reader, name);
		read_skip(&reader, 4);
	}
	answer.records = arena_alloc_array(arena, MIN(n_answers, (unsigned)DNS_RECORDS_MAX) + 1,
					   sizeof(*answer.records));
	if (!answer.records)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < n_answers && !reader.bad; i++)
		r = message_read_record(
			&reader, type, arena,
			&answer.records[MIN(answer.n_records, (size_t)DNS_RECORDS_MAX - 1)],
			&answer);
	if (r == 0 && reader.bad)
		r = -EBADMSG;
	if (r == 0)
		*ret_answer = answer;
	return r;
}
