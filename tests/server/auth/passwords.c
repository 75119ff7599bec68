/* tests/server/auth/passwords.c: hashes of passwords, users, what a browser sends, API keys. */
#include "core/base/buf.h"
#include "server/auth/api_keys.h"
#include "server/auth/password.h"
#include "server/auth/users.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct arena arena;
static struct diag diag;

/* All of "wonderland". */
static const char *const hashes[] = {
	"$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
	"$2b$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
	"$2a$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
	"$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
	"$6$saltsalt$pqxtaP8VN9msji06dnBCbUbaSGTOXyo9jZDqZxik1rPexoqRIW4UKuiD0ZHZchCSd7S4/"
	"HoRU8bcFbnz2ihUr.",
	"$6$rounds=1000$saltsalt$pQWBrsgA00L1zt0NV83o5Uy3u2ESn9flfn/"
	"e0RE60Qd3XQ98aH6gvroXwANv1Mme759YpleQlaVoQ6O/meimK1",
	"$y$j75$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
	"$y$j9T$saltsalt$gQHlKvC8EsN9d4RGdGHtWbZLrbVNBED7jgMaO1mgI30",
};

static void hashes_of_all_kinds_are_checked(void)
{
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		is_null(password_hash_problem(str_of(hashes[i])));
		is_int(password_check("wonderland", hashes[i]), 1);
		is_int(password_check("Wonderland", hashes[i]), 0);
		is_int(password_check("wonderland ", hashes[i]), 0);
		is_int(password_check("", hashes[i]), 0);
	}
}

static void what_is_no_hash_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"wonderland",
		"$",
		"$apr1$x$yyyyyyyyyyyyyyyyyyyyyy",
		"$1$x$yyyyyyyyyyyyyyyyyyyyyy",
		"{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=",
		"abJnggxhB/yWI",
		"*",
		"!",
		"$2y$",
		"$2x$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
		"$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlT",
		"$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTuu",
		"$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlT:",
		"$2y$4$aabcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
		"$2y$03$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
		"$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo7",
		"$5$rounds=x$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
		"$5$rounds=10$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
		"$5$rounds=1000$",
		"$5$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
		"$y$j75$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu2",
		"$y$k75$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
		"$y$j755$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
		"$y$j7$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
		"$y$j75",
		"$y$j7!$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *problem = password_hash_problem(str_of(bad[i]));

		is_true(problem && str_starts_with(str_of(problem), STR("it is no hash")));
	}
}

static void a_hash_that_takes_seconds_is_refused(void)
{
	static const char *const costly[] = {
		"$2y$16$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
		"$5$rounds=2000001$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
		"$y$jCT$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
		"$y$j9U$saltsalt$dcES1V2ObHxwg5SPWFy8vvQpaTjH6WqGwOlDjHHVu29",
	};

	for (size_t i = 0; i < ARRAY_LEN(costly); i++) {
		const char *problem = password_hash_problem(str_of(costly[i]));

		is_true(problem && str_starts_with(str_of(problem), STR("its cost")));
	}
}

/* ------------------------------------------------------------ users */

static void a_file_of_users_is_read(void)
{
	struct str text =
		arena_printf(&arena, "# people\n\nada:%s\r\n  bob:%s\n", hashes[0], hashes[4]);
	struct users users;

	diag_init(&diag);
	users_init(&users, &arena);
	users_read(&users, text, STR("users"), (struct place){ 0 }, &diag);
	is_int((int64_t)diag.n_errors, 0);
	is_int((int64_t)users.n_users, 2);
	is_str(users_find(&users, STR("ada"))->hash, str_of(hashes[0]));
	is_str(users_find(&users, STR("bob"))->hash, str_of(hashes[4]));
	is_null(users_find(&users, STR("Ada")));
	is_null(users_find(&users, STR("")));
	users_fini(&users);
	diag_fini(&diag);
}

