/* server/files/mime.c */
#include "server/files/mime.h"
#include "core/base/check.h"

static const struct {
	struct str ending, type;
} types[] = {
#define TEXT(ending, type)                                                                         \
	{                                                                                          \
		STR_INIT(ending), STR_INIT(type "; charset=utf-8")                                 \
	}
#define TYPE(ending, type)                                                                         \
	{                                                                                          \
		STR_INIT(ending), STR_INIT(type)                                                   \
	}
	TEXT("html", "text/html"),
	TEXT("htm", "text/html"),
	TEXT("css", "text/css"),
	TEXT("js", "text/javascript"),
	TEXT("mjs", "text/javascript"),
	TEXT("txt", "text/plain"),
	TEXT("md", "text/markdown"),
	TEXT("csv", "text/csv"),
	TEXT("vtt", "text/vtt"),
	TEXT("ics", "text/calendar"),
	TEXT("xml", "text/xml"),
	TYPE("json", "application/json"),
	TYPE("map", "application/json"),
	TYPE("webmanifest", "application/manifest+json"),
	TYPE("rss", "application/rss+xml"),
	TYPE("atom", "application/atom+xml"),
	TYPE("xhtml", "application/xhtml+xml"),
	TYPE("wasm", "application/wasm"),
	TYPE("pdf", "application/pdf"),
	TYPE("zip", "application/zip"),
	TYPE("gz", "application/gzip"),
	TYPE("zst", "application/zstd"),
	TYPE("tar", "application/x-tar"),
	TYPE("svg", "image/svg+xml"),
	TYPE("png", "image/png"),
	TYPE("jpg", "image/jpeg"),
	TYPE("jpeg", "image/jpeg"),
	TYPE("gif", "image/gif"),
	TYPE("webp", "image/webp"),
	TYPE("avif", "image/avif"),
	TYPE("ico", "image/vnd.microsoft.icon"),
	TYPE("bmp", "image/bmp"),
	TYPE("woff", "font/woff"),
	TYPE("woff2", "font/woff2"),
	TYPE("ttf", "font/ttf"),
	TYPE("otf", "font/otf"),
	TYPE("mp3", "audio/mpeg"),
	TYPE("ogg", "audio/ogg"),
	TYPE("opus", "audio/ogg"),
	TYPE("wav", "audio/wav"),
	TYPE("flac", "audio/flac"),
	TYPE("m4a", "audio/mp4"),
	TYPE("mp4", "video/mp4"),
	TYPE("webm", "video/webm"),
	TYPE("mov", "video/quicktime"),
#undef TEXT
#undef TYPE
};

struct str mime_type(struct str name)
{
	size_t dot = name.len;

	while (dot > 0 && name.ptr[dot - 1] != '.' && name.ptr[dot - 1] != '/')
		dot--;
	if (dot > 0 && name.ptr[dot - 1] == '.')
		for (size_t i = 0; i < ARRAY_LEN(types); i++)
			if (str_eq_nocase(types[i].ending, str_skip(name, dot)))
				return types[i].type;
	return STR("application/octet-stream");
}
