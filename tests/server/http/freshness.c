/* tests/server/http/freshness.c: RFC 9111 as a table: what is kept, how long, and when it is used. */
#include "server/http/freshness.h"
#include "tests/lib/tap.h"

enum { FIELDS = 8 };

/* "Name: value\nName: value" to fields. */
static size_t fields_of(const char *text, struct http_field fields[FIELDS])
{
	struct str rest = str_of(text), line;
	size_t n = 0;

	while (n < FIELDS && rest.len && str_next_part(&rest, '\n', &line)) {
		ptrdiff_t colon = str_find_char(line, ':');

		fields[n++] = (struct http_field){ str_first(line, (size_t)colon),
						   str_trim(str_skip(line, (size_t)colon + 1)) };
	}
	return n;
}

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_10_AGO "Date: Sun, 06 Nov 1994 08:49:27 GMT"
#define IN_60 "Expires: Sun, 06 Nov 1994 08:50:37 GMT"
#define TAG "ETag: \"a\""

static const struct {
	const char *response, *request;
	int status;
	bool keep;
	int64_t fresh, age;
	int64_t while_revalidate, if_error;
	bool strict;
} kept[] = {
	{ DATE "\nCache-Control: max-age=60", "", 200, true, 60, 0, 0, 0, false },
	{ DATE "\nCache-Control: s-maxage=60, max-age=5", "", 200, true, 60, 0, 0, 0, true },
	{ DATE "\nCache-Control: max-age=60\n" IN_60, "", 200, true, 60, 0, 0, 0, false },
	{ DATE "\n" IN_60, "", 200, true, 60, 0, 0, 0, false },
	{ DATE "\nExpires: 0\n" TAG, "", 200, true, 0, 0, 0, 0, false },
	{ DATE "\nExpires: 0", "", 200, false, 0, 0, 0, 0, false },
	{ DATE_10_AGO "\nCache-Control: max-age=60", "", 200, true, 60, 10, 0, 0, false },
	{ DATE "\nAge: 20\nCache-Control: max-age=60", "", 200, true, 60, 20, 0, 0, false },
	{ DATE_10_AGO "\nAge: 5\nCache-Control: max-age=60", "", 200, true, 60, 10, 0, 0, false },
	{ DATE "\nAge: 99999999999999999999\nCache-Control: max-age=60", "", 200, true, 60, 0, 0, 0,
	  false },
	{ DATE "\nAge: 61\nCache-Control: max-age=60", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60", "", 200, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=60, max-age=5", "", 200, true, 5, 0, 0, 0, false },
	{ "Cache-Control: max-age=\"60\"", "", 200, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=4294967296000000000000", "", 200, true, INT32_MAX, 0, 0, 0,
	  false },
	{ "Cache-Control: max-age=-1", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=x\n" TAG, "", 200, true, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=1.5", "", 200, false, 0, 0, 0, 0, false },
	/* stale (RFC 5861) */
	{ "Cache-Control: max-age=1, stale-while-revalidate=30, stale-if-error=40", "", 200, true,
	  1, 0, 30, 40, false },
	{ "Cache-Control: max-age=1, stale-while-revalidate=30, must-revalidate", "", 200, true, 1,
	  0, 0, 0, true },
	{ "Cache-Control: max-age=1, stale-if-error=30, proxy-revalidate", "", 200, true, 1, 0, 0,
	  0, true },
	/* who may not */
	{ "Cache-Control: no-store, max-age=60", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: private, max-age=60", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: private=\"x, y\", max-age=60", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: x=\"private, no-store\", max-age=60", "", 200, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=60\nSet-Cookie: a=b", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60\nCache-Control: no-store", "", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60", "Cache-Control: no-store", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: no-cache, max-age=60\n" TAG, "", 200, true, 0, 0, 0, 0, true },
	{ "Cache-Control: no-cache, max-age=60", "", 200, false, 0, 0, 0, 0, true },
	/* Authorization */
	{ "Cache-Control: max-age=60", "Authorization: x", 200, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60, public", "Authorization: x", 200, true, 60, 0, 0, 0, false },
	{ "Cache-Control: s-maxage=60", "Authorization: x", 200, true, 60, 0, 0, 0, true },
	{ "Cache-Control: max-age=60, must-revalidate", "Authorization: x", 200, true, 60, 0, 0, 0,
	  true },
	/* statuses */
	{ "Cache-Control: max-age=60", "", 404, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=60", "", 302, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=60", "", 299, true, 60, 0, 0, 0, false },
	{ "Cache-Control: max-age=60, must-understand", "", 299, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60, must-understand, no-store", "", 200, true, 60, 0, 0, 0,
	  false },
	{ "Cache-Control: max-age=60", "", 206, false, 0, 0, 0, 0, false },
	{ "Cache-Control: max-age=60\nContent-Range: bytes 0-1/2", "", 200, false, 0, 0, 0, 0,
	  false },
	{ "Cache-Control: max-age=60", "", 304, false, 0, 0, 0, 0, false },
	{ TAG, "", 200, true, 0, 0, 0, 0, false },
	{ "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "", 200, true, 0, 0, 0, 0, false },
	{ TAG, "", 302, false, 0, 0, 0, 0, false },
	{ "X: y", "", 200, false, 0, 0, 0, 0, false },
};

static void what_may_be_kept_and_how_long(void)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		struct http_field request[FIELDS], response[FIELDS];
		struct http_exchanged exchanged = { .method = HTTP_GET,
						    .request = request,
						    .status = kept[i].status,
						    .response = response,
						    .now = NOW };
		const struct http_heuristics none = { 0 };
		struct http_lifetime lifetime = { 0 };

		exchanged.n_request = fields_of(kept[i].request, request);
		exchanged.n_response = fields_of(kept[i].response, response);
		printf("# kept[%zu]\n", i);
		is_int(http_may_keep(&exchanged, &none, &lifetime), kept[i].keep);
		if (!kept[i].keep)
			continue;
		is_int(lifetime.fresh, kept[i].fresh);
		is_int(lifetime.age, kept[i].age);
		is_int(lifetime.while_revalidate, kept[i].while_revalidate);
		is_int(lifetime.if_error, kept[i].if_error);
		is_int(lifetime.strict, kept[i].strict);
	}
}