static void what_is_wrong_with_users_is_said_without_what_they_hide(void)
{
	struct str text = arena_printf(&arena, "sesame\nada:sesame\nbob:%s\nbob:%s\n:%s\n",
				       hashes[0], hashes[0], hashes[0]);
	char long_name[USER_NAME_MAX + 1];
	struct users users;
	struct buf out;

	memset(long_name, 'a', sizeof(long_name));
	diag_init(&diag);
	users_init(&users, &arena);
	users_read(&users, text, STR("users"), (struct place){ 0 }, &diag);
	users_add(&users, STR("a:b"), str_of(hashes[0]), (struct place){ 0 }, &diag);
	users_add(&users, STR("eve"), STR("sesame"), (struct place){ 0 }, &diag);
	users_add(&users, STR("a\nb"), str_of(hashes[0]), (struct place){ 0 }, &diag);
	users_add(&users, (struct str){ long_name, sizeof(long_name) }, str_of(hashes[0]),
		  (struct place){ 0 }, &diag);
	is_int((int64_t)diag.n_errors, 8);
	is_int((int64_t)users.n_users, 1);
	buf_init_arena(&out, &arena);
	diag_write(&diag, &out);
	is_true(str_find(buf_str(&out), STR("users:1: it is not name:hash")) >= 0);
	is_true(str_find(buf_str(&out), STR("users:4: user \"bob\": there is another")) >= 0);
	is_true(str_find(buf_str(&out), STR("htpasswd -nB NAME")) >= 0);
	is_int(str_find(buf_str(&out), STR("sesame")), -1);
	is_int(str_find(buf_str(&out), STR("$2y$04")), -1);
	users_fini(&users);
	diag_fini(&diag);
}

static void a_decoy_is_always_the_same_for_a_name(void)
{
	struct users users;
	const struct user *decoy;
	bool others = false;

	diag_init(&diag);
	users_init(&users, &arena);
	for (int i = 0; i < 40; i++)
		users_add(&users, arena_printf(&arena, "user%d", i), str_of(hashes[0]),
			  (struct place){ 0 }, &diag);
	is_int((int64_t)users.n_users, 40);
	decoy = users_decoy(&users, STR("mallory"));
	for (int i = 0; i < 40; i++) {
		is_ptr(users_decoy(&users, STR("mallory")), decoy);
		others |= users_decoy(&users, arena_printf(&arena, "x%d", i)) != decoy;
	}
	is_true(others);
	users_fini(&users);
	diag_fini(&diag);
}

static int login_of(const char *credentials, struct login *login)
{
	return login_read(str_of(credentials), &arena, login);
}

