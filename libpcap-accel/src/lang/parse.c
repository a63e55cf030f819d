/* SPDX-License-Identifier: BSD-3-Clause */
/* parse.c - recursive descent over the grammar of parse.h.
 *
 * Each function returns 0 or the error that was written; a tree goes out through a pointer.
 * Threads: none of its own. */
#include "lang/parse.h"

#include "base/str.h"
#include "lang/lang.h"

#include <errno.h>
#include <string.h>

struct parser {
	const struct accel_lang_source *src;
	const struct accel_lang_token *at;
	const struct accel_lang_token *before; /* the token that was taken last, or NULL */
	unsigned depth;
};

static int parse_chain(struct parser *p, struct accel_lang_expr **out);

static const struct accel_lang_token *take(struct parser *p)
{
	p->before = p->at;
	return p->at++;
}

static struct accel_lang_expr *new_expr(struct parser *p, enum accel_lang_syntax kind,
					const struct accel_lang_token *token)
{
	struct accel_lang_expr *expr = accel_lang_alloc(p->src->arena, sizeof(*expr));

	if (!expr)
		return NULL;
	expr->kind = kind;
	expr->token = token;
	expr->span = token->span;
	return expr;
}

/* Append `kid`; *last is the one before it, or NULL. */
static void add_kid(struct accel_lang_expr *expr, struct accel_lang_expr **last,
		    struct accel_lang_expr *kid)
{
	uint32_t end = ACCEL_MAX(kid->span.at + kid->span.len, expr->span.at + expr->span.len);

	if (*last)
		(*last)->next = kid;
	else
		expr->kids = kid;
	*last = kid;
	expr->n_kids++;
	expr->span.at = ACCEL_MIN(expr->span.at, kid->span.at);
	expr->span.len = end - expr->span.at;
}

/* The token's own text, for an error. */
static const char *quote_token(const struct parser *p, const struct accel_lang_token *token,
			       struct accel_quote *quote)
{
	return accel_quote(quote, p->src->text + token->span.at, token->span.len);
}

static int fail_missing(const struct parser *p, const char *what)
{
	struct accel_quote found, before;

	if (p->at->kind == ACCEL_TOK_END && !p->before)
		return accel_lang_fail(p->src, p->at->span, -EINVAL,
				       "the computation is empty (steer_flow)");
	if (p->at->kind == ACCEL_TOK_END)
		return accel_lang_fail(p->src, p->at->span, -EINVAL,
				       "the text ends behind '%s' (%s is missing)",
				       quote_token(p, p->before, &before), what);
	return accel_lang_fail(p->src, p->at->span, -EINVAL, "'%s' where %s is needed",
			       quote_token(p, p->at, &found), what);
}

static int expect(struct parser *p, enum accel_lang_tok kind)
{
	if (p->at->kind != kind)
		return fail_missing(p, accel_lang_tok_name(kind));
	take(p);
	return 0;
}

static bool starts_argument(const struct accel_lang_token *token)
{
	switch (token->kind) {
	case ACCEL_TOK_NAME:
	case ACCEL_TOK_NUMBER:
	case ACCEL_TOK_STRING:
	case ACCEL_TOK_OPEN:
	case ACCEL_TOK_OPEN_LIST:
		return true;
	default:
		return false;
	}
}

static int enter(struct parser *p)
{
	if (++p->depth > ACCEL_LANG_MAX_DEPTH)
		return accel_lang_fail(p->src, p->at->span, -EINVAL,
				       "nested too deep (at most %u levels)", ACCEL_LANG_MAX_DEPTH);
	return 0;
}

static int parse_argument(struct parser *p, struct accel_lang_expr **out);

