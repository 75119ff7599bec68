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
	TEXT("cjs", "text/javascript"),
	TEXT("txt", "text/plain"),
	TEXT("text", "text/plain"),
	TEXT("log", "text/plain"),
	TEXT("conf", "text/plain"),
	TEXT("md", "text/markdown"),
	TEXT("markdown", "text/markdown"),
	TEXT("csv", "text/csv"),
	TEXT("tsv", "text/tab-separated-values"),
	TEXT("vtt", "text/vtt"),
	TEXT("vcf", "text/vcard"),
	TEXT("ics", "text/calendar"),
	TEXT("xml", "text/xml"),
	TEXT("xsl", "text/xml"),
	TEXT("xsd", "text/xml"),
	TYPE("yaml", "application/yaml"),
	TYPE("yml", "application/yaml"),
	TYPE("json", "application/json"),
	TYPE("map", "application/json"),
	TYPE("jsonld", "application/ld+json"),
	TYPE("geojson", "application/geo+json"),
	TYPE("ndjson", "application/x-ndjson"),
	TYPE("webmanifest", "application/manifest+json"),
	TYPE("rss", "application/rss+xml"),
	TYPE("atom", "application/atom+xml"),
	TYPE("xhtml", "application/xhtml+xml"),
	TYPE("wasm", "application/wasm"),
	TYPE("pdf", "application/pdf"),
	TYPE("ps", "application/postscript"),
	TYPE("rtf", "application/rtf"),
	TYPE("epub", "application/epub+zip"),
	TYPE("zip", "application/zip"),
	TYPE("jar", "application/java-archive"),
	TYPE("gz", "application/gzip"),
	TYPE("tgz", "application/gzip"),
	TYPE("bz2", "application/x-bzip2"),
	TYPE("xz", "application/x-xz"),
	TYPE("zst", "application/zstd"),
	TYPE("7z", "application/x-7z-compressed"),
	TYPE("rar", "application/vnd.rar"),
	TYPE("tar", "application/x-tar"),
	TYPE("deb", "application/vnd.debian.binary-package"),
	TYPE("rpm", "application/x-rpm"),
	TYPE("apk", "application/vnd.android.package-archive"),
	TYPE("sql", "application/sql"),
	TYPE("toml", "application/toml"),
	TYPE("doc", "application/msword"),
	TYPE("xls", "application/vnd.ms-excel"),
	TYPE("ppt", "application/vnd.ms-powerpoint"),
	TYPE("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
	TYPE("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
	TYPE("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
	TYPE("odt", "application/vnd.oasis.opendocument.text"),
	TYPE("ods", "application/vnd.oasis.opendocument.spreadsheet"),
	TYPE("odp", "application/vnd.oasis.opendocument.presentation"),
	TYPE("m3u8", "application/vnd.apple.mpegurl"),
	TYPE("mpd", "application/dash+xml"),
	TYPE("eot", "application/vnd.ms-fontobject"),
	TYPE("svg", "image/svg+xml"),
	TYPE("png", "image/png"),
	TYPE("apng", "image/apng"),
	TYPE("jpg", "image/jpeg"),
	TYPE("jpeg", "image/jpeg"),
	TYPE("gif", "image/gif"),
	TYPE("webp", "image/webp"),
	TYPE("avif", "image/avif"),
	TYPE("heic", "image/heic"),
	TYPE("jxl", "image/jxl"),
	TYPE("tif", "image/tiff"),
	TYPE("tiff", "image/tiff"),
	TYPE("ico", "image/vnd.microsoft.icon"),
	TYPE("bmp", "image/bmp"),
	TYPE("woff", "font/woff"),
	TYPE("woff2", "font/woff2"),
	TYPE("ttf", "font/ttf"),
	TYPE("otf", "font/otf"),
	TYPE("ttc", "font/collection"),
	TYPE("mp3", "audio/mpeg"),
	TYPE("oga", "audio/ogg"),
	TYPE("ogg", "audio/ogg"),
	TYPE("opus", "audio/ogg"),
	TYPE("wav", "audio/wav"),
	TYPE("flac", "audio/flac"),
	TYPE("aac", "audio/aac"),
	TYPE("weba", "audio/webm"),
	TYPE("m4a", "audio/mp4"),
	TYPE("mid", "audio/midi"),
	TYPE("midi", "audio/midi"),
	TYPE("mp4", "video/mp4"),
	TYPE("m4v", "video/mp4"),
	TYPE("webm", "video/webm"),
	TYPE("ogv", "video/ogg"),
	TYPE("mov", "video/quicktime"),
	TYPE("mkv", "video/matroska"),
	TYPE("avi", "video/x-msvideo"),
	TYPE("mpeg", "video/mpeg"),
	TYPE("mpg", "video/mpeg"),
	TYPE("ts", "video/mp2t"),
	TYPE("3gp", "video/3gpp"),
	TYPE("glb", "model/gltf-binary"),
	TYPE("gltf", "model/gltf+json"),
	TYPE("stl", "model/stl"),
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
