/* SPDX-License-Identifier: BSD-3-Clause */
/* lex.c - reads tokens. See lex.h for what they are. */
#include "lang/lex.h"

#include "base/num.h"
#include "base/str.h"
#include "lang/lang.h"

#include <errno.h>
#include <string.h>

struct lexer {
	const struct accel_lang_source *src;
	size_t at;
	struct accel_lang_token *tokens;
	unsigned n;
};

/* Longer ones first: the first that fits is taken. */
static const struct operator
{
	const char *text;
	enum accel_lang_tok kind;
	enum accel_lang_cmp cmp;
	bool property_right;
}
operators[] = {
	{".&&.", ACCEL_TOK_AND, 0, false},
	{".||.", ACCEL_TOK_OR, 0, false},
	{".^^.", ACCEL_TOK_XOR, 0, false},
	{">->", ACCEL_TOK_ARROW, 0, false},
	{".<=", ACCEL_TOK_COMPARE, ACCEL_CMP_LESS_EQ, false},
	{".==", ACCEL_TOK_COMPARE, ACCEL_CMP_EQUAL, false},
	{"./=", ACCEL_TOK_COMPARE, ACCEL_CMP_NOT_EQUAL, false},
	{".>=", ACCEL_TOK_COMPARE, ACCEL_CMP_GREATER_EQ, false},
	{"<=.", ACCEL_TOK_COMPARE, ACCEL_CMP_GREATER_EQ, true},
	{"==.", ACCEL_TOK_COMPARE, ACCEL_CMP_EQUAL, true},
	{"/=.", ACCEL_TOK_COMPARE, ACCEL_CMP_NOT_EQUAL, true},
	{">=.", ACCEL_TOK_COMPARE, ACCEL_CMP_LESS_EQ, true},
	{".<", ACCEL_TOK_COMPARE, ACCEL_CMP_LESS, false},
	{".>", ACCEL_TOK_COMPARE, ACCEL_CMP_GREATER, false},
	{"<.", ACCEL_TOK_COMPARE, ACCEL_CMP_GREATER, true},
	{">.", ACCEL_TOK_COMPARE, ACCEL_CMP_LESS, true},
	{"$", ACCEL_TOK_DOLLAR, 0, false},
	{"=", ACCEL_TOK_ASSIGN, 0, false},
	{"(", ACCEL_TOK_OPEN, 0, false},
	{")", ACCEL_TOK_CLOSE, 0, false},
	{"[", ACCEL_TOK_OPEN_LIST, 0, false},
	{"]", ACCEL_TOK_CLOSE_LIST, 0, false},
	{",", ACCEL_TOK_COMMA, 0, false},
};

/* What people write who know other languages, and what they mean. */
static const struct {
	const char *text, *hint;
} strangers[] = {
	{"=>", ">->"}, {"->", ">->"}, {">>", ">->"}, {"&&", ".&&."}, {"||", ".||."}, {"^^", ".^^."},
	{"==", ".=="}, {"/=", "./="}, {"!=", "./="}, {"<=", ".<="},  {">=", ".>="},  {"<", ".<"},
	{">", ".>"},   {"&", ".&&."}, {"|", ".||."}, {"^", ".^^."},  {"!", "not"},   {"//", "--"},
	{"#", "--"},   {"'", "\""},   {";", ">->"},  {"{", "("},     {"}", ")"},
};

const char *accel_lang_tok_name(enum accel_lang_tok kind)
{
	static const char *const names[] = {
		"end",	  "name",	"number", "string", "'>->'",  "'.&&.'", "'.||.'",
		"'.^^.'", "comparison", "'$'",	  "'='",    "'('",    "')'",	"'['",
		"']'",	  "','",	"'if'",	  "'then'", "'else'",
	};

	return names[kind];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
	return is_name_start(c) || is_digit(c) || c == '\'';
}

static bool begins(const struct lexer *lex, const char *word)
{
	size_t n = strlen(word);

	return lex->src->len - lex->at >= n && !memcmp(lex->src->text + lex->at, word, n);
}

static struct accel_lang_span here(const struct lexer *lex, size_t len)
{
	return (struct accel_lang_span){(uint32_t)lex->at, (uint32_t)len};
}

/* The byte at the cursor; 0 at the end. */
static char peek(const struct lexer *lex)
{
	return lex->at < lex->src->len ? lex->src->text[lex->at] : '\0';
}

