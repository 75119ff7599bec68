/* core/io/dns_message.h: the records of an answer of DNS (RFC 1035 §4, RFC 2782, RFC 3596). */
#pragma once
#include "core/base/arena.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
};

enum { DNS_RECORDS_MAX = 256 };

struct dns_record {
	uint16_t priority, weight, port; /* of MX the first, of SRV all */
	struct str
		text; /* an address; a name without its last dot, in which what is no letter, digit,
			    '-' or '_' is written \DDD; of TXT its strings, one behind the other */
};

struct dns_answer {
	struct dns_record *records; /* in the order of the message; with their texts in the arena */
	size_t n_records;
	uint32_t ttl_s; /* the least; UINT32_MAX: there are none */
};

/* The records of this type in the section of answers, whatever their owner: those of an alias stand
 * behind it. Reads nothing past the message, whatever it says. 0; -EBADMSG: it is none; -ENOMEM. */
int dns_message_read(struct str message, enum dns_type type, struct arena *arena,
		     struct dns_answer *ret_answer);

bool dns_type_find(struct str name, enum dns_type *ret_type); /* "MX", in any case */
extern const char *const dns_type_names[];                    /* NULL at the end */
