/* server/schema/format_host.c: hosts, addresses, mail. */
#include "core/base/check.h"
#include "server/schema/format.h"
#include <arpa/inet.h>

static bool is_alnum(char c)
{
	return char_is_alpha(c) || char_is_digit(c);
}

static bool format_is_label(struct str label)
{
	if (label.len == 0 || label.len > 63 || !is_alnum(label.ptr[0]) ||
	    !is_alnum(label.ptr[label.len - 1]))
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
	return true;
}

bool format_is_hostname(struct str text)
{
	struct str label;

	if (text.len == 0 || text.len > 253)
		return false;
	while (str_next_part(&text, '.', &label))
		if (!format_is_label(label))
			return false;
	return true;
}

/* A host whose labels may hold letters past ASCII; what IDNA says of them is not looked at. */
static bool format_is_idn_host(struct str text)
{
	struct str label;

	if (text.len == 0 || text.len > 253 || !str_is_utf8(text))
		return false;
	while (str_next_part(&text, '.', &label)) {
		if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-' &&
			    (unsigned char)label.ptr[i] < 0x80)
				return false;
	}
	return true;
}

bool format_is_ipv4(struct str text)
{
	struct str part;
	unsigned n_parts = 0;

	if (text.len < 7 || text.len > 15)
		return false;
	while (str_next_part(&text, '.', &part)) {
		uint64_t number;

		n_parts++;
		if (part.len == 0 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') ||
		    str_to_u64(part, &number) < 0 || number > 255)
			return false;
	}
	return n_parts == 4;
}

bool format_is_ipv6(struct str text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET6, copy, &addr) == 1;
}

static bool format_is_mail_domain(struct str domain, bool idn)
{
	if (domain.len < 2 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
		return idn ? format_is_idn_host(domain) : format_is_hostname(domain);
	domain = (struct str){ domain.ptr + 1, domain.len - 2 };
	if (domain.len > 5 && str_eq_nocase(str_first(domain, 5), STR("IPv6:")))
		return format_is_ipv6(str_skip(domain, 5));
	return format_is_ipv4(domain);
}

static bool format_is_quoted(struct str local, bool idn)
{
	for (size_t i = 1; i + 1 < local.len; i++) {
		char c = local.ptr[i];

		if (c == '\\' && i + 2 == local.len) /* the quote at the end is escaped */
			return false;
		if (c == '\\')
			c = local.ptr[++i];
		else if (c == '"')
			return false;
		if ((unsigned char)c < 0x20 || c == 0x7f || (!idn && (unsigned char)c >= 0x80))
			return false;
	}
	return true;
}

static bool format_is_atom(struct str atom, bool idn)
{
	for (size_t i = 0; i < atom.len; i++) {
		char c = atom.ptr[i];

		if (!is_alnum(c) && (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", c)) &&
		    (!idn || (unsigned char)c < 0x80))
			return false;
	}
	return atom.len > 0;
}

static bool format_is_mail_local(struct str local, bool idn)
{
	struct str atom;

	if (local.len == 0 || local.len > 64 || (idn && !str_is_utf8(local)))
		return false;
	if (local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"')
		return format_is_quoted(local, idn);
	while (str_next_part(&local, '.', &atom))
		if (!format_is_atom(atom, idn))
			return false;
	return true;
}

static bool format_is_mail(struct str text, bool idn)
{
	size_t at = text.len;

	while (at > 0 && text.ptr[at - 1] != '@')
		at--;
	return at > 0 && format_is_mail_local(str_first(text, at - 1), idn) &&
	       format_is_mail_domain(str_skip(text, at), idn);
}

bool format_is_email(struct str text)
{
	return format_is_mail(text, false);
}

bool format_is_idn_email(struct str text)
{
	return format_is_mail(text, true);
}
