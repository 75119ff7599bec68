/* server/jobs/zone_file.h: the system's folder of compiled time zones. */
#pragma once
#include "core/base/str.h"

bool zone_file_is_there(void); /* is there such a folder */

/* Errors as zone_load(); the content is to be freed. */
int zone_file_read(const char *name, char **ret_content, size_t *ret_size);

/* The zone whose name is nearest to `name`, to be freed; NULL when none is near. */
char *zone_file_nearest(struct str name);
