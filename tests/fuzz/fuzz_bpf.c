/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_bpf.c - two doors for strangers' bytes: a program with a packet, and the text of a program.
 *
 * Input: the first byte chooses. Even: text for accel_bpf_parse. Odd: a byte with the number of
 * instructions, as many struct sock_filter, the packet. A program that is valid runs, prints, is
 * moved off both cooked headers and composed; nothing may crash, and what was composed or moved
 * must still be valid. */
#include "fuzz.h"

#include "bpf/cbpf.h"

static const struct accel_bpf_aux aux = {.ifindex = 2, .protocol = 0x800, .net_offset = 14};

/* In full, and into room for half of it. */
static void print_all(const struct sock_filter *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char line[128];
		int len = accel_bpf_print(&insns[i], i, line, sizeof(line));
		char *half;

		FUZZ_CHECK(len > 0 && (size_t)len < sizeof(line) && strlen(line) == (size_t)len);
		half = malloc((size_t)len / 2 + 1);
		FUZZ_CHECK(half);
		FUZZ_CHECK(accel_bpf_print(&insns[i], i, half, (size_t)len / 2 + 1) == len);
		FUZZ_CHECK(memcmp(half, line, (size_t)len / 2) == 0 && half[len / 2] == '\0');
		free(half);
	}
}

static void uncook(const struct sock_filter *insns, unsigned n, int link_type)
{
	struct sock_filter *moved = malloc(n * sizeof(*moved));

	FUZZ_CHECK(moved);
	memcpy(moved, insns, n * sizeof(*moved));
	if (accel_bpf_uncook(moved, n, link_type) == 0)
		FUZZ_CHECK(accel_bpf_validate(moved, n, NULL) == 0);
	else
		FUZZ_CHECK(memcmp(moved, insns, n * sizeof(*moved)) == 0);
	free(moved);
}

/* Behind a guard that lets all pass, the verdict is the program's own. */
static void compose(const struct sock_filter *insns, unsigned n, const uint8_t *packet,
		    uint32_t len)
{
	const struct accel_guard guard = {.n_ifindex = 1,
					  .ifindex = {2},
					  .lo_ifindex = 1,
					  .direction = ACCEL_DIR_IN,
					  .n_queues = 1,
					  .queues = {{2, 0, 0}},
					  .n_vlans = 1};
	struct sock_filter *composed;
	unsigned n_composed;

	FUZZ_CHECK(accel_bpf_compose(&guard, insns, n, 96, &composed, &n_composed) == 0);
	FUZZ_CHECK(accel_bpf_validate(composed, n_composed, NULL) == 0);
	FUZZ_CHECK(accel_bpf_fits_kernel(composed, n_composed) == accel_bpf_fits_kernel(insns, n));
	/* A program that loops may be ended some steps earlier. */
	if (accel_bpf_fits_kernel(insns, n))
		FUZZ_CHECK(accel_bpf_run(composed, packet, len, len, &aux) ==
			   accel_bpf_run(insns, packet, len, len, &aux));
	free(composed);
}

static void use(const struct sock_filter *insns, unsigned n, const uint8_t *packet, uint32_t len)
{
	accel_bpf_run(insns, packet, len, len + 4, &aux);
	print_all(insns, n);
	uncook(insns, n, 113);
	uncook(insns, n, 276);
	if (n <= 1000)
		compose(insns, n, packet, len);
}

/* What was read, written as text, is read as the same. */
static void read_again(const struct sock_filter *insns, unsigned n)
{
	size_t cap = 16 + n * 32u, len = 0;
	char *text = malloc(cap);
	struct sock_filter *again;
	unsigned n_again;

	FUZZ_CHECK(text);
	len += (size_t)snprintf(text + len, cap - len, "%u\n", n);
	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, cap - len, "%u %u %u %u\n", insns[i].code,
					insns[i].jt, insns[i].jf, insns[i].k);
	FUZZ_CHECK(accel_bpf_parse("again", text, len, &again, &n_again, NULL) == 0);
	FUZZ_CHECK(n_again == n && memcmp(again, insns, n * sizeof(*insns)) == 0);
	free(again);
	free(text);
}

static void fuzz_text(const uint8_t *data, size_t size)
{
	struct sock_filter *insns;
	unsigned n;

	if (accel_bpf_parse("fuzz", (const char *)data, size, &insns, &n, NULL) < 0)
		return;
	read_again(insns, n);
	use(insns, n, data, (uint32_t)size);
	free(insns);
}

static void fuzz_program(const uint8_t *data, size_t size)
{
	unsigned n = size ? data[0] : 0;
	size_t len = n * sizeof(struct sock_filter);
	struct sock_filter *insns;

	if (n == 0 || size - 1 < len)
		return;
	insns = malloc(len);
	FUZZ_CHECK(insns);
	memcpy(insns, data + 1, len);
	if (accel_bpf_validate(insns, n, NULL) == 0) {
		read_again(insns, n);
		use(insns, n, data + 1 + len, (uint32_t)(size - 1 - len));
	}
	free(insns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		fuzz_program(data + 1, size - 1);
	else
		fuzz_text(data + 1, size - 1);
	return 0;
}