/* Step over one character that is text. */
static int take_char(struct lexer *lex)
{
	size_t n = accel_utf8_len(lex->src->text + lex->at, lex->src->len - lex->at);
	unsigned char c = (unsigned char)peek(lex);

	if (!n)
		return accel_lang_fail(lex->src, here(lex, 1), -EILSEQ,
				       "not UTF-8 (is this a computation?)");
	if (!c)
		return accel_lang_fail(lex->src, here(lex, 1), -EILSEQ,
				       "a NUL byte (is this a computation?)");
	if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
		return accel_lang_fail(lex->src, here(lex, 1), -EINVAL,
				       "a control byte (remove it)");
	lex->at += n;
	return 0;
}

static int skip_line_comment(struct lexer *lex)
{
	int rc = 0;

	while (!rc && lex->at < lex->src->len && peek(lex) != '\n')
		rc = take_char(lex);
	return rc;
}

static int skip_block_comment(struct lexer *lex)
{
	struct accel_lang_span opened = here(lex, 2);
	unsigned depth = 0;
	int rc;

	do {
		if (lex->at >= lex->src->len)
			return accel_lang_fail(lex->src, opened, -EINVAL,
					       "a comment without its end (-})");
		if (begins(lex, "{-") || begins(lex, "-}")) {
			depth = begins(lex, "{-") ? depth + 1 : depth - 1;
			lex->at += 2;
			continue;
		}
		rc = take_char(lex);
		if (rc)
			return rc;
	} while (depth);
	return 0;
}

static int skip_blanks(struct lexer *lex)
{
	int rc = 0;

	while (!rc && lex->at < lex->src->len) {
		char c = peek(lex);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			lex->at++;
		else if (begins(lex, "--"))
			rc = skip_line_comment(lex);
		else if (begins(lex, "{-"))
			rc = skip_block_comment(lex);
		else
			return 0;
	}
	return rc;
}

static int take_number(struct lexer *lex, struct accel_lang_token *token)
{
	const char *start = lex->src->text + lex->at;
	struct accel_quote quote;
	size_t len, sign;
	int rc;

	token->negative = *start == '-';
	sign = token->negative;
	lex->at += sign;
	while (is_name(peek(lex)))
		lex->at++;
	len = (size_t)(lex->src->text + lex->at - start);
	token->span.len = (uint32_t)len;
	token->kind = ACCEL_TOK_NUMBER;
	rc = accel_parse_number(start + sign, len - sign, &token->number);
	if (rc == -ERANGE)
		return accel_lang_fail(lex->src, token->span, rc,
				       "the number %s is too large (at most 64 bits)",
				       accel_quote(&quote, start, len));
	if (rc)
		return accel_lang_fail(
			lex->src, token->span, rc,
			"'%s' is no number (decimal without leading zeros, or 0x...)",
			accel_quote(&quote, start, len));
	return 0;
}

static void take_name(struct lexer *lex, struct accel_lang_token *token)
{
	static const struct {
		const char *word;
		enum accel_lang_tok kind;
	} keywords[] = {{"if", ACCEL_TOK_IF}, {"then", ACCEL_TOK_THEN}, {"else", ACCEL_TOK_ELSE}};
	const char *start = lex->src->text + lex->at;

	while (is_name(peek(lex)))
		lex->at++;
	token->span.len = (uint32_t)(lex->src->text + lex->at - start);
	token->kind = ACCEL_TOK_NAME;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(keywords); i++)
		if (strlen(keywords[i].word) == token->span.len &&
		    !memcmp(start, keywords[i].word, token->span.len))
			token->kind = keywords[i].kind;
}

/* The end of the string that opens at the cursor: *closing is its last quote. */
static int find_quote(struct lexer *lex, size_t *closing)
{
	struct accel_lang_span opened = here(lex, 1);
	int rc;

	lex->at++;
	while (peek(lex) != '"' || lex->at >= lex->src->len) {
		if (lex->at >= lex->src->len || peek(lex) == '\n')
			return accel_lang_fail(lex->src, opened, -EINVAL,
					       "a string without its closing quote (\")");
		if (peek(lex) == '\\') {
			lex->at++;
			if (peek(lex) != '"' && peek(lex) != '\\') {
				lex->at--;
				return accel_lang_fail(lex->src, here(lex, 1), -EINVAL,
						       "unknown escape (\\\" or \\\\)");
			}
		}
		rc = take_char(lex);
		if (rc)
			return rc;
	}
	*closing = lex->at++;
	return 0;
}

