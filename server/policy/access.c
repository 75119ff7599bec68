/* server/policy/access.c: `allow:` and `deny:`.
 *
 * The longest network that has the client's address decides, deny where both lists have one of
 * that length. Where there is an allow list, whoever is in neither is refused; where there is
 * none, whoever is not denied comes in. */
#include "server/networks.h"
#include "server/policy/policies.h"
#include "server/policy/policy.h"

struct access {
	struct policy policy;
	struct networks networks;
};

struct access_config {
	struct setting_texts texts;
};

/* ------------------------------------------------------------ compiling */

static struct policy *access_compile(struct policy_compiler *compiler, const struct node *node,
				     const char *key)
{
	const struct setting setting = { key, SETTING_TEXTS,
					 offsetof(struct access_config, texts) };
	struct access *access = arena_zalloc(compiler->arena, sizeof(*access));
	struct access_config config = { 0 };

	if (!setting_read_value(&setting, node, &config, compiler->arena, compiler->diag) ||
	    !networks_compile(&access->networks, &config.texts, compiler->arena, compiler->diag))
		return NULL;
	return &access->policy;
}

static struct policy *access_compile_allow(struct policy_compiler *compiler,
					   const struct node *node, const struct policy *before)
{
	(void)before;
	return access_compile(compiler, node, "allow");
}

static struct policy *access_compile_deny(struct policy_compiler *compiler, const struct node *node,
					  const struct policy *before)
{
	(void)before;
	return access_compile(compiler, node, "deny");
}

/* ------------------------------------------------------------ asking */

/* The length of what has the client; -1: nothing, or no list. */
static int access_find(const struct policy *policy, const struct ip *client)
{
	return policy ? networks_find(&container_of(policy, struct access, policy)->networks,
				      client)
		      : -1;
}

static enum admit access_admit(struct policy_run *run, const struct policy *policy)
{
	static const struct policy_refusal refusal = { .status = 403, .code = STR_INIT("denied") };
	const struct policy *allow = run->of[POLICY_ALLOW], *deny = run->of[POLICY_DENY];
	const struct ip *client = policy_client_ip(run);
	int allowed = access_find(allow, client), denied = access_find(deny, client);

	if (policy == deny && allow)
		return ADMIT_PASS; /* both were asked in the first step */
	if (allowed > denied || (!allow && denied < 0))
		return ADMIT_PASS;
	return policy_refuse(run, denied >= 0 ? deny : allow, &refusal);
}

const struct policy_kind policy_allow = {
	.id = POLICY_ALLOW,
	.name = "allow",
	.compile = access_compile_allow,
	.admit = access_admit,
};

const struct policy_kind policy_deny = {
	.id = POLICY_DENY,
	.name = "deny",
	.compile = access_compile_deny,
	.admit = access_admit,
};
