/* SPDX-License-Identifier: BSD-3-Clause */
/* btf.c - see btf.h. Everything that is read is checked against the end first. */
#include "bpf/btf.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <string.h>

#define N_KINDS 20

/* Bytes behind a type: for all, and for each of its members. */
static const struct {
	uint8_t fixed, each;
} tails[N_KINDS] = {
	[BTF_KIND_INT] = {4, 0},
	[BTF_KIND_ARRAY] = {sizeof(struct btf_array), 0},
	[BTF_KIND_STRUCT] = {0, sizeof(struct btf_member)},
	[BTF_KIND_UNION] = {0, sizeof(struct btf_member)},
	[BTF_KIND_ENUM] = {0, sizeof(struct btf_enum)},
	[BTF_KIND_FUNC_PROTO] = {0, sizeof(struct btf_param)},
	[BTF_KIND_VAR] = {sizeof(struct btf_var), 0},
	[BTF_KIND_DATASEC] = {0, sizeof(struct btf_var_secinfo)},
	[BTF_KIND_DECL_TAG] = {sizeof(struct btf_decl_tag), 0},
	[BTF_KIND_ENUM64] = {0, sizeof(struct btf_enum64)},
};

struct sections {
	const uint8_t *types, *strings;
	size_t types_len, strings_len;
};

static bool find_sections(const uint8_t *btf, size_t len, struct sections *s)
{
	struct btf_header h;
	size_t body;

	if (len < sizeof(h))
		return false;
	memcpy(&h, btf, sizeof(h));
	if (h.magic != BTF_MAGIC || h.hdr_len < sizeof(h) || h.hdr_len > len)
		return false;
	body = len - h.hdr_len;
	if (h.type_off > body || h.type_len > body - h.type_off || h.str_off > body ||
	    h.str_len > body - h.str_off)
		return false;
	s->types = btf + h.hdr_len + h.type_off;
	s->types_len = h.type_len;
	s->strings = btf + h.hdr_len + h.str_off;
	s->strings_len = h.str_len;
	return true;
}

static bool is_named(const struct sections *s, uint32_t offset, const char *name)
{
	size_t len = strlen(name) + 1; /* the NUL belongs to it */

	return offset < s->strings_len && len <= s->strings_len - offset &&
	       !memcmp(s->strings + offset, name, len);
}

int32_t accel_btf_find_func(const void *btf, size_t len, const char *name)
{
	struct sections s;
	size_t at = 0;

	if (!find_sections(btf, len, &s))
		return -EINVAL;
	for (int32_t id = 1; at < s.types_len; id++) {
		struct btf_type type;
		unsigned kind;

		if (s.types_len - at < sizeof(type))
			return -EINVAL;
		memcpy(&type, s.types + at, sizeof(type));
		kind = BTF_INFO_KIND(type.info);
		if (kind >= N_KINDS)
			return -EINVAL;
		if (kind == BTF_KIND_FUNC && is_named(&s, type.name_off, name))
			return id;
		at += sizeof(type) + tails[kind].fixed +
		      (size_t)tails[kind].each * BTF_INFO_VLEN(type.info);
	}
	return at == s.types_len ? -ENOENT : -EINVAL;
}

/* int main(void), the type of both functions: the kernel asks for the arguments of none. */
static const struct {
	struct btf_header head;
	struct btf_type int_type;
	uint32_t int_bits;
	struct btf_type proto, func;
	char strings[sizeof("\0int\0pcap_accel")];
} __attribute__((packed)) functions = {
	.head = {.magic = BTF_MAGIC,
		 .version = BTF_VERSION,
		 .hdr_len = sizeof(struct btf_header),
		 .type_len = 3 * sizeof(struct btf_type) + sizeof(uint32_t),
		 .str_off = 3 * sizeof(struct btf_type) + sizeof(uint32_t),
		 .str_len = sizeof("\0int\0pcap_accel")},
	.int_type = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
	.int_bits = BTF_INT_SIGNED << 24 | 32,
	.proto = {.info = BTF_KIND_FUNC_PROTO << 24, .type = 1},
	.func = {.name_off = 5, .info = BTF_KIND_FUNC << 24, .type = 2},
	.strings = "\0int\0pcap_accel",
};

const void *accel_btf_of_functions(size_t *len, uint32_t *func)
{
	*len = sizeof(functions);
	*func = 3;
	return &functions;
}