static int take_string(struct lexer *lex, struct accel_lang_token *token)
{
	size_t start = lex->at + 1, end = 0;
	char *out;
	int rc = find_quote(lex, &end);

	if (rc)
		return rc;
	out = accel_lang_alloc(lex->src->arena, end - start + 1);
	if (!out)
		return accel_lang_fail_memory(lex->src);
	token->kind = ACCEL_TOK_STRING;
	token->string = out;
	token->span.len = (uint32_t)(lex->at - token->span.at);
	for (size_t i = start; i < end; i++) {
		i += lex->src->text[i] == '\\';
		*out++ = lex->src->text[i];
	}
	return 0;
}

static int take_operator(struct lexer *lex, struct accel_lang_token *token)
{
	struct accel_quote quote;
	size_t at = lex->at;
	int rc;

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(operators); i++) {
		const struct operator* op = & operators[i];

		if (!begins(lex, op->text) || (op->kind == ACCEL_TOK_ASSIGN && begins(lex, "==")) ||
		    begins(lex, "=>"))
			continue;
		token->kind = op->kind;
		token->cmp = op->cmp;
		token->property_right = op->property_right;
		token->span.len = (uint32_t)strlen(op->text);
		lex->at += token->span.len;
		return 0;
	}
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(strangers); i++)
		if (begins(lex, strangers[i].text))
			return accel_lang_fail(lex->src, here(lex, strlen(strangers[i].text)),
					       -EINVAL,
					       "unknown operator '%s' (did you mean '%s'?)",
					       strangers[i].text, strangers[i].hint);
	rc = take_char(lex);
	if (rc)
		return rc;
	token->span.len = (uint32_t)(lex->at - at);
	return accel_lang_fail(lex->src, token->span, -EINVAL,
			       "'%s' does not belong here (a computation is names joined by '>->')",
			       accel_quote(&quote, lex->src->text + at, lex->at - at));
}

static int take_token(struct lexer *lex, struct accel_lang_token *token)
{
	char c = peek(lex);
	char next = lex->at + 1 < lex->src->len ? lex->src->text[lex->at + 1] : '\0';

	token->span = here(lex, 0);
	if (lex->at >= lex->src->len) {
		token->kind = ACCEL_TOK_END;
		return 0;
	}
	if (is_digit(c) || (c == '-' && is_digit(next)))
		return take_number(lex, token);
	if (c == '"')
		return take_string(lex, token);
	if (!is_name_start(c))
		return take_operator(lex, token);
	take_name(lex, token);
	return 0;
}

/* Room for one more token. Arrays that were outgrown stay in the arena: twice the last one at
 * most. */
static int make_room(struct lexer *lex, unsigned *cap)
{
	struct accel_lang_token *larger;

	if (lex->n < *cap)
		return 0;
	*cap = *cap ? *cap * 2 : 32;
	larger = accel_lang_alloc(lex->src->arena, *cap * sizeof(*larger));
	if (!larger)
		return accel_lang_fail_memory(lex->src);
	if (lex->n)
		memcpy(larger, lex->tokens, lex->n * sizeof(*larger));
	lex->tokens = larger;
	return 0;
}

int accel_lang_lex(const struct accel_lang_source *src, struct accel_lang_token **out,
		   unsigned *n_out)
{
	struct lexer lex = {.src = src};
	unsigned cap = 0;
	int rc;

	if (src->len > ACCEL_LANG_MAX_LEN)
		return accel_lang_fail(src, (struct accel_lang_span){0, 0}, -EFBIG,
				       "too large for a computation (%zu bytes, at most %u)",
				       src->len, ACCEL_LANG_MAX_LEN);
	do {
		rc = skip_blanks(&lex);
		if (!rc)
			rc = make_room(&lex, &cap);
		if (!rc)
			rc = take_token(&lex, &lex.tokens[lex.n]);
		if (rc)
			return rc;
	} while (lex.tokens[lex.n++].kind != ACCEL_TOK_END);
	*out = lex.tokens;
	*n_out = lex.n;
	return 0;
}
