/* server/jobs/zone.c
 *
 * A file has a block with 32-bit times for old readers, which is skipped, then the same with 64
 * bits, then a rule for the time after its last change. Everything in it is checked when it is
 * read; afterwards nothing can fail. */
#include "server/jobs/zone.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "server/jobs/zone_file.h"
#include <errno.h>
#include <stdlib.h>

enum {
	HEADER_SIZE = 44,
	KIND_SIZE = 6,
	KINDS_MAX = 256,
	CHANGES_MAX = 8192, /* the largest of tzdata has some 240 */
	NAMES_SIZE_MAX = 4096,
	NAME_SHOWN_MAX = 100,
};

struct zone {
	char *name;
	size_t n_changes, n_kinds;
	int64_t *changes;     /* ascending */
	uint8_t *change_kind; /* what holds from that change on */
	struct zone_kind *kinds;
	bool has_rule;
	struct zone_rule rule; /* after the last change */
};

struct header {
	size_t n_is_utc, n_is_standard, n_leaps, n_changes, n_kinds, names_size;
};

static uint32_t zone_u32(const char *bytes)
{
	const unsigned char *b = (const unsigned char *)bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t zone_i64(const char *bytes)
{
	return (int64_t)((uint64_t)zone_u32(bytes) << 32 | zone_u32(bytes + 4));
}

/* Takes the next `size` bytes off `rest`. */
static bool zone_take(struct str *rest, size_t size, struct str *ret)
{
	if (rest->len < size)
		return false;
	*ret = str_first(*rest, size);
	*rest = (struct str){ rest->ptr + size, rest->len - size };
	return true;
}

/* Leap seconds are refused: Unix time does not count them, and only the "right/" zones do. */
static bool zone_take_header(struct str *rest, struct header *ret)
{
	struct str bytes;

	if (!zone_take(rest, HEADER_SIZE, &bytes) || !str_starts_with(bytes, STR("TZif")) ||
	    bytes.ptr[4] < '2')
		return false;
	*ret = (struct header){
		zone_u32(bytes.ptr + 20), zone_u32(bytes.ptr + 24), zone_u32(bytes.ptr + 28),
		zone_u32(bytes.ptr + 32), zone_u32(bytes.ptr + 36), zone_u32(bytes.ptr + 40),
	};
	return ret->n_is_utc <= KINDS_MAX && ret->n_is_standard <= KINDS_MAX && ret->n_leaps == 0 &&
	       ret->n_changes <= CHANGES_MAX && ret->n_kinds >= 1 && ret->n_kinds <= KINDS_MAX &&
	       ret->names_size >= 1 && ret->names_size <= NAMES_SIZE_MAX;
}

static bool zone_skip_old_block(struct str *rest)
{
	struct header header;
	struct str block;

	return zone_take_header(rest, &header) &&
	       zone_take(rest,
			 header.n_changes * (4 + 1) + header.n_kinds * KIND_SIZE +
				 header.names_size + header.n_is_standard + header.n_is_utc,
			 &block);
}

static bool zone_take_changes(struct zone *zone, struct str *rest)
{
	struct str times, kinds;

	if (!zone_take(rest, zone->n_changes * 8, &times) ||
	    !zone_take(rest, zone->n_changes, &kinds))
		return false;
	zone->changes = mem_alloc(times.len + 1);
	zone->change_kind = mem_alloc(kinds.len + 1);
	for (size_t i = 0; i < zone->n_changes; i++) {
		zone->changes[i] = zone_i64(times.ptr + i * 8);
		zone->change_kind[i] = (uint8_t)kinds.ptr[i];
		if (zone->change_kind[i] >= zone->n_kinds ||
		    (i > 0 && zone->changes[i] <= zone->changes[i - 1]))
			return false;
	}
	return true;
}

static bool zone_set_kind(struct zone_kind *kind, const char *bytes, struct str names)
{
	struct str name = str_skip(names, (unsigned char)bytes[5]);
	ptrdiff_t len = str_find_char(name, '\0');

	kind->offset_s = (int32_t)zone_u32(bytes);
	kind->is_dst = bytes[4] != 0;
	if (kind->offset_s >= ZONE_OFFSET_MAX_S || kind->offset_s <= -ZONE_OFFSET_MAX_S ||
	    (unsigned char)bytes[5] >= names.len || len < 0 || len > ZONE_ABBREVIATION_MAX)
		return false;
	memcpy(kind->abbreviation, name.ptr, (size_t)len);
	return true;
}

static bool zone_take_kinds(struct zone *zone, size_t names_size, struct str *rest)
{
	struct str kinds, names;

	if (!zone_take(rest, zone->n_kinds * KIND_SIZE, &kinds) ||
	    !zone_take(rest, names_size, &names))
		return false;
	zone->kinds = mem_zalloc(zone->n_kinds * sizeof(*zone->kinds));
	for (size_t i = 0; i < zone->n_kinds; i++)
		if (!zone_set_kind(&zone->kinds[i], kinds.ptr + i * KIND_SIZE, names))
			return false;
	return true;
}

/* "\nCET-1CEST,M3.5.0,M10.5.0/3\n"; empty between the two when there is no rule. */
static bool zone_take_footer(struct zone *zone, struct str rest)
{
	struct str line;

	if (rest.len < 2 || rest.ptr[0] != '\n')
		return false;
	rest = str_skip(rest, 1);
	if (!str_has(rest, '\n') || !str_next_part(&rest, '\n', &line))
		return false;
	zone->has_rule = line.len > 0;
	return !zone->has_rule || zone_rule_parse(line, &zone->rule) == 0;
}

static bool zone_read(struct zone *zone, struct str content)
{
	struct header header;
	struct str skipped;

	if (!zone_skip_old_block(&content) || !zone_take_header(&content, &header))
		return false;
	zone->n_changes = header.n_changes;
	zone->n_kinds = header.n_kinds;
	return zone_take_changes(zone, &content) &&
	       zone_take_kinds(zone, header.names_size, &content) &&
	       zone_take(&content, header.n_is_standard + header.n_is_utc, &skipped) &&
	       zone_take_footer(zone, content);
}

int zone_parse(const char *name, struct str content, struct zone **ret)
{
	struct zone *zone = mem_zalloc(sizeof(*zone));

	zone->name = mem_strdup(name);
	if (!zone_read(zone, content)) {
		zone_destroy(zone);
		return -EBADMSG;
	}
	*ret = zone;
	return 0;
}

static struct zone *zone_create_utc(const char *name)
{
	struct zone *zone = mem_zalloc(sizeof(*zone));

	zone->name = mem_strdup(name);
	zone->has_rule = true;
	check(zone_rule_parse(STR("UTC0"), &zone->rule) == 0);
	return zone;
}

int zone_load(const char *name, struct zone **ret)
{
	bool local = strcmp(name, "local") == 0;
	char *content;
	size_t size;
	int rc;

	rc = strcmp(name, "UTC") == 0 ? -ENOENT : zone_file_read(name, &content, &size);
	if (rc == -ENOENT && (local || strcmp(name, "UTC") == 0)) {
		*ret = zone_create_utc(name);
		return 0;
	}
	if (rc < 0)
		return rc;
	rc = zone_parse(name, (struct str){ content, size }, ret);
	free(content);
	return rc;
}

void zone_destroy(struct zone *zone)
{
	if (!zone)
		return;
	free(zone->name);
	free(zone->changes);
	free(zone->change_kind);
	free(zone->kinds);
	free(zone);
}

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

/* ------------------------------------------------------------------ named by people */

static void zone_say_unknown(struct str name, struct place place, struct diag *diag)
{
	scoped(mem_free_ptr) char *nearest = zone_file_nearest(name);

	if (nearest)
		diag_error(diag, place, "unknown time zone \"%.*s\"; did you mean \"%s\"?",
			   STR_ARG(name), nearest);
	else if (!zone_file_is_there())
		diag_error(diag, place,
			   "unknown time zone \"%.*s\"; install the package tzdata, which has them",
			   STR_ARG(name));
	else
		diag_error(diag, place,
			   "unknown time zone \"%.*s\"; write UTC, local or a name of the IANA "
			   "database, such as Europe/Paris",
			   STR_ARG(name));
}

bool zone_find(struct str name, struct place place, struct diag *diag, struct zone **ret)
{
	scoped(mem_free_ptr) char *text = NULL;
	int rc = -EINVAL;

	if (!str_has(name, '\0') && name.len <= NAME_SHOWN_MAX) {
		text = mem_strndup(name.len ? name.ptr : "", name.len);
		rc = zone_load(text, ret);
	}
	if (rc == 0)
		return true;
	if (rc == -ENOENT || rc == -EINVAL)
		zone_say_unknown(str_first(name, NAME_SHOWN_MAX), place, diag);
	else if (rc == -EBADMSG)
		diag_error(diag, place,
			   "the file of time zone \"%s\" is broken or has leap seconds; reinstall "
			   "the package tzdata",
			   text);
	else
		diag_error(diag, place, "the file of time zone \"%s\" cannot be read: %s", text,
			   strerror(-rc));
	return false;
}

/* ------------------------------------------------------------------ asking */

static int64_t zone_clamp(int64_t seconds)
{
	return MAX(MIN(seconds, ZONE_TIME_MAX), -ZONE_TIME_MAX);
}

/* How many changes lie at or before an instant. */
static size_t zone_n_changes_until(const struct zone *zone, int64_t unix_s)
{
	size_t from = 0, to = zone->n_changes;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (zone->changes[middle] <= unix_s)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct zone_span zone_span_at(const struct zone *zone, int64_t unix_s)
{
	struct zone_span span = { NULL, INT64_MIN, INT64_MAX };
	size_t n = zone_n_changes_until(zone, unix_s);

	if (n == zone->n_changes && zone->has_rule) {
		span = zone_rule_span(&zone->rule, unix_s);
		if (n > 0)
			span.start = MAX(span.start, zone->changes[n - 1]);
		return span;
	}
	if (n > 0)
		span.start = zone->changes[n - 1];
	if (n < zone->n_changes)
		span.end = zone->changes[n];
	span.kind = &zone->kinds[n > 0 ? zone->change_kind[n - 1] : 0];
	return span;
}

struct zone_span zone_span(const struct zone *zone, int64_t unix_s)
{
	return zone_span_at(zone, zone_clamp(unix_s));
}

struct civil zone_to_civil(const struct zone *zone, int64_t unix_s)
{
	unix_s = zone_clamp(unix_s);
	return civil_of(unix_s + zone_span_at(zone, unix_s).kind->offset_s);
}

int64_t zone_to_unix(const struct zone *zone, int64_t local_s)
{
	int64_t at = zone_clamp(local_s) - ZONE_OFFSET_MAX_S;

	local_s = zone_clamp(local_s);
	for (;;) { /* ends: the spans' ends ascend, and no offset lasts beyond its bound */
		struct zone_span span = zone_span_at(zone, at);
		int64_t found = MAX(at, local_s - span.kind->offset_s);

		if (found < span.end)
			return found;
		at = span.end;
	}
}

int64_t zone_latest_local(const struct zone *zone, int64_t unix_s)
{
	int64_t latest = INT64_MIN, at;

	unix_s = zone_clamp(unix_s);
	at = unix_s - 2 * ZONE_OFFSET_MAX_S;
	for (;;) {
		struct zone_span span = zone_span_at(zone, at);

		latest = MAX(latest, MIN(span.end - 1, unix_s) + span.kind->offset_s);
		if (span.end > unix_s)
			return latest;
		at = span.end;
	}
}
