/* server/policy/request_id.h: the rows of `request_id:`. */
#pragma once
#include "conf/settings.h"

extern const struct setting request_id_keys[];
