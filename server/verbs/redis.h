/* server/verbs/redis.h: what `redis:` is compiled to. Internal to it. */
#pragma once
#include "server/flow/step.h"
#include "server/redis/redis_call.h"

struct redis_verb_command {
	const struct command *known; /* or NULL */
	size_t n_args;
	struct template **args; /* one argument each, whatever their values are */
};

struct redis_verb_config {
	/* as the keys say */
	const struct node *command_node, *commands_node, *script_node, *keys_node, *args_node;
	bool transaction;
	int binary; /* enum redis_binary */
	uint64_t max_reply;
	/* compiled */
	struct redis *redis;
	size_t n_commands;
	struct redis_verb_command *commands;
	struct str script;
	char sha[41];
	bool reads; /* all of them */
	bool many;  /* the result is a list of their results */
};

enum redis_binary { REDIS_BINARY_ERROR, REDIS_BINARY_BASE64 };

extern const struct setting redis_verb_keys[];
bool redis_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config);
