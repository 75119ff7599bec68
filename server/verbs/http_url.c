/* server/verbs/http_url.c: where a call goes. Scheme, host and port are constant, or the host is
 * one of `hosts:` (DECISIONS 15), so that no value from outside can choose whom leat talks to. */
#include "server/verbs/http_url.h"
#include "server/client/upstream.h"
#include "server/flow/step.h"
#include "server/http/head.h"
#include <errno.h>
#include <stdio.h>

/* The end of a ${…} that starts at `at`: texts in it may hold braces. */
static size_t url_skip_template(struct str text, size_t at)
{
	size_t depth = 0;
	char quote = 0;

	for (at += 1; at < text.len; at++) {
		char c = text.ptr[at];

		if (quote && c == '\\')
			at++;
		else if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '{')
			depth++;
		else if (c == '}' && --depth == 0)
			return at + 1;
	}
	return text.len;
}

static bool url_is_template(struct str text, size_t at)
{
	return text.ptr[at] == '$' && at + 1 < text.len && text.ptr[at + 1] == '{';
}

/* The place of the first of these characters outside of ${…}; text.len: none. */
static size_t url_find(struct str text, const char *chars)
{
	size_t at = 0;

	while (at < text.len) {
		if (url_is_template(text, at))
			at = url_skip_template(text, at);
		else if (strchr(chars, text.ptr[at]))
			return at;
		else
			at++;
	}
	return text.len;
}