static int parse_list(struct parser *p, struct accel_lang_expr **out)
{
	struct accel_lang_expr *list = new_expr(p, ACCEL_SYN_LIST, take(p)), *kid, *last = NULL;
	int rc = 0;

	if (!list)
		return accel_lang_fail_memory(p->src);
	while (!rc && p->at->kind != ACCEL_TOK_CLOSE_LIST) {
		if (p->at->kind == ACCEL_TOK_END)
			return accel_lang_fail(p->src, list->token->span, -EINVAL,
					       "'[' without its ']'");
		if (last)
			rc = expect(p, ACCEL_TOK_COMMA);
		if (!rc)
			rc = parse_argument(p, &kid);
		if (!rc)
			add_kid(list, &last, kid);
	}
	if (rc)
		return rc;
	list->span.len = take(p)->span.at + 1 - list->span.at;
	*out = list;
	return 0;
}

static int parse_parentheses(struct parser *p, struct accel_lang_expr **out)
{
	const struct accel_lang_token *opened = take(p);
	int rc = parse_chain(p, out);

	if (rc)
		return rc;
	if (p->at->kind == ACCEL_TOK_END)
		return accel_lang_fail(p->src, opened->span, -EINVAL, "'(' without its ')'");
	return expect(p, ACCEL_TOK_CLOSE);
}

static int parse_argument(struct parser *p, struct accel_lang_expr **out)
{
	static const enum accel_lang_syntax kinds[] = {[ACCEL_TOK_NAME] = ACCEL_SYN_APPLY,
						       [ACCEL_TOK_NUMBER] = ACCEL_SYN_NUMBER,
						       [ACCEL_TOK_STRING] = ACCEL_SYN_STRING};
	int rc;

	if (!starts_argument(p->at))
		return fail_missing(p, "a function or a value");
	if (p->at->kind != ACCEL_TOK_OPEN && p->at->kind != ACCEL_TOK_OPEN_LIST) {
		*out = new_expr(p, kinds[p->at->kind], p->at);
		take(p);
		return *out ? 0 : accel_lang_fail_memory(p->src);
	}
	rc = enter(p);
	if (rc)
		return rc;
	rc = p->at->kind == ACCEL_TOK_OPEN ? parse_parentheses(p, out) : parse_list(p, out);
	p->depth--;
	return rc;
}

static int parse_if(struct parser *p, struct accel_lang_expr **out)
{
	struct accel_lang_expr *expr = new_expr(p, ACCEL_SYN_IF, p->at), *kid, *last = NULL;
	int rc = enter(p);

	if (!expr)
		return accel_lang_fail_memory(p->src);
	for (enum accel_lang_tok word = ACCEL_TOK_IF; !rc && word <= ACCEL_TOK_ELSE; word++) {
		rc = expect(p, word);
		if (!rc)
			rc = parse_chain(p, &kid);
		if (!rc)
			add_kid(expr, &last, kid);
	}
	p->depth--;
	*out = expr;
	return rc;
}

/* Words of Haskell that are none of ours. */
static int check_word(const struct parser *p, const struct accel_lang_expr *head)
{
	static const char *const words[] = {"let", "where", "do", "import", "case", "of", "in"};
	const char *name = p->src->text + head->span.at;

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(words); i++)
		if (strlen(words[i]) == head->span.len && !memcmp(name, words[i], head->span.len))
			return accel_lang_fail(p->src, head->span, -EINVAL,
					       "'%s' is Haskell's (functions are joined by '>->')",
					       words[i]);
	return 0;
}

/* The arguments behind a name. */
static int parse_arguments(struct parser *p, struct accel_lang_expr *head)
{
	struct accel_lang_expr *kid, *last = NULL;
	int rc = check_word(p, head);

	while (!rc && starts_argument(p->at)) {
		rc = parse_argument(p, &kid);
		if (!rc)
			add_kid(head, &last, kid);
	}
	if (rc || p->at->kind != ACCEL_TOK_DOLLAR)
		return rc;
	take(p);
	rc = enter(p);
	if (!rc)
		rc = parse_chain(p, &kid);
	if (rc)
		return rc;
	p->depth--;
	add_kid(head, &last, kid);
	return 0;
}

