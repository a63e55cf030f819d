/* SPDX-License-Identifier: BSD-3-Clause */
/* lang.c - the passes one after the other, and the parts that a computation becomes. See lang.h.
 *
 * A computation that steers on some ways and copies on others cannot be one fanout group, which
 * always chooses exactly one: it becomes a group for the packets that are steered and a plain
 * socket for those that are copied, whose filters tell the two apart. One that chooses two members
 * becomes two groups; a packet both of whose values choose the same member is left out by the
 * second one's filter, for which it has to know how many members there are. The index of a member
 * must be the same in both groups: they are joined and left in the same order.
 *
 * Threads: none of its own. */
#include "lang/lang.h"

#include "lang/check.h"
#include "lang/eval.h"
#include "lang/lang_private.h"
#include "lang/lower.h"

#include <stdlib.h>
#include <string.h>

#define KEEPS_ONE (ACCEL_MAKES_STEER | ACCEL_MAKES_DOUBLE)

static struct accel_lang_target group(const struct accel_lang *lang, bool second)
{
	return (struct accel_lang_target){.fanout = true,
					  .second = second,
					  .keeps = second ? ACCEL_MAKES_DOUBLE : KEEPS_ONE,
					  .hash = lang->opt.hash};
}

/* Which sockets does the shape need? */
static void choose_parts(struct accel_lang *lang)
{
	unsigned fans = lang->shape.makes & ACCEL_MAKES_FANOUT;

	if (fans & KEEPS_ONE)
		lang->parts[lang->n_parts++] = group(lang, false);
	if (fans & ACCEL_MAKES_DOUBLE)
		lang->parts[lang->n_parts++] = group(lang, true);
	if (fans & ACCEL_MAKES_COPY || !fans)
		lang->parts[lang->n_parts++] = (struct accel_lang_target){.keeps = ACCEL_MAKES_COPY,
									  .hash = lang->opt.hash};
}

enum accel_lang_block accel_lang_block(const struct accel_lang *lang)
{
	unsigned fans = lang->shape.makes & ACCEL_MAKES_FANOUT;

	if (fans & ACCEL_MAKES_DOUBLE)
		return ACCEL_LANG_DOUBLE;
	if (!(fans & ACCEL_MAKES_STEER))
		return ACCEL_LANG_COPY;
	return fans & ACCEL_MAKES_COPY ? ACCEL_LANG_MIXED : ACCEL_LANG_STEER;
}

unsigned accel_lang_parts(const struct accel_lang *lang,
			  struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS])
{
	for (unsigned i = 0; i < lang->n_parts; i++)
		parts[i] = (struct accel_lang_part){.fanout = lang->parts[i].fanout,
						    .counts_members = lang->parts[i].second};
	return lang->n_parts;
}

int accel_lang_filter(const struct accel_lang *lang, unsigned part, unsigned n_members,
		      const struct sock_filter *tail, unsigned n_tail, struct sock_filter **out,
		      unsigned *n_out, struct accel_err *err)
{
	struct accel_lang_target target = lang->parts[part];
	struct accel_lang_arena arena = {NULL};
	struct accel_lang_source src = lang->src;
	int rc;

	src.arena = &arena;
	src.err = err;
	src.opt = &lang->opt;
	target.fanout = false;
	target.differ_of = target.second ? n_members : 0;
	rc = accel_lang_lower(&src, lang->tree, &target, tail, n_tail, out, n_out);
	accel_lang_arena_fini(&arena);
	return rc;
}

const struct sock_filter *accel_lang_fanout(const struct accel_lang *lang, unsigned part,
					    unsigned *n_out)
{
	*n_out = lang->n_programs[part];
	return lang->programs[part];
}

/* Write every program once: what does not fit is refused now. */
static int lower_parts(struct accel_lang *lang)
{
	for (unsigned i = 0; i < lang->n_parts; i++) {
		struct sock_filter *filter = NULL;
		unsigned n = 0;
		int rc = accel_lang_filter(lang, i, 2, NULL, 0, &filter, &n, lang->src.err);

		free(filter);
		if (!rc && lang->parts[i].fanout)
			rc = accel_lang_lower(&lang->src, lang->tree, &lang->parts[i], NULL, 0,
					      &lang->programs[i], &lang->n_programs[i]);
		if (rc)
			return rc;
	}
	return 0;
}

/* The text and its name outlive the caller's. */
static int keep_text(struct accel_lang *lang, const char *name, const char *text, size_t len)
{
	size_t name_len = strlen(name);
	char *own_name = accel_lang_alloc(&lang->arena, name_len + 1);
	char *own_text = accel_lang_alloc(&lang->arena, len + 1);

	if (!own_name || !own_text)
		return accel_lang_fail_memory(&lang->src);
	memcpy(own_name, name, name_len);
	if (len)
		memcpy(own_text, text, len);
	lang->src.name = own_name;
	lang->src.text = own_text;
	return 0;
}

static int compile(struct accel_lang *lang, const char *name, const char *text, size_t len)
{
	int rc = 0;

	if (len <= ACCEL_LANG_MAX_LEN)
		rc = keep_text(lang, name, text, len);
	if (!rc)
		rc = accel_lang_lex(&lang->src, &lang->tokens, &lang->n_tokens);
	if (!rc)
		rc = accel_lang_parse(&lang->src, lang->tokens, &lang->expr);
	if (!rc)
		rc = accel_lang_check(&lang->src, lang->expr, &lang->tree);
	if (rc)
		return rc;
	accel_lang_find_shape(lang->tree, &lang->shape);
	choose_parts(lang);
	return lower_parts(lang);
}

int accel_lang_compile(const char *name, const char *text, size_t len,
		       const struct accel_lang_options *opt, struct accel_lang **out,
		       struct accel_err *err)
{
	static const struct accel_lang_options defaults;
	struct accel_lang *lang = calloc(1, sizeof(*lang));
	struct accel_lang_source none = {.name = name, .err = err};
	int rc;

	if (!lang)
		return accel_lang_fail_memory(&none);
	lang->opt = opt ? *opt : defaults;
	if (lang->opt.where)
		*lang->opt.where = (struct accel_lang_where){.line = 1, .column = 1};
	lang->src = (struct accel_lang_source){.name = name,
					       .text = text,
					       .len = len,
					       .opt = &lang->opt,
					       .arena = &lang->arena,
					       .err = err};
	rc = compile(lang, name, text, len);
	lang->src.err = NULL;
	lang->opt.where = NULL;
	if (rc) {
		accel_lang_free(lang);
		return rc;
	}
	*out = lang;
	return 0;
}

void accel_lang_free(struct accel_lang *lang)
{
	if (!lang)
		return;
	for (unsigned i = 0; i < lang->n_parts; i++)
		free(lang->programs[i]);
	accel_lang_arena_fini(&lang->arena);
	free(lang);
}

void accel_lang_eval(const struct accel_lang *lang, const uint8_t *data, uint32_t len,
		     const struct accel_bpf_aux *aux, struct accel_lang_verdict *out)
{
	struct accel_lang_view view;

	accel_lang_view_init(&view, data, len, aux);
	accel_lang_run(lang->tree, lang->opt.hash, &view, out);
}
