/* server/auth/asking_basic.c: who sent it, by name and password. */
#include "core/base/memory.h"
#include "server/auth/asking.h"
#include "server/auth/logins.h"
#include "server/auth/password.h"
#include "server/request.h"
#include "server/server.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

/* What checking a password needs on the pool. */
struct checking {
	struct logins *logins;
	unsigned char digest[DIGEST_SIZE];
	char *password, *hash;
	int right; /* as password_check() says */
};

/* The same login may have been checked while this one waited: a browser sends six at once. */
static void checking_run(void *data)
{
	struct checking *checking = data;

	checking->right = logins_know(checking->logins, checking->digest)
				  ? 1
				  : password_check(checking->password, checking->hash);
}

static void checking_release(void *data)
{
	struct checking *checking = data;

	if (checking->password)
		OPENSSL_cleanse(checking->password, strlen(checking->password));
	free(checking->password);
	free(checking->hash);
}

static enum verdict asking_check(struct asking *asking, const struct login *login,
				 const struct user *user)
{
	struct logins *logins = asking->run->request->worker->server->logins;
	struct offload *offload =
		offload_create(sizeof(struct checking), checking_run, checking_release);
	struct checking *checking = offload_data(offload);

	checking->logins = logins;
	memcpy(checking->digest, asking->digest, DIGEST_SIZE);
	checking->password = mem_strndup(login->password.ptr, login->password.len);
	checking->hash = mem_strndup(user->hash.ptr, user->hash.len);
	return asking_compute(asking, logins_queue(logins), offload);
}

static enum verdict asking_checked(struct asking *asking)
{
	const struct checking *checking = asking_computed(asking);
	const struct auth_basic *basic = asking->auth->basic;

	if (!checking || checking->right < 0)
		return asking_say(asking, VERDICT_UNABLE, "too many passwords are being checked");
	if (!checking->right || !asking->user.ptr)
		return asking_say(asking, VERDICT_BAD,
				  asking->user.ptr ? "wrong password" : "no such user");
	logins_remember(checking->logins, checking->digest, basic->remember_ms);
	asking->identity = (struct identity){ .kind = IDENTITY_BASIC, .user = asking->user };
	return VERDICT_GOOD;
}

/* Of a user that there is not, another one's hash is checked, and the result thrown away. */
static enum verdict asking_login(struct asking *asking, const struct login *login)
{
	struct logins *logins = asking->run->request->worker->server->logins;
	const struct auth_basic *basic = asking->auth->basic;
	const struct user *user = users_find(&basic->users, login->user);

	if (!user)
		return asking_check(asking, login, users_decoy(&basic->users, login->user));
	asking->user = user->name;
	login_digest(logins, login, user, basic->remember_ms, asking->digest);
	if (!logins_know(logins, asking->digest))
		return asking_check(asking, login, user);
	asking->identity = (struct identity){ .kind = IDENTITY_BASIC, .user = user->name };
	return VERDICT_GOOD;
}

enum verdict asking_basic(struct asking *asking)
{
	const struct auth_basic *basic = asking->auth->basic;
	struct request *request = asking->run->request;
	enum verdict verdict;
	struct login login;
	struct str text;
	int r;

	if (!basic)
		return VERDICT_NOTHING;
	if (asking->again)
		return asking_checked(asking);
	if (!asking_shows(asking, credential_authorization(&request->head, STR("Basic"), &text),
			  &verdict))
		return verdict;
	r = login_read(text, &request->arena, &login);
	if (r == -ENOMEM)
		return asking_say(asking, VERDICT_UNABLE, "no memory for it");
	if (r < 0)
		return asking_say(asking, VERDICT_BAD, "not user:password in base64");
	return asking_login(asking, &login);
}
