/* server/schema/format.h: the formats of JSON Schema 2020-12 §7.3, as checks of a text.
 *
 * Each looks at a byte a bounded number of times, and allocates nothing. */
#pragma once
#include "core/base/str.h"

struct format {
	const char *name;
	bool (*is)(struct str text);
	const char *sentence; /* what a text that is not one is told */
};

const struct format *format_find(struct str name); /* NULL: there is none of that name */
extern const char *const format_names[];           /* NULL at the end */

bool format_is_date_time(struct str text); /* RFC 3339 */
bool format_is_date(struct str text);
bool format_is_time(struct str text);
bool format_is_duration(struct str text); /* ISO 8601, as RFC 3339 appendix A writes it */
bool format_is_email(struct str text);    /* RFC 5321, Mailbox */
bool format_is_idn_email(struct str text);
bool format_is_hostname(struct str text); /* RFC 1123 */
bool format_is_ipv4(struct str text);
bool format_is_ipv6(struct str text); /* without a zone */
bool format_is_uri(struct str text);  /* RFC 3986, with a scheme */
bool format_is_uri_reference(struct str text);
bool format_is_iri(struct str text); /* RFC 3987 */
bool format_is_iri_reference(struct str text);
bool format_is_uuid(struct str text);
bool format_is_json_pointer(struct str text); /* RFC 6901 */
bool format_is_relative_json_pointer(struct str text);
bool format_is_regex(struct str text);
