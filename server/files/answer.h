/* server/files/answer.h: from a file that was found to an answer. */
#pragma once
#include "conf/settings.h"
#include "server/files/file.h"
#include "server/request.h"

struct files_config {
	struct str root, index, cache_control, fallback;
	bool listing, etag;
	struct setting_texts precompressed;
};

/* 200, 206, 304, 412 or 416. The file is the request's. */
void files_answer(const struct files_config *config, struct request *request,
		  const struct file *file);
void files_redirect(struct request *request); /* 308 to the same path with a '/' at its end */
