/* core/base/version.h: the one place where the version stands; the Makefile and the packages
 * read it here. */
#pragma once

#define LEAT_VERSION "0.1.0"
