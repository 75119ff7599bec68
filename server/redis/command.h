/* server/redis/command.h: what leat knows of the server's commands: which only read, where their
 * keys are, and which have no place on a connection that tasks share. */
#pragma once
#include "core/base/str.h"

enum command_flag {
	COMMAND_READS = 1,   /* carrying it out twice is as good as once */
	COMMAND_HAS_SUB = 2, /* its first argument is a part of its name */
	COMMAND_PAIRS = 4,   /* its list is names and values in turn: an object */
	COMMAND_OPTIONS = 8, /* BLOCK among its options makes it wait */
};

enum command_keys {
	COMMAND_NO_KEYS,
	COMMAND_KEYS_AT,      /* from `first` to `last` (negative: from the end), each `step`-th */
	COMMAND_KEYS_COUNTED, /* `first` is where their number stands; they follow it */
	COMMAND_KEYS_STORED,  /* the same, and the first argument is one */
	COMMAND_KEYS_STREAMS, /* the first half of what is behind STREAMS */
};

struct command {
	const char *name;    /* in lower case */
	const char *refused; /* why it is; NULL: it is not */
	uint8_t flags;       /* enum command_flag */
	uint8_t keys;        /* enum command_keys */
	int8_t first, last, step;
	int8_t code; /* the argument that is a program of the server; 0: there is none */
};

/* In any case; NULL: it is not known. */
const struct command *command_find(struct str name);

/* Why this argument may not be the sub-command of `command`; NULL: it may. */
const char *command_refuse_sub(const struct command *command, struct str sub);

/* Which of the arguments (the command is number 0) are keys: calls on_key with each, and returns
 * how many there are. Of a command that is not known (NULL) it is the first. Those that cannot be
 * found, because a number is none, are none. */
typedef void command_key_fn(void *user, size_t arg);
size_t command_keys(const struct command *command, const struct str *args, size_t n_args,
		    command_key_fn *on_key, void *user);

/* The slot of a cluster that a key lives in: of its part in braces, if there is one. */
enum { COMMAND_SLOTS = 16384 };
unsigned command_slot(struct str key);

/* The slot of all keys: -1: there are no keys; -2: they are in more than one. */
int command_slot_of(const struct command *command, const struct str *args, size_t n_args);
