/* server/policy/access.c: `allow:` and `deny:`.
 *
 * The longest network that has the client's address decides, deny where both lists have one of
 * that length. Where there is an allow list, whoever is in neither is refused; where there is
 * none, whoever is not denied comes in. */
#include "core/io/cidr.h"
#include "server/policy/policies.h"
#include "server/policy/policy.h"

enum { UNIX_BITS = 128 }; /* as long as a single address */

struct access {
	struct policy policy;
	struct cidr_set set;
	bool has_unix;
};

struct access_config {
	struct setting_texts texts;
};

/* ------------------------------------------------------------ compiling */

static bool access_read_one(struct policy_compiler *compiler, struct str text,
			    const struct node *node, struct cidr *ret_cidr)
{
	char meant[CIDR_TEXT_MAX];

	switch (cidr_parse(text, ret_cidr)) {
	case CIDR_OK:
		return true;
	case CIDR_BAD:
		diag_error(compiler->diag, node->place,
			   "\"%.*s\" is not an address or a network; write 10.0.0.0/8, 192.0.2.1, "
			   "2001:db8::/32 or unix",
			   STR_ARG(str_first(text, 80)));
		return false;
	case CIDR_HOST_BITS:
		diag_error(compiler->diag, node->place,
			   "\"%.*s\" has bits behind the length of its network; write %s",
			   STR_ARG(text), cidr_write(meant, ret_cidr));
		return false;
	}
	unreachable();
}

static bool access_read(struct policy_compiler *compiler, const struct setting_texts *texts,
			struct access *access)
{
	struct cidr *cidrs = arena_alloc_array(compiler->arena, texts->n_texts + 1, sizeof(*cidrs));
	size_t n_cidrs = 0;
	bool ok = true;

	for (size_t i = 0; i < texts->n_texts; i++) {
		if (str_eq(texts->texts[i], STR("unix")))
			access->has_unix = true;
		else if (access_read_one(compiler, texts->texts[i], texts->nodes[i],
					 &cidrs[n_cidrs]))
			n_cidrs++;
		else
			ok = false;
	}
	cidr_set_init(&access->set, cidrs, n_cidrs, compiler->arena);
	return ok;
}

static struct policy *access_compile(struct policy_compiler *compiler, const struct node *node,
				     const char *key)
{
	const struct setting setting = { key, SETTING_TEXTS,
					 offsetof(struct access_config, texts) };
	struct access *access = arena_zalloc(compiler->arena, sizeof(*access));
	struct access_config config = { 0 };

	if (!setting_read_value(&setting, node, &config, compiler->arena, compiler->diag) ||
	    !access_read(compiler, &config.texts, access))
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
	const struct access *access;

	if (!policy)
		return -1;
	access = container_of(policy, struct access, policy);
	if (!client)
		return access->has_unix ? UNIX_BITS : -1;
	return cidr_set_find(&access->set, client);
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