static void credentials_are_user_and_password(void)
{
	struct login login;
	struct arena none;

	is_int(login_of("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &login), 0); /* of RFC 7617 §2 */
	is_str(login.user, STR("Aladdin"));
	is_str(login.password, STR("open sesame"));
	is_int(login.password.ptr[login.password.len], 0);
	is_int(login_of("dGVzdDoxMjPCow==", &login), 0); /* §2.1: in UTF-8 */
	is_str(login.password, STR("123\xc2\xa3"));
	is_int(login_of("YTpiOmM=", &login), 0); /* a:b:c */
	is_str(login.password, STR("b:c"));
	is_int(login_of("Og==", &login), 0); /* : */
	is_int((int64_t)login.user.len, 0);
	arena_init(&none, 0);
	is_int(login_read(STR("Og=="), &none, &login), -ENOMEM);
	arena_fini(&none);
}

static void other_credentials_are_refused(void)
{
	struct login login;
	char *large = arena_alloc(&arena, 4097);

	is_int(login_of("", &login), -EINVAL);
	is_int(login_of("YWI=", &login), -EINVAL);  /* ab */
	is_int(login_of("YTpi!", &login), -EINVAL); /* no base64 */
	is_int(login_of("YTpi ", &login), -EINVAL);
	is_int(login_of("Og=", &login), -EINVAL);      /* padding */
	is_int(login_of("Oh==", &login), -EINVAL);     /* bits that belong to nothing */
	is_int(login_of("YTpiAGM=", &login), -EINVAL); /* a:b NUL c */
	is_int(login_of("YQE6Yg==", &login), -EINVAL); /* a 0x01 :b */
	memset(large, 'A', 4096);
	large[4096] = '\0';
	is_int(login_of(large, &login), -EINVAL);
	/* a password of 257 letters a */
	memcpy(large, "YTph", 4);
	for (size_t i = 4; i < 4 + 85 * 4; i += 4)
		memcpy(large + i, "YWFh", 4);
	memcpy(large + 4 + 85 * 4, "YQ==", 5);
	is_int(login_of(large, &login), -EINVAL);
	memcpy(large + 4 + 85 * 4, "", 1);
	is_int(login_of(large, &login), 0);
	is_int((int64_t)login.password.len, 256);
}

/* ------------------------------------------------------------ API keys */

static void api_keys_are_found_by_themselves_or_their_digest(void)
{
	struct api_keys keys;

	diag_init(&diag);
	api_keys_init(&keys, &arena);
	api_keys_add(&keys, STR("ci"), STR("0123456789abcdef"), (struct place){ 0 }, &diag);
	/* of "the second of the keys" */
	api_keys_add(&keys, STR("app"),
		     STR("sha256:"
			 "b6fdfd8eeb62c259aabf5975cb99f9250cd1fc89fde9d40e75270e8d8f1889b6"),
		     (struct place){ 0 }, &diag);
	is_int((int64_t)diag.n_errors, 0);
	is_str(api_keys_find(&keys, STR("0123456789abcdef")), STR("ci"));
	is_str(api_keys_find(&keys, STR("the second of the keys")), STR("app"));
	is_null(api_keys_find(&keys, STR("0123456789abcdeF")).ptr);
	is_null(api_keys_find(&keys, STR("0123456789abcde")).ptr);
	is_null(api_keys_find(&keys, STR("")).ptr);
	is_null(api_keys_find(&keys, STR_NONE).ptr);
	api_keys_fini(&keys);
	diag_fini(&diag);
}

static void wrong_api_keys_are_refused_without_being_shown(void)
{
	static const char *const bad[] = { "sha256:", "sha256:zz", "tooshort", "" };
	struct api_keys keys;
	struct buf out;

	diag_init(&diag);
	api_keys_init(&keys, &arena);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		api_keys_add(&keys, STR("k"), str_of(bad[i]), (struct place){ 0 }, &diag);
	is_int((int64_t)diag.n_errors, (int64_t)ARRAY_LEN(bad));
	api_keys_add(&keys, STR("a"), STR("0123456789abcdef"), (struct place){ 0 }, &diag);
	api_keys_add(&keys, STR("b"), STR("0123456789abcdef"), (struct place){ 0 }, &diag);
	is_int((int64_t)diag.n_errors, (int64_t)ARRAY_LEN(bad) + 1);
	buf_init_arena(&out, &arena);
	diag_write(&diag, &out);
	is_int(str_find(buf_str(&out), STR("0123456789")), -1);
	is_int(str_find(buf_str(&out), STR("tooshort")), -1);
	api_keys_fini(&keys);
	diag_fini(&diag);
}

int main(void)
{
	arena_init_required(&arena);
	TEST(hashes_of_all_kinds_are_checked);
	TEST(what_is_no_hash_is_refused);
	TEST(a_hash_that_takes_seconds_is_refused);
	TEST(a_file_of_users_is_read);
	TEST(what_is_wrong_with_users_is_said_without_what_they_hide);
	TEST(a_decoy_is_always_the_same_for_a_name);
	TEST(credentials_are_user_and_password);
	TEST(other_credentials_are_refused);
	TEST(api_keys_are_found_by_themselves_or_their_digest);
	TEST(wrong_api_keys_are_refused_without_being_shown);
	arena_fini(&arena);
	return tap_done();
}
