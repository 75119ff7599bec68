/* server/native/api.h: the table that a module gets (core/leat.h). */
#pragma once
#include "core/leat.h"

extern const struct leat_api native_api;
