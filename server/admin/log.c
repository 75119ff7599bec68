/* server/admin/log.c: what is logged, and another level until the next reload. */
#include "server/admin/status.h"
#include "server/expr/json.h"
#include "server/logger.h"
#include <inttypes.h>

static enum log_level log_level_now(void)
{
	enum log_level level = LOG_DEBUG;

	while (level > LOG_ERROR && !log_is_on(level))
		level--;
	return level;
}

static bool log_level_find(struct str name, enum log_level *ret_level)
{
	for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		if (!str_eq(name, str_of(log_level_name(level))))
			continue;
		*ret_level = level;
		return true;
	}
	return false;
}

void admin_log(struct request *request)
{
	const struct settings *settings = &admin_server(request)->generation->settings;
	struct logger_stats stats;
	struct buf json;

	logger_stats(&stats);
	buf_init_arena(&json, &request->arena);
	buf_printf(&json, "{\"level\":\"%s\",\"configured\":\"%s\",\"format\":\"%s\",\"access\":",
		   log_level_name(log_level_now()),
		   log_level_name((enum log_level)settings->log_level),
		   settings->log_format == LOGGER_JSON ? "json" : "text");
	json_write_text(settings->log_access, &json);
	buf_printf(&json, ",\"sample\":%.*s,\"lines\":%" PRIu64 ",\"dropped\":%" PRIu64 "}",
		   STR_ARG(settings->log_sample), stats.lines, stats.dropped);
	request_reply_json(request, json.error ? 500 : 200, buf_str(&json));
}

void admin_log_set(struct request *request)
{
	struct str name = request_query(request, STR("level"));
	enum log_level level;
	struct reply reply;

	if (!log_level_find(name, &level)) {
		reply = reply_problem(&request->arena, 400, STR("invalid_input"), STR_NONE,
				      STR_NONE,
				      STR("level is one of error, warning, info and debug"));
		request_reply(request, &reply);
		return;
	}
	log_set_level(LOG_INFO); /* so that this is told in any case */
	log_info("log level changed level=%s", log_level_name(level));
	log_set_level(level);
	admin_log(request);
}