static void a_lifetime_is_guessed_only_where_it_is_told(void)
{
	struct http_field fields[FIELDS];
	struct http_exchanged exchanged = {
		.method = HTTP_GET, .status = 200, .response = fields, .now = NOW
	};
	const struct http_heuristics told = { .ttl = 30, .while_revalidate = 5, .if_error = 7 };
	struct http_lifetime lifetime;

	is_true(http_may_keep(&exchanged, &told, &lifetime));
	is_int(lifetime.fresh, 30);
	is_int(lifetime.while_revalidate, 5);
	is_int(lifetime.if_error, 7);
	exchanged.status = 302;
	is_false(http_may_keep(&exchanged, &told, &lifetime));
	exchanged.status = 200;
	exchanged.request = &(struct http_field){ STR("Cookie"), STR("a=b") };
	exchanged.n_request = 1;
	is_true(http_may_keep(&exchanged, &told, &lifetime));
	is_int(lifetime.fresh, 0);
	exchanged.n_request = 0;
	exchanged.status = 200;
	exchanged.n_response = fields_of("Cache-Control: max-age=2, stale-if-error=1", fields);
	is_true(http_may_keep(&exchanged, &told, &lifetime));
	is_int(lifetime.fresh, 2);
	is_int(lifetime.if_error, 1);
	exchanged.method = HTTP_POST;
	is_false(http_may_keep(&exchanged, &told, &lifetime));
}

static void the_way_to_the_server_counts_as_age(void)
{
	struct http_field fields[FIELDS];
	struct http_exchanged exchanged = {
		.method = HTTP_GET, .status = 200, .response = fields, .now = NOW, .delay = 3
	};
	const struct http_heuristics none = { 0 };
	struct http_lifetime lifetime;

	exchanged.n_response = fields_of("Age: 10\nCache-Control: max-age=60", fields);
	is_true(http_may_keep(&exchanged, &none, &lifetime));
	is_int(lifetime.age, 13);
}