static int parse_application(struct parser *p, struct accel_lang_expr **out)
{
	bool is_name = p->at->kind == ACCEL_TOK_NAME;
	struct accel_quote quote;
	int rc;

	if (p->at->kind == ACCEL_TOK_IF)
		return parse_if(p, out);
	rc = parse_argument(p, out);
	if (!rc && is_name)
		return parse_arguments(p, *out);
	if (!rc && starts_argument(p->at))
		return accel_lang_fail(p->src, p->at->span, -EINVAL,
				       "'%s' follows what is no function (join with '>->')",
				       quote_token(p, p->at, &quote));
	return rc;
}

static int parse_comparison(struct parser *p, struct accel_lang_expr **out)
{
	struct accel_lang_expr *left, *right, *expr, *last = NULL;
	int rc = parse_application(p, &left);

	if (rc)
		return rc;
	*out = left;
	if (p->at->kind != ACCEL_TOK_COMPARE)
		return 0;
	expr = new_expr(p, ACCEL_SYN_COMPARE, take(p));
	if (!expr)
		return accel_lang_fail_memory(p->src);
	rc = parse_application(p, &right);
	if (rc)
		return rc;
	if (p->at->kind == ACCEL_TOK_COMPARE)
		return accel_lang_fail(p->src, p->at->span, -EINVAL,
				       "comparisons do not follow each other (join with '.&&.')");
	add_kid(expr, &last, left);
	add_kid(expr, &last, right);
	*out = expr;
	return 0;
}

/* The operators that join, the loosest first. Behind the last: comparisons. */
static const struct {
	enum accel_lang_tok token;
	enum accel_lang_syntax kind;
} levels[] = {
	{ACCEL_TOK_ARROW, ACCEL_SYN_CHAIN},
	{ACCEL_TOK_OR, ACCEL_SYN_OR},
	{ACCEL_TOK_XOR, ACCEL_SYN_XOR},
	{ACCEL_TOK_AND, ACCEL_SYN_AND},
};

static int parse_level(struct parser *p, unsigned level, struct accel_lang_expr **out)
{
	struct accel_lang_expr *expr = NULL, *kid, *last = NULL;
	int rc;

	if (level == ACCEL_ARRAY_LEN(levels))
		return parse_comparison(p, out);
	rc = parse_level(p, level + 1, &kid);
	if (rc)
		return rc;
	*out = kid;
	while (p->at->kind == levels[level].token) {
		if (!expr) {
			expr = new_expr(p, levels[level].kind, p->at);
			if (!expr)
				return accel_lang_fail_memory(p->src);
			add_kid(expr, &last, kid);
			*out = expr;
		}
		take(p);
		rc = parse_level(p, level + 1, &kid);
		if (rc)
			return rc;
		add_kid(expr, &last, kid);
	}
	return 0;
}

static int parse_chain(struct parser *p, struct accel_lang_expr **out)
{
	return parse_level(p, 0, out);
}

int accel_lang_parse(const struct accel_lang_source *src, const struct accel_lang_token *tokens,
		     struct accel_lang_expr **out)
{
	struct parser p = {.src = src, .at = tokens};
	struct accel_quote quote;
	int rc;

	if (tokens[0].kind == ACCEL_TOK_NAME && tokens[1].kind == ACCEL_TOK_ASSIGN) {
		if (tokens[0].span.len != 4 || memcmp(src->text + tokens[0].span.at, "main", 4))
			return accel_lang_fail(src, tokens[0].span, -EINVAL,
					       "only 'main' can be defined (main = ...)");
		take(&p);
		take(&p);
	}
	rc = parse_chain(&p, out);
	if (!rc && p.at->kind != ACCEL_TOK_END)
		return accel_lang_fail(src, p.at->span, -EINVAL,
				       "'%s' does not belong here (join with '>->')",
				       quote_token(&p, p.at, &quote));
	return rc;
}
