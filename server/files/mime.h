/* server/files/mime.h: the media type of a file, by its name. */
#pragma once
#include "core/base/str.h"

struct str mime_type(struct str name); /* application/octet-stream when nothing is known */