static const struct {
	const char *request;
	int64_t age, fresh, while_revalidate;
	bool strict;
	enum http_reuse reuse;
} reused[] = {
	{ "", 59, 60, 0, false, HTTP_REUSE_FRESH },
	{ "", 60, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "", 60, 60, 10, false, HTTP_REUSE_STALE },
	{ "", 70, 60, 10, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: no-cache", 1, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Pragma: no-cache", 1, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Pragma: no-cache\nCache-Control: max-age=60", 1, 60, 0, false, HTTP_REUSE_FRESH },
	{ "Cache-Control: max-age=10", 10, 60, 0, false, HTTP_REUSE_FRESH },
	{ "Cache-Control: max-age=10", 11, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: max-age=0", 1, 60, 60, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: min-fresh=10", 50, 60, 0, false, HTTP_REUSE_FRESH },
	{ "Cache-Control: min-fresh=10", 51, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: max-stale", 1000, 60, 0, false, HTTP_REUSE_STALE },
	{ "Cache-Control: max-stale", 1000, 60, 0, true, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: max-stale=10", 70, 60, 0, false, HTTP_REUSE_STALE },
	{ "Cache-Control: max-stale=10", 71, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: max-stale=10", 71, 60, 100, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: max-stale, max-age=5", 6, 60, 0, false, HTTP_REUSE_VALIDATE },
	{ "Cache-Control: only-if-cached", 59, 60, 0, false, HTTP_REUSE_FRESH },
};

static void what_a_request_allows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(reused); i++) {
		struct http_field fields[FIELDS];
		struct http_cache_control control;
		const struct http_lifetime lifetime = {
			.fresh = reused[i].fresh,
			.while_revalidate = reused[i].while_revalidate,
			.strict = reused[i].strict,
		};

		http_request_control_read(fields, fields_of(reused[i].request, fields), &control);
		printf("# reused[%zu]\n", i);
		is_int(http_may_reuse(&control, reused[i].age, &lifetime), reused[i].reuse);
	}
}

static void unsafe_methods_invalidate_when_they_succeed(void)
{
	is_true(http_invalidates(HTTP_POST, 201));
	is_true(http_invalidates(HTTP_DELETE, 302));
	is_true(http_invalidates(HTTP_OTHER, 200));
	is_false(http_invalidates(HTTP_PUT, 404));
	is_false(http_invalidates(HTTP_GET, 200));
	is_false(http_invalidates(HTTP_HEAD, 200));
	is_false(http_invalidates(HTTP_OPTIONS, 200));
}

static struct http_cache_control control_of(const char *value)
{
	struct http_field field = { STR("Cache-Control"), str_of(value) };
	struct http_cache_control control;

	http_cache_control_read(&field, 1, &control);
	return control;
}

/* What stands in quotes is a value, whatever it looks like; and a quote without its end is one. */
static void quotes_of_directives_are_read_as_they_are_written(void)
{
	is_int(control_of("max-age=\"60\"").max_age.seconds, 60);
	is_int(control_of("max-age=\"\"").max_age.seconds, 0);
	is_int(control_of("max-age=\"").max_age.seconds, 0);
	is_true(control_of("a=\"b, c\", no-store").no_store);
	is_false(control_of("a=\"no-store, no-store\"").no_store);
	is_false(control_of("a=\"\\\", no-store, b\"").no_store);
	is_true(control_of("a=\"\\\\\", no-store").no_store);
	is_false(control_of("a=\"b, no-store").no_store);
	is_false(control_of("a=\"b, no-store\\").no_store);
	is_true(control_of("no-cache=\"Set-Cookie, X\", private").is_private);
}

static void is_vary(const char *text, const char *want)
{
	struct http_field fields[FIELDS];
	char out[HTTP_VARY_MAX];
	size_t len = 0;
	bool ok = http_vary_read(fields, fields_of(text, fields), out, &len);

	is_int(ok, want != NULL);
	if (ok && want)
		is_str(((struct str){ out, len }), str_of(want));
}

static void vary_names_its_fields_in_one_form(void)
{
	is_vary("X: y", "");
	is_vary("Vary: Accept-Encoding", "accept-encoding");
	is_vary("Vary: b, A\nVary: a,c", "a,b,c");
	is_vary("Vary: *", NULL);
	is_vary("Vary: a, *", NULL);
	is_vary("Vary: a b", NULL);
	is_vary("Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL);
}

static void vary_has_at_most_512_bytes(void)
{
	char name[HTTP_VARY_MAX + 1], out[HTTP_VARY_MAX];
	struct http_field vary[] = { { STR("Vary"), STR("b") },
				     { STR("Vary"), { name, sizeof(name) } } };
	size_t len = 0;

	memset(name, 'a', sizeof(name));
	is_false(http_vary_read(vary, 2, out, &len));
	vary[1].value.len = HTTP_VARY_MAX - 2;
	is_true(http_vary_read(vary, 2, out, &len));
	is_int(len, HTTP_VARY_MAX);
	is_str(((struct str){ out + HTTP_VARY_MAX - 3, 3 }), STR("a,b"));
	vary[1].value.len = HTTP_VARY_MAX - 1;
	is_false(http_vary_read(vary, 2, out, &len));
}

int main(void)
{
	TEST(what_may_be_kept_and_how_long);
	TEST(a_lifetime_is_guessed_only_where_it_is_told);
	TEST(the_way_to_the_server_counts_as_age);
	TEST(what_a_request_allows);
	TEST(unsafe_methods_invalidate_when_they_succeed);
	TEST(quotes_of_directives_are_read_as_they_are_written);
	TEST(vary_names_its_fields_in_one_form);
	TEST(vary_has_at_most_512_bytes);
	return tap_done();
}