static bool url_char_is_good(char c)
{
	return c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

static struct place url_place(const struct node *node, size_t offset)
{
	struct place place = node->place;

	place.col += (uint32_t)offset + !node->plain;
	place.len = 1;
	return place;
}

static bool url_check_literals(struct diag *diag, const struct node *node, struct str text,
			       size_t offset)
{
	size_t at = 0;

	while (at < text.len) {
		char c = text.ptr[at];

		if (url_is_template(text, at)) {
			at = url_skip_template(text, at);
			continue;
		}
		if (c == '#') {
			diag_error(
				diag, url_place(node, offset + at),
				"a fragment is never sent to a server; remove it, or write %%23");
			return false;
		}
		if (!url_char_is_good(c)) {
			diag_error(diag, url_place(node, offset + at),
				   "a URL cannot have the character 0x%02x; write %%%02X",
				   (unsigned char)c, (unsigned char)c);
			return false;
		}
		at++;
	}
	return true;
}

static bool url_compile_target(const struct http_url_compiler *compiler, const struct node *node,
			       size_t offset, struct http_url *url)
{
	struct str text = str_skip(node->text, offset);
	struct place place = url_place(node, offset);

	if (!url_check_literals(compiler->flow->diag, node, text, offset))
		return false;
	place.len = 0;
	if (text.len == 0 || text.ptr[0] != '/') {
		text = arena_printf(compiler->flow->arena, "/%.*s", STR_ARG(text));
		place.col--;
	}
	url->target = template_compile_text(compiler->expr, text, place, TEMPLATE_URL);
	return url->target != NULL;
}

/* ------------------------------------------------------------ http://host/path */

static bool url_host_is_listed(const struct setting_texts *hosts, struct str host)
{
	for (size_t i = 0; i < hosts->n_texts; i++)
		if (str_eq_nocase(hosts->texts[i], host))
			return true;
	return false;
}

/* The client reads it in the same way. */
static bool url_authority_is_valid(struct str authority)
{
	struct upstream *upstream = upstream_create(authority);
	bool valid = http_is_host(authority) && upstream_add_server(upstream, authority) == 0;

	upstream_unref(upstream);
	return valid;
}

static bool url_check_hosts(const struct http_url_compiler *compiler,
			    const struct setting_texts *hosts)
{
	bool ok = true;

	for (size_t i = 0; i < hosts->n_texts; i++) {
		if (url_authority_is_valid(hosts->texts[i]))
			continue;
		diag_error(compiler->flow->diag, hosts->nodes[i]->place,
			   "\"%.*s\" is not a host; write host or host:port",
			   STR_ARG(str_first(hosts->texts[i], 80)));
		ok = false;
	}
	return ok;
}

static bool url_compile_authority(const struct http_url_compiler *compiler, const struct node *node,
				  size_t offset, struct str authority, struct http_url *url)
{
	struct diag *diag = compiler->flow->diag;

	if (!url_check_hosts(compiler, &url->hosts))
		return false;
	if (str_find(authority, STR("${")) >= 0) {
		if (url->hosts.n_texts == 0) {
			diag_error(diag, url_place(node, offset),
				   "the host of a URL is constant, so that nobody outside can "
				   "choose it; list the hosts that may be called: hosts: "
				   "[a.example:80, b.example:80]");
			return false;
		}
		url->host = template_compile_text(compiler->expr, authority,
						  url_place(node, offset), TEMPLATE_PLAIN);
		return url->host != NULL;
	}
	if (!url_authority_is_valid(authority)) {
		diag_error(diag, url_place(node, offset),
			   "\"%.*s\" is not a host; write http://host/path or "
			   "http://host:port/path",
			   STR_ARG(str_first(authority, 80)));
		return false;
	}
	if (url->hosts.n_texts && !url_host_is_listed(&url->hosts, authority)) {
		diag_error(diag, url_place(node, offset), "%.*s is not one of `hosts`; add it",
			   STR_ARG(authority));
		return false;
	}
	url->authority = authority;
	return true;
}

static bool url_compile_absolute(const struct http_url_compiler *compiler, const struct node *node,
				 struct http_url *url)
{
	size_t start = url->secure ? sizeof("https://") - 1 : sizeof("http://") - 1;
	struct str rest = str_skip(node->text, start);
	size_t end = url_find(rest, "/?#");

	return url_compile_authority(compiler, node, start, str_first(rest, end), url) &
	       url_compile_target(compiler, node, start + end, url);
}

/* ------------------------------------------------------------ users:/path */

/* What an upstream's calls are balanced by is read by each of its callers. */
static bool url_compile_key(const struct http_url_compiler *compiler, struct http_url *url)
{
	struct flow_compiler *flow = compiler->flow;
	const struct node *key = flow->upstream_key ? flow->upstream_key(flow, url->upstream->name)
						    : NULL;

	if (!key)
		return true;
	url->key = template_compile(compiler->expr, key, TEMPLATE_PLAIN);
	return url->key != NULL;
}

static bool url_compile_named(const struct http_url_compiler *compiler, const struct node *node,
			      size_t colon, struct http_url *url)
{
	struct flow_compiler *flow = compiler->flow;
	struct str name = str_first(node->text, colon);
	struct str path = str_skip(node->text, colon + 1);
	const char *nearest;

	url->upstream = flow->upstream ? flow->upstream(flow, name) : NULL;
	if (!url->upstream) {
		nearest = flow->upstream_names ? diag_nearest(name, flow->upstream_names) : NULL;
		if (nearest)
			diag_error(flow->diag, url_place(node, 0),
				   "there is no upstream \"%.*s\"; did you mean \"%s\"?",
				   STR_ARG(name), nearest);
		else
			diag_error(flow->diag, url_place(node, 0),
				   "there is no upstream \"%.*s\"; add it under `http:`",
				   STR_ARG(name));
		return false;
	}
	if (path.len == 0 || path.ptr[0] != '/') {
		diag_error(flow->diag, url_place(node, colon + 1),
			   "the path begins with /; write %.*s:/…", STR_ARG(name));
		return false;
	}
	return url_compile_key(compiler, url) & url_compile_target(compiler, node, colon + 1, url);
}

bool http_url_compile(const struct http_url_compiler *compiler, const struct node *value,
		      struct http_url *url)
{
	struct diag *diag = compiler->flow->diag;
	struct str text = value->text;
	size_t colon;

	if (compiler->hosts)
		url->hosts = *compiler->hosts;
	if (!node_is_scalar(value) || text.len == 0) {
		diag_error(diag, value->place,
			   "`%s` takes a URL: users:/path with an upstream of `http:`, or "
			   "http://host/path",
			   compiler->key);
		return false;
	}
	url->secure = str_starts_with(text, STR("https://"));
	if (url->secure && !client_usual_tls()) {
		diag_error(
			diag, url_place(value, 0),
			"the authorities of this system cannot be read; install ca-certificates");
		return false;
	}
	if (url->secure || str_starts_with(text, STR("http://")))
		return url_compile_absolute(compiler, value, url);
	colon = url_find(text, ":/?#");
	if (colon < text.len && text.ptr[colon] == ':' && name_is_valid(str_first(text, colon)) &&
	    !str_starts_with(str_skip(text, colon), STR("://")))
		return url_compile_named(compiler, value, colon, url);
	diag_error(diag, url_place(value, 0),
		   "a URL begins with the name of an upstream, http:// or https://, and that is "
		   "constant; write users:/path or http://host/path");
	return false;
}

/* ------------------------------------------------------------ at run time */

/* Whom an absolute URL names. */
static int url_find_authority(const struct http_url *url, struct expr_env *env,
			      struct str *ret_authority)
{
	struct str host;
	int r;

	*ret_authority = url->authority;
	if (!url->host)
		return 0;
	r = template_eval(url->host, env, &host);
	if (r < 0)
		return r;
	for (size_t i = 0; i < url->hosts.n_texts; i++) {
		*ret_authority = url->hosts.texts[i];
		if (str_eq_nocase(*ret_authority, host))
			return 0;
	}
	snprintf(env->message, sizeof(env->message), "the host of the URL is not one of `hosts`");
	return -EBADMSG;
}

int http_url_reach(const struct http_url *url, struct client *client, struct expr_env *env,
		   struct upstream **ret_unnamed)
{
	struct str authority;
	int r;

	*ret_unnamed = NULL;
	if (url->upstream)
		return 0;
	r = url_find_authority(url, env, &authority);
	if (r < 0)
		return r;
	*ret_unnamed = url->secure ? client_secure_upstream(client, authority)
				   : client_upstream(client, authority);
	return *ret_unnamed ? 0 : -EUSERS;
}

int http_url_hash(const struct http_url *url, struct expr_env *env, uint64_t *ret_hash)
{
	struct str key;
	int r;

	if (!url->key)
		return 0;
	r = template_eval(url->key, env, &key);
	if (r == 0)
		*ret_hash = roster_hash(key);
	return r;
}
