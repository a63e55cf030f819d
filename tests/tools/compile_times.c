/* SPDX-License-Identifier: BSD-3-Clause */
/* compile_times - how long computations take from text to programs.
 *
 *     compile_times ROUNDS <COMPUTATIONS
 *
 * With our library in front. Each line of stdin is compiled ROUNDS times; one line of JSON each:
 * "ms" is the median of wall clock, "max" the longest, "instructions" all programs of all its
 * sockets together, for members that are alone. Exit 0; 1 with a sentence on stderr.
 *
 * Threads: one. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 10000

struct computation;

static int (*compile)(const char *, struct computation **, char *, size_t);
static void (*release)(struct computation *);
static int (*get_program)(const struct computation *, unsigned, int, unsigned, void *, size_t);

static void die(const char *what, const char *why)
{
	fprintf(stderr, "compile_times: %s: %s\n", what, why);
	exit(1);
}

static void *find(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);

	if (!found)
		die(name, "not there (LD_PRELOAD=libpcap-accel.so)");
	return found;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Part by part, until one has neither filter nor fanout program. */
static int count_instructions(const struct computation *c)
{
	int total = 0, n = 1;

	for (unsigned part = 0; n > 0; part++) {
		n = get_program(c, part, 0, 1, NULL, 0) + get_program(c, part, 1, 1, NULL, 0);
		total += n;
	}
	return total;
}

static void print_text(const char *text)
{
	for (; *text; text++)
		printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void measure(const char *text, unsigned rounds)
{
	static double ms[MAX_ROUNDS];
	struct computation *c = NULL;
	char report[1024];
	int n = 0;

	for (unsigned i = 0; i < rounds; i++) {
		double start = now_ms();
		int r = compile(text, &c, report, sizeof(report));

		ms[i] = now_ms() - start;
		if (r)
			die(text, report);
		n = count_instructions(c);
		release(c);
	}
	qsort(ms, rounds, sizeof(ms[0]), by_size);
	printf("{\"text\": \"");
	print_text(text);
	printf("\", \"ms\": %.4f, \"max\": %.4f, \"instructions\": %d}\n", ms[rounds / 2],
	       ms[rounds - 1], n);
}

int main(int argc, char **argv)
{
	char line[4096];
	unsigned rounds;

	if (argc != 2 || sscanf(argv[1], "%u", &rounds) != 1 || !rounds || rounds > MAX_ROUNDS)
		die("arguments", "ROUNDS (1 to 10000)");
	*(void **)&compile = find("pcap_accel_compile_computation");
	*(void **)&release = find("pcap_accel_free_computation");
	*(void **)&get_program = find("pcap_accel_get_program");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		measure(line, rounds);
	}
	return 0;
}
