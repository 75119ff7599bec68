/* server/http/freshness.c */
#include "server/http/freshness.h"
#include "core/base/check.h"
#include "server/http/fields.h"
#include "server/http/status.h"
#include <stdlib.h>

static struct str field_of(const struct http_field *fields, size_t n_fields, struct str name)
{
	const struct http_field *field = http_fields_find(fields, n_fields, name);

	return field ? field->value : STR_NONE;
}

static bool has_field(const struct http_field *fields, size_t n_fields, struct str name)
{
	return http_fields_find(fields, n_fields, name) != NULL;
}

void http_request_control_read(const struct http_field *fields, size_t n_fields,
			       struct http_cache_control *ret)
{
	struct str pragma = field_of(fields, n_fields, STR("pragma")), element;

	http_cache_control_read(fields, n_fields, ret);
	if (has_field(fields, n_fields, STR("cache-control")))
		return;
	while (http_list_next(&pragma, &element))
		ret->no_cache |= str_eq_nocase(element, STR("no-cache"));
}

/* ------------------------------------------------------------ how long */

static bool status_is_guessed(int status) /* RFC 9110 §15.1, without 206 */
{
	static const int statuses[] = { 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501 };

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static bool status_is_understood(int status)
{
	static const int others[] = { 302, 303, 307, 400, 401, 403, 421, 451, 500, 502, 503, 504 };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (others[i] == status)
			return true;
	return status_is_guessed(status);
}

static int64_t response_date(const struct http_exchanged *exchanged)
{
	int64_t date;

	return http_date_parse(field_of(exchanged->response, exchanged->n_response, STR("date")),
			       &date) == 0
		       ? date
		       : exchanged->now;
}

static int64_t response_age(const struct http_exchanged *exchanged)
{
	struct str text = field_of(exchanged->response, exchanged->n_response, STR("age"));
	int64_t apparent = MAX(exchanged->now - response_date(exchanged), INT64_C(0));
	uint64_t said = 0;

	if (text.ptr && str_to_u64(str_trim(text), &said) < 0)
		said = 0;
	said = MIN(said, (uint64_t)HTTP_DELTA_MAX);
	return MIN(MAX(apparent, (int64_t)said + exchanged->delay), (int64_t)HTTP_DELTA_MAX);
}

/* True when the response says how long it is fresh. */
static bool response_lifetime(const struct http_exchanged *exchanged,
			      const struct http_cache_control *control, int64_t *ret)
{
	struct str expires = field_of(exchanged->response, exchanged->n_response, STR("expires"));
	int64_t at;

	if (control->s_maxage.said)
		*ret = control->s_maxage.seconds;
	else if (control->max_age.said)
		*ret = control->max_age.seconds;
	else if (!expires.ptr)
		return false;
	else if (http_date_parse(expires, &at) < 0)
		*ret = 0; /* "0", and other forms, mean: in the past (§5.3) */
	else
		*ret = MIN(MAX(at - response_date(exchanged), INT64_C(0)), (int64_t)HTTP_DELTA_MAX);
	return true;
}

void http_lifetime_read(const struct http_exchanged *exchanged,
			const struct http_heuristics *heuristics, struct http_lifetime *ret)
{
	struct http_cache_control control;
	struct http_lifetime lifetime = { 0 };

	http_cache_control_read(exchanged->response, exchanged->n_response, &control);
	lifetime.age = response_age(exchanged);
	if (!response_lifetime(exchanged, &control, &lifetime.fresh) &&
	    !has_field(exchanged->request, exchanged->n_request, STR("cookie")) &&
	    (status_is_guessed(exchanged->status) || control.is_public))
		lifetime.fresh = heuristics->ttl;
	if (control.no_cache)
		lifetime.fresh = 0;
	lifetime.strict = control.no_cache || control.must_revalidate || control.proxy_revalidate ||
			  control.s_maxage.said;
	lifetime.while_revalidate = control.stale_while_revalidate.said
					    ? control.stale_while_revalidate.seconds
					    : heuristics->while_revalidate;
	lifetime.if_error = control.stale_if_error.said ? control.stale_if_error.seconds
							: heuristics->if_error;
	if (lifetime.strict)
		lifetime.while_revalidate = lifetime.if_error = 0;
	*ret = lifetime;
}

/* ------------------------------------------------------------ whether */

static bool response_may_be_kept(const struct http_exchanged *exchanged,
				 const struct http_cache_control *control)
{
	const struct http_field *fields = exchanged->response;
	size_t n = exchanged->n_response;

	if (exchanged->status < 200 || exchanged->status == 206 || exchanged->status == 304 ||
	    has_field(fields, n, STR("content-range")) || has_field(fields, n, STR("set-cookie")))
		return false;
	if (control->must_understand && !status_is_understood(exchanged->status))
		return false;
	if (control->no_store && !control->must_understand)
		return false;
	return !control->is_private;
}

/* §3.5: such answers are for one, unless they say that they are for all. */
static bool request_may_be_kept(const struct http_exchanged *exchanged,
				const struct http_cache_control *control)
{
	struct http_cache_control asked;

	if (exchanged->method != HTTP_GET)
		return false;
	http_request_control_read(exchanged->request, exchanged->n_request, &asked);
	if (asked.no_store)
		return false;
	return !has_field(exchanged->request, exchanged->n_request, STR("authorization")) ||
	       control->is_public || control->must_revalidate || control->s_maxage.said;
}

bool http_may_keep(const struct http_exchanged *exchanged, const struct http_heuristics *heuristics,
		   struct http_lifetime *ret)
{
	const struct http_field *fields = exchanged->response;
	size_t n = exchanged->n_response;
	struct http_cache_control control;
	bool validates = has_field(fields, n, STR("etag")) ||
			 has_field(fields, n, STR("last-modified"));
	int64_t said;

	http_cache_control_read(fields, n, &control);
	if (!response_may_be_kept(exchanged, &control) || !request_may_be_kept(exchanged, &control))
		return false;
	if (!response_lifetime(exchanged, &control, &said) && !control.is_public &&
	    !status_is_guessed(exchanged->status))
		return false;
	http_lifetime_read(exchanged, heuristics, ret);
	/* what can neither be used nor asked about is of no use */
	return ret->fresh + ret->while_revalidate > ret->age ||
	       ret->fresh + ret->if_error > ret->age || validates;
}

/* ------------------------------------------------------------ using it */

enum http_reuse http_may_reuse(const struct http_cache_control *request, int64_t age,
			       const struct http_lifetime *lifetime)
{
	int64_t stale = age - lifetime->fresh;

	if (request->no_cache || (request->max_age.said && age > request->max_age.seconds))
		return HTTP_REUSE_VALIDATE;
	if (request->min_fresh.said && stale + request->min_fresh.seconds > 0)
		return HTTP_REUSE_VALIDATE;
	if (stale < 0)
		return HTTP_REUSE_FRESH;
	if (lifetime->strict)
		return HTTP_REUSE_VALIDATE;
	if (request->max_stale.said)
		return stale <= request->max_stale.seconds ? HTTP_REUSE_STALE : HTTP_REUSE_VALIDATE;
	if (request->any_stale)
		return HTTP_REUSE_STALE;
	return stale < lifetime->while_revalidate ? HTTP_REUSE_STALE : HTTP_REUSE_VALIDATE;
}

bool http_invalidates(enum http_method method, int status)
{
	return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS &&
	       method != HTTP_TRACE && status >= 200 && status < 400;
}

/* ------------------------------------------------------------ Vary */

static int vary_compare(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	for (size_t i = 0; i < MIN(x->len, y->len); i++)
		if (char_lower(x->ptr[i]) != char_lower(y->ptr[i]))
			return char_lower(x->ptr[i]) < char_lower(y->ptr[i]) ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

static bool vary_names(const struct http_field *fields, size_t n_fields,
		       struct str names[HTTP_VARY_NAMES_MAX], size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < n_fields; i++) {
		struct str rest = fields[i].value, element;

		if (!str_eq_nocase(fields[i].name, STR("vary")))
			continue;
		while (http_list_next(&rest, &element)) {
			if (!http_is_token(element) || str_eq(element, STR("*")) ||
			    n == HTTP_VARY_NAMES_MAX)
				return false;
			names[n++] = element;
		}
	}
	*ret_n = n;
	return true;
}

bool http_vary_read(const struct http_field *fields, size_t n_fields, char out[HTTP_VARY_MAX],
		    size_t *ret_len)
{
	struct str names[HTTP_VARY_NAMES_MAX];
	size_t n, len = 0;

	if (!vary_names(fields, n_fields, names, &n))
		return false;
	if (n > 1)
		qsort(names, n, sizeof(names[0]), vary_compare);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && str_eq_nocase(names[i], names[i - 1]))
			continue;
		if (len + names[i].len + 1 > HTTP_VARY_MAX)
			return false;
		if (len > 0)
			out[len++] = ',';
		for (size_t j = 0; j < names[i].len; j++)
			out[len++] = char_lower(names[i].ptr[j]);
	}
	*ret_len = len;
	return true;
}
