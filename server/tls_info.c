/* server/tls_info.c */
#include "server/tls_info.h"
#include "core/io/tls.h"
#include <errno.h>
#include <stdlib.h>

static struct str tls_info_put(char **at, struct str text)
{
	struct str copy = { *at, text.len };

	if (!text.ptr)
		return STR_NONE;
	memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

static struct tls_info *tls_info_make(const struct tls *tls, struct str name,
				      const struct tls_peer *peer)
{
	struct tls_info *info =
		calloc(1, sizeof(*info) + name.len + peer->subject.len + peer->issuer.len +
				  peer->serial.len + peer->fingerprint.len);
	char *at;

	if (!info)
		return NULL;
	at = info->bytes;
	info->refs = 1;
	info->version = tls_version(tls);
	info->cipher = tls_cipher(tls);
	info->server_name = tls_info_put(&at, name);
	info->has_client = peer->fingerprint.len > 0;
	info->subject = tls_info_put(&at, peer->subject);
	info->issuer = tls_info_put(&at, peer->issuer);
	info->serial = tls_info_put(&at, peer->serial);
	info->fingerprint = tls_info_put(&at, peer->fingerprint);
	return info;
}

struct tls_info *tls_info_create(const struct tls *tls)
{
	struct tls_peer peer = { .subject = STR_NONE };
	struct tls_info *info = NULL;
	struct arena arena;

	arena_init(&arena, 1 << 20); /* more than a handshake lets in */
	if (tls_peer(tls, &arena, &peer) >= 0)
		info = tls_info_make(tls, str_of(tls_server_name(tls)), &peer);
	arena_fini(&arena);
	return info;
}

struct tls_info *tls_info_ref(struct tls_info *info)
{
	info->refs++;
	return info;
}

void tls_info_unref(struct tls_info *info)
{
	if (info && --info->refs == 0)
		free(info);
}

static int tls_info_client(const struct tls_info *info, struct arena *arena, struct value *ret)
{
	const struct member members[] = {
		{ value_text(STR("subject")), value_text(info->subject) },
		{ value_text(STR("issuer")), value_text(info->issuer) },
		{ value_text(STR("serial")), value_text(info->serial) },
		{ value_text(STR("fingerprint")), value_text(info->fingerprint) },
		{ value_text(STR("verified")), value_bool(true) },
	};
	struct member *copy = arena_alloc(arena, sizeof(members));

	*ret = value_null();
	if (!info->has_client)
		return 0;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, members, sizeof(members));
	*ret = value_object(copy, ARRAY_LEN(members));
	return 0;
}

int tls_info_value(const struct tls_info *info, struct arena *arena, struct str key,
		   struct value *ret)
{
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));
	struct value client;

	*ret = value_null();
	if (!info)
		return 0;
	if (!members || tls_info_client(info, arena, &client) < 0)
		return -ENOMEM;
	members[0] =
		(struct member){ value_text(STR("version")), value_text(str_of(info->version)) };
	members[1] = (struct member){ value_text(STR("cipher")), value_text(str_of(info->cipher)) };
	members[2] = (struct member){ value_text(STR("server_name")),
				      info->server_name.ptr ? value_text(info->server_name)
							    : value_null() };
	members[3] = (struct member){ value_text(STR("client")), client };
	*ret = value_object(members, 4);
	for (size_t i = 0; key.ptr && i < 4; i++)
		if (str_eq(value_str(members[i].key), key))
			*ret = members[i].value;
	return 0;
}
