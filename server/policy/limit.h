/* server/policy/limit.h: the rows of `limit:`. */
#pragma once
#include "conf/settings.h"

extern const struct setting limit_keys[];
