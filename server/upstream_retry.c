/* server/upstream_retry.c */
#include "server/upstream_retry.h"
#include "server/client/http_call.h"

struct retry_config {
	int64_t times, budget;
	uint64_t wait_ms, wait_max_ms;
	struct setting_texts codes;
};

#define AT(field) offsetof(struct retry_config, field)
const struct setting upstream_retry_keys[] = {
	{ "times", SETTING_INT, AT(times), "2", "Tries after the first.", 1, 10 },
	{ "wait", SETTING_DURATION, AT(wait_ms), "20ms",
	  "The pause before the second try; it doubles, and some of it is left out.", 0, 60000 },
	{ "max_wait", SETTING_DURATION, AT(wait_max_ms), "1s", "The longest pause.", 0, 600000 },
	{ "codes", SETTING_TEXTS, AT(codes),
	  .help = "What is tried again: connect_failed, dns_failed, tls_failed, timeout, "
		  "bad_response, and statuses such as 503 or 5xx. All but tls_failed, and 502, "
		  "503, "
		  "504, when not said." },
	{ "budget", SETTING_INT, AT(budget), "20",
	  "Tries that are made again, per cent of the calls; one a second is always left.", 1,
	  1000 },
	SETTINGS_END
};
#undef AT

static const struct {
	const char *name;
	enum http_call_error error;
	bool usual;
} codes[] = {
	{ "connect_failed", HTTP_CALL_CONNECT_FAILED, true },
	{ "dns_failed", HTTP_CALL_DNS_FAILED, true },
	{ "tls_failed", HTTP_CALL_TLS_FAILED, false },
	{ "timeout", HTTP_CALL_TIMEOUT, true },
	{ "bad_response", HTTP_CALL_BAD_RESPONSE, true },
};

static void retry_set_usual(struct upstream_retry *retry)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].usual)
			retry->errors |= UINT64_C(1) << codes[i].error;
	statuses_add_range(&retry->statuses, 502, 504);
}

static bool retry_add(struct upstream_retry *retry, struct str text, struct place place,
		      struct diag *diag)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (!str_eq(text, str_of(codes[i].name)))
			continue;
		retry->errors |= UINT64_C(1) << codes[i].error;
		return true;
	}
	if (statuses_add(&retry->statuses, text) == 0)
		return true;
	diag_error(diag, place,
		   "\"%.*s\" is nothing that is tried again; write connect_failed, dns_failed, "
		   "tls_failed, timeout, bad_response, or a status such as 503 or 5xx",
		   STR_ARG(str_first(text, 80)));
	return false;
}

bool upstream_read_retry(struct upstream *upstream, const struct node *node, struct conf *conf,
			 struct diag *diag)
{
	struct upstream_retry *retry = &upstream->retry;
	struct retry_config config = { 0 };
	const struct settings_part part = { upstream_retry_keys, &config };
	bool ok = true;

	if (!node)
		return true;
	settings_defaults(upstream_retry_keys, &config, &conf->arena);
	if (node_is_scalar(node) ? !setting_read_value(&upstream_retry_keys[0], node, &config,
						       &conf->arena, diag)
				 : settings_read(&part, 1, node, "retry", &conf->arena, diag) > 0)
		return false;
	retry->times = (uint32_t)config.times;
	retry->budget = (uint32_t)config.budget;
	retry->wait_ms = config.wait_ms;
	retry->wait_max_ms = config.wait_max_ms;
	if (config.codes.n_texts == 0)
		retry_set_usual(retry);
	for (size_t i = 0; i < config.codes.n_texts; i++)
		ok &= retry_add(retry, config.codes.texts[i], config.codes.nodes[i]->place, diag);
	return ok;
}
